"""Objects in gs:// and s3:// buckets, through the clients that Beam's filesystems are made of.

Beam's own writers publish what was written so far when they are closed after an error, leave a failed S3 upload
unfinished in the bucket, and cannot write an empty S3 object. Here an object is sent from a file that is whole already:
it appears under its name as a whole, with a checksum that the store verifies, or not at all.
"""

import copy
import functools
from typing import Any, BinaryIO, NamedTuple

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from google.api_core.exceptions import NotFound
from google.cloud.storage.retry import DEFAULT_RETRY

from ...schemas.errors import StorageError
from . import globs, s3_uploads, storage_errors

RETRY_SECONDS = 120.0
"""For how long Google's client tries a request again; how often boto3 does so, AWS_MAX_ATTEMPTS says."""
GS_CHUNK_BYTES = 16 << 20
S3_WHOLE_BYTES, S3_PART_BYTES = 1 << 30, 64 << 20
"""Up to here an S3 object is one request; a larger one is sent in parts, and these are dropped if one fails."""
_REFUSED = (409, 412)
"""HTTP statuses of a precondition that does not hold, and of two writers of a name at once."""


def put(file: BinaryIO, path: str) -> None:
    """Write what a file holds, from its beginning, as one object, over an earlier one if there is one.

    Raises:
        StorageError: for a place that is neither, or if the object has another size than the file afterwards.
        OSError, and what storage_errors.REMOTE has: if it cannot be written; then there is no part of it.
    """
    (scheme, bucket, name), size = _parts(path), _rewound(file)
    there = _put_s3(file, bucket, name) if scheme == "s3" else _put_gs(file, size, bucket, name)
    _check_size(path, size, there)


def put_new(file: BinaryIO, path: str) -> bool:
    """Write what a file holds as one object, unless there is one of that name; returns whether it has been written.

    When it is False is said at `put_if_absent`.

    Raises:
        StorageError, OSError, and what storage_errors.REMOTE has: as in `put`.
    """
    (scheme, bucket, name), size = _parts(path), _rewound(file)
    try:
        at_s3 = scheme == "s3"
        there = _put_new_s3(file, size, bucket, name) if at_s3 else _put_gs(file, size, bucket, name, 0)
    except storage_errors.REMOTE as error:
        if storage_errors.status(error) in _REFUSED:
            return False
        raise
    _check_size(path, size, there)
    return True


