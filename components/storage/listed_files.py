"""Files that were listed, read as what they were listed as, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ...schemas.files import StoredFile
from . import filesystems, object_stores, versions


@contextmanager
def reading(listed: StoredFile) -> Iterator[BinaryIO]:
    """A file's bytes, as `filesystems.reading` gives them, of the version that was listed.

    Raises:
        OSError: FileNotFoundError and the like.
        StorageError: if a bucket fails; if the file is another one when it is opened, or when the block ends without an
            error: what was read may be of two versions then.
    """
    with filesystems.reading_stored(listed.path) as raw:
        versions.check(listed, _now(listed.path, raw))
        with filesystems.unzipped(listed.path, raw) as file:
            yield file
        versions.check(listed, _now(listed.path, raw))


def _now(path: str, raw: BinaryIO) -> StoredFile:
    """What an open file is now; of a local one not what stands under its path, which may be another one already."""
    if filesystems.is_remote(path):
        return StoredFile(path, *object_stores.size_and_version(path))
    status = os.fstat(raw.fileno())
    return StoredFile(path, status.st_size, versions.of_status(status))
