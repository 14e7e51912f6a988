"""Files that must stay what they are while something reads them: how they stand on the disk, before and after.

A file that is written to, or one that takes its place, has another inode, size or time of change; so has a link that is
switched, and the folder around it. No program can set back a time of change (ctime).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from time import time as now

from . import fingerprints

_TICK_SECONDS = 0.02
"""Two changes within a tick of the system's clock can have one time."""

Standing = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class HeldFiles:
    """The files of a local folder that are in a fingerprint, as they stood before they were read.

    folder: its real path, without links. parts: its parts that count, `""` for all of it.
    """

    folder: str
    parts: tuple[str, ...]
    standing: Standing

    @property
    def has_assets(self) -> bool:
        """Whether its graph has files of its own, which it may read at any call and not only while it is loaded."""
        return any("assets" in Path(name).parts[:-1] for name, _ in self.standing)

    def are_untouched(self) -> bool:
        """Whether the files stand as they stood."""
        return _standing(self.folder, self.parts) == self.standing


def look(path: str, parts: tuple[str, ...]) -> HeldFiles:
    """How the files of a local folder stand, to be asked later; links to the folder itself are followed once, here.

    Raises:
        OSError: if they cannot be looked at.
    """
    folder = os.path.realpath(path)
    standing = _standing(folder, parts)
    newest = max((time for _, each in standing for time in (each[4], each[9])), default=0) / 1e9
    if 0 <= now() - newest < _TICK_SECONDS:
        sleep(_TICK_SECONDS)
        standing = _standing(folder, parts)
    return HeldFiles(folder, parts, standing)


def _standing(folder: str, parts: tuple[str, ...]) -> Standing:
    found: dict[str, tuple[int, ...]] = {}
    root = Path(folder)
    for file in (Path(file.path) for part in parts for file in fingerprints.files_of(folder, part)):
        for place in (file, *file.parents):
            name = str(place.relative_to(root))
            if name in found:
                break
            found[name] = (*_identity(place.lstat()), *_identity(place.stat()))
            if place == root:
                break
    return tuple(sorted(found.items()))


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
