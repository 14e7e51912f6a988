"""The files of a model or a transform on this machine, held to the fingerprint that the run was planned with.

What is local is taken where it is. What is remote, what a graph may read at any call (assets), what did not stand
still, and what has a path that TensorFlow would take for a pattern is copied to a folder of this user alone: once for
each machine, safely between processes. No copy is believed by its name: each use reads it and compares, and a damaged
one is fetched again.
"""

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError, StorageError
from ...schemas.transform import PARTS
from ..runtime import private_folder
from ..storage import filesystems, storage_errors
from . import fingerprints, held_files, transforms
from .held_files import HeldFiles

MODEL, TRANSFORM = "model", "transform"
"""What is held."""
TRIES = 3
"""Loads of something that is changed by others during each of them."""
_PATTERN = re.compile(r"[*?\[\]\\]")
"""In a path: TensorFlow looks for variables by a pattern that begins with it, and would find none."""
_PARTS = {MODEL: ("",), TRANSFORM: PARTS}
_FINGERPRINTS = {MODEL: fingerprints.model_fingerprint, TRANSFORM: fingerprints.transform_fingerprint}
_Loaded = TypeVar("_Loaded")


def load(path: str, fingerprint: str, what: str, loader: Callable[[str], _Loaded]) -> _Loaded:
    """Load what a run was planned with: the files had the plan's fingerprint, and stood still until they were loaded.

    TensorFlow reads the graph, the variables and its tables while it loads; so what was loaded is what was read before.
    A folder that did not stand still, has assets, or has a path that is a pattern, is loaded from a private copy.

    Args:
        path: of the model, or of the transform.
        fingerprint: of what is to be there.
        what: MODEL, or TRANSFORM.
        loader: loads from a local folder.

    Raises:
        StorageError: if it is another one now, or cannot be copied.
        ModelError: if nothing is there; and whatever the loader raises.
    """
    last: Exception | None = None
    for attempt in range(TRIES):
        held = _held(path, fingerprint, what, copied=attempt > 0)
        try:
            loaded = loader(held.folder)
        except Exception as error:
            if _untouched(held):
                raise
            last = error
            continue
        if _untouched(held):
            return loaded
    msg = f"{what} {path}: something changed its files in each of {TRIES} loads; see what writes to {held.folder}"
    raise StorageError(msg) from last


def _untouched(held: HeldFiles) -> bool:
    try:
        return held.are_untouched()
    except (OSError, StorageError):  # something is gone between the listing and the look at it
        return False


def _held(path: str, fingerprint: str, what: str, *, copied: bool) -> HeldFiles:
    if not filesystems.is_remote(path) and not copied:
        held = _looked(path, what)
        _check(_FINGERPRINTS[what](held.folder, path), fingerprint, what, path)
        if not held.has_assets and not _PATTERN.search(held.folder):
            return held
    cache = private_folder.make("dicebeam-models")  # a SavedModel may read and write files
    return _whole(cache / fingerprint, fingerprint, what) or _copied(path, cache, fingerprint, what)


def _looked(path: str, what: str) -> HeldFiles:
    try:
        return held_files.look(path, _PARTS[what])
    except OSError as error:
        raise ModelError(f"{what} {path}: cannot be read: {error}") from error


def _check(found: str, fingerprint: str, what: str, path: str) -> None:
    if found != fingerprint:
        msg = (
            f"{what} {path}: expected the one that the run was planned with, of fingerprint {fingerprint[:12]}, but "
            f"got {found[:12]}: it was changed meanwhile. Evaluate the new one with another --run-id; to resume, put "
            "the old one back, or name a folder that has it"
        )
        raise StorageError(msg)


def _whole(folder: Path, fingerprint: str, what: str) -> HeldFiles | None:
    """A copy that has the fingerprint, None where it has not."""
    if folder.is_symlink():
        return None
    try:
        held = _looked(str(folder), what)
        return held if _FINGERPRINTS[what](held.folder) == fingerprint else None
    except (ModelError, StorageError):  # nothing is there, or it cannot be read
        return None


def _copied(path: str, cache: Path, fingerprint: str, what: str) -> HeldFiles:
    """A copy that is made now, checked, and put where others find it, unless another process was first."""
    target, partial = cache / fingerprint, cache / f".{fingerprint}.{uuid.uuid4().hex[:12]}"
    try:
        for part in _PARTS[what]:
            filesystems.copy_folder(f"{path.rstrip('/')}/{part}" if part else path, partial / part)
        _check(_FINGERPRINTS[what](str(partial), path), fingerprint, what, path)
        with _locked(cache):
            held = _whole(target, fingerprint, what)
            if held is None:
                _put(partial, target)
                held = _looked(str(target), what)
    except OSError as error:
        msg = (
            f"{what} {path}: cannot be copied to {cache}: {storage_errors.in_one_line(error)}; see that it can be "
            "read, and free space there or set TMPDIR to a larger disk"
        )
        raise StorageError(msg) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return held


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the system unlocks it however a process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # no locks there: two that put the same files in their places do no harm
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _put(partial: Path, target: Path) -> None:
    """Put a whole copy in the place of none, or of a damaged one.

    Of a damaged one that may be in use each file is replaced by a whole one at once, so that it is never missing.
    """
    if not target.is_dir() or target.is_symlink():
        target.unlink(missing_ok=True)
        partial.rename(target)
        return
    wanted = {file.relative_to(partial) for file in partial.rglob("*") if file.is_file()}
    for found in sorted(target.rglob("*"), reverse=True):  # what is in a folder before the folder
        name = found.relative_to(target)
        if found.is_dir() and not found.is_symlink():
            if name in wanted:
                shutil.rmtree(found)
        elif name not in wanted:
            found.unlink()
    for name in sorted(wanted):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).replace(target / name)


def load_transform(model: ModelSettings, fingerprint: str) -> transforms.Transform:
    """Load the transform that stands before a model; the settings must have one.

    Raises:
        ModelError: if it cannot be loaded. StorageError: if it is another one than that of the fingerprint.
    """
    path = model.input.transform or ""
    return load(path, fingerprint, TRANSFORM, lambda folder: transforms.load(folder, path))
