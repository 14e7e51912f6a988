"""What local files and the clients of object stores raise, made into one clear StorageError."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from apache_beam.io.aws.clients.s3.messages import S3ClientError
from apache_beam.io.filesystem import BeamIOError
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from ...schemas.errors import StorageError

try:
    from botocore.exceptions import BotoCoreError, ClientError

    _AWS: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
except ImportError:  # without the extra `aws`
    _AWS = ()

REMOTE = (BeamIOError, S3ClientError, GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse, *_AWS)
"""What is raised for remote paths beside OSError."""

_NOT_FOUND = 404
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LOCAL_REMEDY = "free space there or fix its permissions, then try again"
_REMEDY = (
    "see that the bucket is there, and that the credentials may read, list, write and delete in it, then try again"
)
_SHOWN = 400


@contextmanager
def writing(path: str) -> Iterator[None]:
    """What fails in the block fails because the path cannot be written.

    Raises:
        StorageError: for a full disk, missing permissions, or storage that fails.
    """
    try:
        yield
    except (OSError, *REMOTE) as error:
        full = isinstance(error, OSError) and error.errno in _FULL
        msg = f"{path} cannot be written: {in_one_line(error)}; {_remedy(path, full=full)}"
        raise StorageError(msg) from error


@contextmanager
def reading(path: str) -> Iterator[None]:
    """What a bucket raises in the block comes as what local files raise where that is said, else as a StorageError.

    Raises:
        FileNotFoundError: if there is no such object. StorageError: if the bucket fails.
    """
    try:
        yield
    except REMOTE as error:
        if is_missing(error):
            raise FileNotFoundError(errno.ENOENT, "there is no such object", path) from error
        msg = f"{path} cannot be read: {in_one_line(error)}; {_remedy(path, full=False)}"
        raise StorageError(msg) from error


def _remedy(path: str, *, full: bool) -> str:
    if "://" not in path:
        return _LOCAL_REMEDY
    return f"free space in {tempfile.gettempdir()}, where it is made first, or set TMPDIR" if full else _REMEDY


def is_missing(error: BaseException) -> bool:
    """Whether a client says that there is no such object."""
    return status(error) == _NOT_FOUND


def status(error: BaseException) -> int | None:
    """The HTTP status that made a client raise an error, None where there was none."""
    answer = getattr(error, "response", None)  # boto3's is a dictionary, Google's is not
    code = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
    code = code or getattr(error, "code", None)
    return int(code) if isinstance(code, int) else None


def in_one_line(error: BaseException) -> str:
    """What an error says, not too long."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:_SHOWN].rstrip(".")
