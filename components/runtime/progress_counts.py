"""What the workers of this process have done so far, for a progress bar beside them.

Beam's counters are not read until a pipeline ends. Workers in other processes keep counts of their own, which
nobody reads.
"""

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class ProgressCounts:
    """Samples scored and failed, and the bytes read of each unit."""

    scored: int = 0
    failed: int = 0
    units_done: int = 0
    bytes_read: dict[str, int] = field(default_factory=dict)


_lock = threading.Lock()
_counts = ProgressCounts()


def reset() -> None:
    """Begin again."""
    global _counts  # noqa: PLW0603 - one process, one count
    with _lock:
        _counts = ProgressCounts()


def add(unit: str, bytes_read: int, scored: int, failed: int) -> None:
    """Note a batch."""
    with _lock:
        if not unit.endswith(".gz"):  # its offsets count uncompressed bytes
            _counts.bytes_read[unit] = bytes_read
        _counts.scored += scored
        _counts.failed += failed


def finish(unit: str, size_bytes: int) -> None:
    """Note a committed unit; for a gzip one only now is it known how much of the file was read."""
    with _lock:
        _counts.bytes_read[unit] = size_bytes
        _counts.units_done += 1


def snapshot() -> ProgressCounts:
    """The state now."""
    with _lock:
        return ProgressCounts(_counts.scored, _counts.failed, _counts.units_done, dict(_counts.bytes_read))
