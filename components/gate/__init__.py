"""Deciding: a run against limits and against its baseline."""
