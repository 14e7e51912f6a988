"""Files here and in buckets: local, gs://, s3:// alike. A local path is made absolute where it enters, for workers."""

import glob
import gzip
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from ...schemas.errors import StorageError
from ...schemas.files import StoredFile
from . import local_files, object_stores, storage_errors, versions

READ_BUFFER_BYTES = 1 << 20
COPY_CHUNK_BYTES = 16 << 20
_TEMPORARY = ".tmp"


def use_options(options: PipelineOptions) -> None:
    """Credentials and endpoints of remote filesystems, for this process before a pipeline is made."""
    FileSystems.set_options(options)


def is_remote(path: str) -> bool:
    """Whether the path names a scheme, as gs:// does."""
    return "://" in path


def absolute(path: str) -> str:
    """The path or pattern as a worker in any directory can open it."""
    return path if is_remote(path) else os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - "..", not links


def match(pattern: str, *, dotted: bool = False, left_out: list[str] | None = None) -> list[StoredFile]:
    """Files that match a glob, with their sizes, sorted by path; `*` stays inside a folder, `/**/` is any depth.

    Args:
        pattern: of files on this machine or in a bucket: one rule for both, see `globs`.
        dotted: whether stars stand for hidden names as well, those of folders included.
        left_out: as in `local_files.matching`; links to folders are followed.

    Raises:
        ConfigError: if it is no pattern. StorageError: if something that it gives cannot be listed or looked at.
    """
    if not is_remote(pattern):
        matched = local_files.matching(absolute(pattern), dotted=dotted, left_out=left_out)
        return [StoredFile(each.path, each.status.st_size, versions.of_status(each.status)) for each in matched]
    listed = object_stores.listed(pattern, dotted=dotted)
    return sorted((StoredFile(*each[:2], each.version) for each in listed), key=lambda file: file.path)


def below(folder: str, pattern: str, *, dotted: bool = False) -> list[StoredFile]:
    """Files below a folder that match a glob; `*`, `?` and `[` in the folder's own name mean themselves."""
    return match(f"{glob.escape(folder.rstrip('/'))}/{pattern}", dotted=dotted)


def exists(path: str) -> bool:
    """Whether a file or folder is there. An object store has no folders: there, whether anything is below."""
    if not is_remote(path):
        return bool(FileSystems.exists(path))
    with storage_errors.reading(path):
        there = object_stores.exists(path)
    return there or bool(below(path, "**", dotted=True))


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """A file's bytes, buffered; decompressed where the name ends in .gz."""
    with reading_stored(path) as raw, unzipped(path, raw) as file:
        yield file


@contextmanager
def unzipped(path: str, raw: BinaryIO) -> Iterator[BinaryIO]:
    """What an open file of a path holds, buffered; decompressed where the name ends in .gz."""
    if path.endswith(".gz"):
        with gzip.GzipFile(fileobj=raw, mode="rb") as file:
            # no larger buffer around it: filling that would lose what comes before a cut
            yield file  # type: ignore[misc]
    elif isinstance(raw, io.BufferedReader):
        yield raw
    else:
        yield io.BufferedReader(raw, READ_BUFFER_BYTES)  # type: ignore[type-var]


@contextmanager
def reading_stored(path: str) -> Iterator[BinaryIO]:
    """A file's bytes as they are stored, whatever its name.

    Raises:
        OSError: FileNotFoundError and the like. StorageError: if a bucket fails, or for a link that leads nowhere.
    """
    opened = object_stores.opened if is_remote(path) else local_files.opened
    with storage_errors.reading(path), opened(path) as file:
        yield file


