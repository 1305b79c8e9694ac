"""Images of tasks: how they are prepared, stored, corrupted and audited."""
