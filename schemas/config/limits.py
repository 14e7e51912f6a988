"""Limits that keep one hostile record from taking the machine, and one large shard from taking one worker alone."""

MAX_PIXELS = 1 << 28
"""Default of `max_pixels`: 16,384 x 16,384, or a volume of 512 x 512 x 1,024."""

BATCH_TIMEOUT_SECONDS = 1800.0
"""Default of `batch_timeout_seconds`: no honest first batch takes that long, compilation by XLA included."""

SHARD_SPLIT_BYTES = 1 << 28
"""Default of `shard_split_bytes`: minutes of work for one worker, and well above the usual 100 to 200 MB of a shard."""
