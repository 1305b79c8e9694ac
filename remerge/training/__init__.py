"""What every training run shares: learning rates over its steps, saved states, and the optimiser Muon."""
