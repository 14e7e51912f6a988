"""What the workers of this process have done so far, for a progress bar beside them.

Beam's counters are not read until a pipeline ends. Workers in other processes keep tallies of their own, which
nobody reads.
"""

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Samples scored and failed, and the bytes read of each shard."""

    scored: int = 0
    failed: int = 0
    shards_done: int = 0
    bytes_read: dict[str, int] = field(default_factory=dict)


_lock = threading.Lock()
_tally = Tally()


def reset() -> None:
    """Begin again."""
    global _tally  # noqa: PLW0603 - one process, one tally
    with _lock:
        _tally = Tally()


def add(shard: str, byte_offset: int, scored: int, failed: int) -> None:
    """Note a batch."""
    with _lock:
        if not shard.endswith(".gz"):  # its offsets count uncompressed bytes
            _tally.bytes_read[shard] = byte_offset
        _tally.scored += scored
        _tally.failed += failed


def finish(shard: str, size_bytes: int) -> None:
    """Note a committed shard; for a gzip one only now is it known how much of the file was read."""
    with _lock:
        _tally.bytes_read[shard] = size_bytes
        _tally.shards_done += 1


def snapshot() -> Tally:
    """The state now."""
    with _lock:
        return Tally(_tally.scored, _tally.failed, _tally.shards_done, dict(_tally.bytes_read))
