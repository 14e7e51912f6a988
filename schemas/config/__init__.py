"""Every key of a config: its type, its default, what it refuses."""
