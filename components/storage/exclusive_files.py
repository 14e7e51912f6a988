"""Small files that are created once: of several writers of one name exactly one succeeds, and its file is whole.

On a disk that is a hard link to a file that is written already, in a bucket a request with a precondition.
"""

import errno
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from . import filesystems, object_stores, storage_errors

_TRIES, _PAUSE_SECONDS = 20, 0.1
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without hard links say."""


def create(path: str, data: bytes) -> bool:
    """Create a file, unless there is one of that name; returns whether it is this one.

    Where the answer to a request was lost, a file of the same bytes is taken for this one. So bytes of which only one
    writer may win must be his alone.

    Raises:
        StorageError: if it cannot be written; nothing is left of it then.
    """
    with storage_errors.writing(path):
        return _sent(path, data) if filesystems.is_remote(path) else _linked(path, data)


def _sent(path: str, data: bytes) -> bool:
    for _ in range(_TRIES):
        if object_stores.put_if_absent(data, path):
            return True
        with suppress(FileNotFoundError), filesystems.reading_stored(path) as file:
            return file.read() == data
        time.sleep(_PAUSE_SECONDS)  # S3 refuses both of two requests that come at the same time
    raise OSError(errno.EAGAIN, "the store says that such an object is there, and that it is not")


def _linked(path: str, data: bytes) -> bool:
    folder, _, name = path.rpartition("/")
    temporary = Path(f"{folder}/.{name}.{uuid.uuid4().hex[:12]}.tmp")
    filesystems.make_folder(folder)
    try:
        _write(temporary, data)
        return _link(temporary, Path(path), data)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path, data: bytes) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        with suppress(FileNotFoundError):
            return path.samefile(temporary)  # over NFS the answer to a request that succeeded can be lost
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _written(path, data)
    return True


def _written(path: Path, data: bytes) -> bool:
    """Create the file under its own name; a kill in the middle leaves half of it."""
    try:
        _write(path, data)
    except FileExistsError:
        return False
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
