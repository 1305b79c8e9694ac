"""A job from the first line of its log to its record: device, threads, progress, resuming, provenance."""