def make_folder(path: str) -> None:
    """Create a folder and its parents; on an object store there is nothing to create."""
    if not is_remote(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def check_writable(folder: str) -> None:
    """Write and delete a small file in a folder, which is made where it is missing.

    Raises:
        StorageError: if that fails; folders that were made for it are gone then.
    """
    path = f"{folder}/.probe.{uuid.uuid4().hex[:12]}{_TEMPORARY}"
    made = [] if is_remote(folder) else [each for each in (Path(folder), *Path(folder).parents) if not each.exists()]
    try:
        with storage_errors.writing(folder):
            make_folder(folder)
            with _created(path) as file:
                file.write(b"dicebeam")
            delete(path)
    except BaseException:
        with suppress(StorageError):
            delete(path)
        for each in made:
            with suppress(OSError):  # it was not made, or another process uses it
                each.rmdir()
        raise


@contextmanager
def committing(path: str) -> Iterator[BinaryIO]:
    """A file that stands under its name only when the block ends without an error.

    A local file is written beside its place under a name that no reader's `*.parquet` matches, and renamed when whole.
    An object is collected in a local temporary file, and sent when that is whole. The block does nothing but write
    it: an OSError in there is taken for one of the path.

    Raises:
        StorageError: if it cannot be written; nothing is left of it then.
    """
    with storage_errors.writing(path), _created(path) if is_remote(path) else _renamed(path) as file:
        yield file


@contextmanager
def _created(path: str) -> Iterator[BinaryIO]:
    """A file under its name: an object when the block ends without an error, a local one at once."""
    if is_remote(path):
        with tempfile.TemporaryFile() as file:  # it has no name, so that a kill leaves nothing of it
            yield file
            object_stores.put(file, path)
    else:
        with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            yield file


def temporary_name(path: str) -> str:
    """A name beside a path's, for what is to stand there when it is whole; no reader's `*.parquet` matches it."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.{uuid.uuid4().hex[:12]}{_TEMPORARY}"


@contextmanager
def _renamed(path: str) -> Iterator[BinaryIO]:
    make_folder(path.rpartition("/")[0])
    temporary = temporary_name(path)
    try:
        with _created(temporary) as file:
            yield file
            _flush_to_disk(file)
        rename(temporary, path)
    except BaseException:
        with suppress(StorageError):
            delete(temporary)
        raise


def _flush_to_disk(file: BinaryIO) -> None:
    """A rename can outlive a power cut that its data does not, unless the data is on the disk first."""
    file.flush()
    os.fsync(file.fileno())


def rename(source: str, destination: str) -> None:
    """Give a file another name, over an earlier file if there is one. An object has both names for a moment.

    Raises:
        FileNotFoundError: if it is not there.
    """
    if is_remote(destination):
        object_stores.rename(source, destination)
    else:
        Path(source).replace(destination)


def delete(path: str) -> None:
    """Delete a file that may not be there, or that another process deletes at the same time.

    Beam's own deletion takes a path for a pattern.

    Raises:
        StorageError: if it cannot be deleted.
    """
    with storage_errors.writing(path):
        if is_remote(path):
            object_stores.delete(path)
        else:
            Path(path).unlink(missing_ok=True)


def delete_abandoned(folder: str, older_than: float) -> None:
    """Delete what killed writers left in a folder: temporary files, last written before a time.

    Args:
        folder: the folder that files were committed to; it may not be there.
        older_than: Unix time. A process that writes now must be safe from this.
    """
    if is_remote(folder):
        found = object_stores.listed(f"{glob.escape(folder)}/.*{_TEMPORARY}")
        paths = [file.path for file in found if file.modified < older_than]
    else:
        paths = [str(path) for path in Path(folder).glob(f".*{_TEMPORARY}") if path.lstat().st_mtime < older_than]
    for path in paths:
        delete(path)


def copy_folder(source: str, destination: Path) -> None:
    """Copy every file below a folder, hidden ones too; StorageError if one does not arrive as long as it is."""
    root = source.rstrip("/") + "/"
    for entry in below(source, "**", dotted=True):
        target = destination / entry.path[len(root) :]
        target.parent.mkdir(parents=True, exist_ok=True)
        with reading_stored(entry.path) as file, target.open("wb") as out:
            shutil.copyfileobj(file, out, COPY_CHUNK_BYTES)
        if (copied := target.stat().st_size) != entry.size_bytes:
            msg = f"{entry.path} cannot be copied: expected {entry.size_bytes} bytes, but got {copied}; try again"
            raise StorageError(msg)
