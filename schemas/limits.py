"""Limits that keep one hostile record from taking the machine."""

MAX_PIXELS = 1 << 28
"""Default of `max_pixels`: 16,384 x 16,384, or a volume of 512 x 512 x 1,024."""

BATCH_TIMEOUT_SECONDS = 1800.0
"""Default of `batch_timeout_seconds`: no honest first batch takes that long, compilation by XLA included."""
