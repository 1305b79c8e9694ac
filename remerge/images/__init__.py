"""Images of tasks: preparation, storage, corruption and audit."""
