"""Files that are created once: of several writers of one name exactly one succeeds, and its file is whole.

On a disk that is a hard link to a file that is written already, in a bucket a request with a precondition.
"""

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from . import filesystems, object_stores, storage_errors

_TRIES, _PAUSE_SECONDS = 20, 0.1
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems without hard links say."""


def create(path: str, data: bytes) -> bool:
    """Create a small file, unless there is one of that name; returns whether it is this one.

    Where the answer to a request was lost, a file of the same bytes is taken for this one. So bytes of which only one
    writer may win must be his alone.

    Raises:
        StorageError: if it cannot be written; nothing is left of it then.
    """
    with storage_errors.writing(path):
        return _sent(path, data) if filesystems.is_remote(path) else _linked(path, data)


def send(file: BinaryIO, path: str) -> bool:
    """Make an object of a file that is written already, unless there is one of that name.

    Returns:
        Whether it is there now; where the answer to a request was lost, False although it is.

    Raises:
        StorageError, OSError, and what storage_errors.REMOTE has: if it cannot be written.
    """
    return _tried(path, lambda: object_stores.put_new(file, path), lambda _: False)


def link(temporary: Path, path: Path) -> bool:
    """Give a local file that is written already a name that no file has; it keeps the temporary one.

    Without hard links it is moved there after a look whether there is one: of two that do so at once the later one's
    file stands, and never half of one.

    Returns:
        Whether it has the name.

    Raises:
        OSError: if it cannot be.
    """

    def moved() -> bool:
        if path.exists():
            return False
        filesystems.rename(str(temporary), str(path))
        return True

    return _link(temporary, path, moved)


def _sent(path: str, data: bytes) -> bool:
    return _tried(path, lambda: object_stores.put_if_absent(data, path), lambda file: file.read() == data)


def _tried(path: str, put: Callable[[], bool], is_ours: Callable[[BinaryIO], bool]) -> bool:
    for _ in range(_TRIES):
        if put():
            return True
        with suppress(FileNotFoundError), filesystems.reading_stored(path) as file:
            return is_ours(file)
        time.sleep(_PAUSE_SECONDS)  # S3 refuses both of two requests that come at the same time
    raise OSError(errno.EAGAIN, "the store says that such an object is there, and that it is not")


def _linked(path: str, data: bytes) -> bool:
    temporary = Path(filesystems.temporary_name(path))
    filesystems.make_folder(path.rpartition("/")[0])
    try:
        _write(temporary, data)
        return _link(temporary, Path(path), lambda: _written(Path(path), data))
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path, without_links: Callable[[], bool]) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        with suppress(FileNotFoundError):
            return path.samefile(temporary)  # over NFS the answer to a request that succeeded can be lost
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return without_links()
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
