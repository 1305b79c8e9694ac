"""CLIP: architectures, image encoders, zero-shot heads, and training."""
