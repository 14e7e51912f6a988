"""Numbers for the processes of a machine: each takes the lowest that is free and keeps it until it ends.

A number is a locked file, which the system unlocks however the process ends. Containers that do not share their
temporary folder do not see each other's.
"""

import contextlib
import fcntl
import itertools
import os
import time
from pathlib import Path

_TRIES, _AGAIN_SECONDS = 3, 0.002
"""`any_taken` of another process locks a free number for a moment; that does not make it taken."""

_held: dict[Path, int] = {}
"""File descriptors of this process's own numbers; they stay open as long as it lives."""


def claim(folder: Path, count: int | None = None) -> int | None:
    """The lowest free number, which is this process's from now on; None where all of 0..count-1 are taken."""
    for number in itertools.count() if count is None else range(count):
        path = folder / f"{number}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _locked(descriptor):
            _held[path] = descriptor
            return number
        os.close(descriptor)
    return None


def release(folder: Path, number: int) -> None:
    """Let another process have a number of this one."""
    os.close(_held.pop(folder / f"{number}.lock"))


def any_taken(folder: Path) -> bool:
    """Whether a living process has one of the folder's numbers."""
    for path in folder.glob("*.lock"):
        descriptor = os.open(path, os.O_RDWR)
        free = _locked(descriptor)
        os.close(descriptor)  # which unlocks it
        if not free:
            return True
    return False


def _locked(descriptor: int) -> bool:
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_AGAIN_SECONDS)
    return False
