"""Running a job: log, device, threads, progress, resuming and provenance."""