def _rewound(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _check_size(path: str, size: int, there: int | None) -> None:
    if there not in (None, size):
        delete(path)
        msg = f"{path} cannot be written: expected an object of {size} bytes, but it had {there}; it is deleted again"
        raise StorageError(msg)


def _put_gs(file: BinaryIO, size: int, bucket: str, name: str, generation: int | None = None) -> int | None:
    """Upload; returns the size that the store answers for this upload."""
    blob = _gs().bucket(bucket).blob(name, chunk_size=GS_CHUNK_BYTES)
    blob.upload_from_file(file, size=size, checksum="crc32c", retry=_retry(), if_generation_match=generation)
    stored: int | None = blob.size
    return stored


def _put_s3(file: BinaryIO, bucket: str, name: str) -> int | None:
    return s3_uploads.put(_s3(), file, {"Bucket": bucket, "Key": name}, S3_WHOLE_BYTES, S3_PART_BYTES)


def _put_new_s3(file: BinaryIO, size: int, bucket: str, name: str) -> int | None:
    return s3_uploads.put_new(_s3(), file, {"Bucket": bucket, "Key": name}, size, S3_WHOLE_BYTES, S3_PART_BYTES)


def put_if_absent(data: bytes, path: str) -> bool:
    """Write a small object unless there is one of that name; returns whether this request has written it.

    False is also the answer where an earlier try has written it and its answer was lost, and, from S3, where another
    writer is at work on the name.

    Raises:
        OSError, and what storage_errors.REMOTE has: if it cannot be written.
    """
    scheme, bucket, name = _parts(path)
    try:
        if scheme == "s3":
            _s3().put_object(Bucket=bucket, Key=name, Body=data, IfNoneMatch="*")
        else:
            blob = _gs().bucket(bucket).blob(name)
            blob.upload_from_string(data, checksum="crc32c", if_generation_match=0, retry=_retry())
    except storage_errors.REMOTE as error:
        if storage_errors.status(error) in _REFUSED:
            return False
        raise
    return True


class Stored(NamedTuple):
    """An object in a listing; `modified` is Unix time."""

    path: str
    size_bytes: int
    modified: float


def listed(pattern: str, *, dotted: bool = False) -> list[Stored]:
    """The objects that match a glob, see `globs`; none where there is no such bucket.

    Raises:
        StorageError: if they cannot be listed.
    """
    _parts(pattern)
    wanted = globs.parts(pattern, dotted=dotted)
    before = globs.beginning(wanted)
    try:
        with storage_errors.reading(pattern):
            found = [Stored(path, *rest) for path, rest in _beams(pattern).list_files(before, with_metadata=True)]
    except FileNotFoundError:
        return []
    # consoles make folders of names that end in a slash
    return [each for each in found if globs.fits(wanted, each.path.split("/")) and not each.path.endswith("/")]


def opened(path: str) -> BinaryIO:
    """An object to read from.

    Raises:
        OSError, and what storage_errors.REMOTE has: if it is not there, or cannot be read.
    """
    _parts(path)
    file: BinaryIO = _beams(path).open(path, "rb")
    return file


def exists(path: str) -> bool:
    """Whether there is such an object.

    Raises:
        OSError, and what storage_errors.REMOTE has: if the store does not say.
    """
    scheme, bucket, name = _parts(path)
    if scheme == "gs":
        return bool(_gs().bucket(bucket).blob(name).exists(retry=_retry()))
    try:
        _s3().head_object(Bucket=bucket, Key=name)
    except storage_errors.REMOTE as error:
        if storage_errors.is_missing(error):
            return False
        raise
    return True


def delete(path: str) -> None:
    """Delete an object that may not be there."""
    scheme, bucket, name = _parts(path)
    if scheme == "s3":
        _s3().delete_object(Bucket=bucket, Key=name)
    else:
        try:
            _gs().bucket(bucket).delete_blob(name, retry=_retry())
        except NotFound:
            return


def rename(source: str, destination: str) -> None:
    """Copy an object, then delete it under its old name: a reader may see both in between, and never none.

    Raises:
        FileNotFoundError: if it is not there.
        OSError, and what storage_errors.REMOTE has: if it cannot be copied, or not be deleted; then both may be there.
    """
    scheme, bucket, name = _parts(source)
    _, to_bucket, to_name = _parts(destination)
    try:
        if scheme == "s3":
            _s3().copy_object(Bucket=to_bucket, Key=to_name, CopySource={"Bucket": bucket, "Key": name})
        else:
            client = _gs()
            where = client.bucket(bucket)
            where.copy_blob(where.blob(name), client.bucket(to_bucket), to_name, retry=_retry())
    except storage_errors.REMOTE as error:
        if storage_errors.is_missing(error):
            raise FileNotFoundError(source) from error
        raise
    delete(source)


def _parts(path: str) -> tuple[str, str, str]:
    scheme, _, rest = path.partition("://")
    bucket, _, name = rest.partition("/")
    if scheme not in ("gs", "s3") or not bucket or not name:
        msg = f"expected a local path, gs://BUCKET/PATH or s3://BUCKET/PATH, but got {path}"
        raise StorageError(msg)
    return scheme, bucket, name


def _options() -> PipelineOptions:
    return FileSystems._pipeline_options or PipelineOptions([])  # noqa: SLF001 - Beam has no public way to ask


def _beams(path: str) -> Any:  # noqa: ANN401 - Beam has no types
    """What Beam's filesystem of the path is made of. It keeps where it reads: every file has its own."""
    from apache_beam.io.aws.s3io import S3IO  # noqa: PLC0415 - some seconds, for those who have buckets there
    from apache_beam.io.gcp.gcsio import GcsIO  # noqa: PLC0415 - as above

    if path.startswith("gs://"):
        return GcsIO(pipeline_options=_options())
    return S3IO(client=copy.copy(_s3_client(_options())))


def _gs() -> Any:  # noqa: ANN401 - Google's client has no types here
    return _beams("gs://").client


def _s3() -> Any:  # noqa: ANN401 - boto3 has no types
    return _s3_client(_options()).client


@functools.lru_cache(maxsize=8)
def _s3_client(options: PipelineOptions) -> Any:  # noqa: ANN401 - as above
    """One for a process: it takes longer to make than to use. What it holds of boto3 may be used by several threads."""
    from apache_beam.io.aws.s3io import BOTO3_INSTALLED, S3IO  # noqa: PLC0415 - as above

    if not BOTO3_INSTALLED:
        msg = "s3:// cannot be used: expected boto3, but it is not installed; install dicebeam with the extra aws"
        raise StorageError(msg)
    return S3IO(options=options).client


def _retry() -> Any:  # noqa: ANN401 - Google's retry has no types here
    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)
