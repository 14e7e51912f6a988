"""The stages, joined."""
