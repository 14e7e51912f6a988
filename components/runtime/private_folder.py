"""Folders below the temporary one that belong to one user: nobody else can put anything there."""

import os
import stat
import tempfile
from pathlib import Path

from ...schemas.errors import StorageError


def make(name: str) -> Path:
    """`<temporary folder>/<name>-<user id>`, made if it is not there.

    Raises:
        StorageError: if it cannot be made, or somebody else could write to it.
    """
    folder = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        msg = (
            f"expected to make the folder {folder}, but: {error.strerror}; see what is in its place and that there is "
            "space, or set TMPDIR to another folder"
        )
        raise StorageError(msg) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        msg = f"expected {folder} to be a folder that this user alone can write to; remove it, or set TMPDIR"
        raise StorageError(msg)
    return folder
