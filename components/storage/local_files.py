"""Files on this machine that match a pattern. What a pattern gives and cannot be looked at is an error, never left out.

Links to folders are followed, and loops of them end.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...schemas.errors import StorageError
from ...schemas.files import StoredFile
from . import globs, storage_errors
from .globs import Part

_FOR_ROOT_ALONE = "lost+found"
"""What a disk has at its top, which nobody may list and which holds no data."""
_ODD = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_TABLE_FILE = ".parquet"
"""What ends so is a file of a table, and no folder may stand in its place unseen."""


class Found(NamedTuple):
    """A file under a name that fits."""

    path: str
    status: os.stat_result


def matching(pattern: str, *, dotted: bool = False, left_out: list[str] | None = None) -> list[Found]:
    """Regular files whose paths fit a pattern, sorted by path.

    Args:
        pattern: an absolute path; see `globs`.
        dotted: whether a star stands for the dot of a hidden name too.
        left_out: where it is given, each folder is visited once under `**`, whatever links lead to it, and not under
            the name of a link where it has one of its own; the other names of folders are added here. Else a folder is
            visited under all its names, but not below itself.

    Raises:
        StorageError: for a link that leads nowhere, a folder that cannot be listed, a file that cannot be looked at,
            and what is neither file nor folder, as a pipe; for a folder under the name of a table's file.
    """
    parts = globs.parts(pattern, dotted=dotted)
    walk = _Walk(parts, left_out, folders=not pattern.endswith(_TABLE_FILE))
    found = {each.path: each for each in walk.files()}
    return [found[path] for path in sorted(found)]


class _Step(NamedTuple):
    """A folder whose entries may fit a part of the pattern; `above` are the folders that this step is below of."""

    folder: str
    place: int
    real: str | None
    above: frozenset[str]


class _Walk:
    def __init__(self, parts: Sequence[Part], left_out: list[str] | None, *, folders: bool) -> None:
        self._parts, self._left_out, self._may_be_folders = parts, left_out, folders
        self._seen: set[tuple[int, str]] = set()
        self._folders = [_Step("/", 1, None, frozenset())]
        self._links: list[_Step] = []

    def files(self) -> Iterator[Found]:
        while self._folders or self._links:
            # links come last, in the order of their names, so that a folder's own name is the one it is visited under
            step = self._folders.pop() if self._folders else self._links.pop(0)
            part = self._parts[step.place]
            if part.is_name:
                yield from self._of_name(step, part)
            elif part.any_depth:
                yield from self._any_depth(step)
            else:
                yield from self._of_star(step, part)
            if not self._folders:
                self._links.sort()

    def _is_last(self, step: _Step) -> bool:
        return step.place + 1 == len(self._parts)

    def _of_name(self, step: _Step, part: Part) -> Iterator[Found]:
        path = os.path.join(step.folder, part.text)  # noqa: PTH118 - a path is text here
        if self._is_last(step):
            yield from self._file(path)
        else:
            self._folders.append(_Step(path, step.place + 1, None, step.above))

    def _of_star(self, step: _Step, part: Part) -> Iterator[Found]:
        for entry in _entries(step.folder):
            if not part.fits(entry.name):
                continue
            if self._is_last(step):
                yield from self._file(entry.path)
            elif _is_folder(entry):
                self._folders.append(_Step(entry.path, step.place + 1, None, step.above))

    def _any_depth(self, step: _Step) -> Iterator[Found]:
        real = step.real or os.path.realpath(step.folder)
        if self._left_out is None:
            if real in step.above:
                return
        elif (step.place, real) in self._seen:
            self._left_out.append(step.folder)
            return
        self._seen.add((step.place, real))
        above, last = step.above | {real}, self._is_last(step)
        if not last:
            self._folders.append(_Step(step.folder, step.place + 1, None, step.above))
        for entry in _entries(step.folder):
            if not self._parts[step.place].fits(entry.name):
                continue
            if _is_folder(entry):
                if entry.is_symlink():
                    self._links.append(_Step(entry.path, step.place, None, above))
                else:
                    self._folders.append(_Step(entry.path, step.place, f"{real.rstrip('/')}/{entry.name}", above))
            elif last:
                yield from self._file(entry.path)

    def _file(self, path: str) -> Iterator[Found]:
        status = _status(path)
        if status is None or (stat.S_ISDIR(status.st_mode) and self._may_be_folders):
            return
        if not stat.S_ISREG(status.st_mode):
            kind = _ODD.get(stat.S_IFMT(status.st_mode), "something else")
            msg = f"expected a file at {path}, but it is {kind}; move it away, or leave it out of the pattern"
            raise StorageError(msg)
        yield Found(path, status)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except NotADirectoryError:
        return []
    except FileNotFoundError as error:
        _refuse_dangling(folder, error)
    except OSError as error:
        if not (isinstance(error, PermissionError) and folder.endswith(f"/{_FOR_ROOT_ALONE}")):
            raise _unreadable(folder, error) from error
    return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    status = _status(entry.path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def opened(path: str) -> BinaryIO:
    """A file's bytes.

    Raises:
        OSError: FileNotFoundError and the like. StorageError: for a link that leads nowhere.
    """
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        _refuse_dangling(path, error)
        raise


def unreadable(paths: Iterable[str]) -> list[str]:
    """Which of some files this process may not read."""
    effective = os.access in os.supports_effective_ids
    return [path for path in paths if not os.access(path, os.R_OK, effective_ids=effective)]


def one_name_each(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Files by what they are on the disk: of several names of one file, by links, its own or else the first.

    Two files of equal bytes are two. Where inodes say nothing, as on some network file systems, two names are of one
    file only if they lead to one path.
    """
    alike: dict[tuple[int, str], list[StoredFile]] = {}
    for file in files:
        alike.setdefault((file.size_bytes, file.version), []).append(file)
    chosen: list[StoredFile] = []
    for several in alike.values():
        if len(several) == 1:
            chosen += several
            continue
        ordered = sorted(several, key=lambda file: (file.path != os.path.realpath(file.path), file.path))
        chosen += {_identity(file.path): file for file in reversed(ordered)}.values()
    return sorted(chosen, key=lambda file: file.path)


def _identity(path: str) -> tuple[int, int] | str:
    status = _status(path)
    return (status.st_dev, status.st_ino) if status and status.st_ino else os.path.realpath(path)


def _status(path: str) -> os.stat_result | None:
    """What is at a path, behind links; None for nothing, as after another process has deleted it."""
    try:
        return os.stat(path)  # noqa: PTH116 - a path is text here
    except NotADirectoryError:
        return None
    except FileNotFoundError as error:
        _refuse_dangling(path, error)
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _refuse_dangling(path: str, error: OSError) -> None:
    """A path at which nothing is may be below a link: then it is the link that is broken.

    Raises:
        StorageError: if it is.
    """
    there = next((each for each in (Path(path), *Path(path).parents) if os.path.lexists(each)), Path("/"))
    if there.is_symlink() and not there.exists():
        target = there.readlink()
        msg = (
            f"{path} cannot be read: {there} is a link to {target}, where nothing is; mount what it leads to, or "
            "remove the link"
        )
        raise StorageError(msg) from error


def _unreadable(path: str, error: OSError) -> StorageError:
    msg = (
        f"{path} cannot be read: {storage_errors.in_one_line(error)}; mount what it is on or fix its permissions, or "
        "leave it out of the pattern"
    )
    return StorageError(msg)
