"""How every Parquet file is read: what comes is what was written by the run that its folder names, or an error.

A file is checked against its seal before anything is read from it: all of it by `opened`, its footer alone by `footer`.
One of an earlier version has no seal; of it only what Parquet itself refuses is found.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas import repairs, tables
from ...schemas.errors import DamagedError, StorageError
from . import filesystems, parquet_files, parquet_seals, storage_errors
from .parquet_seals import SealError

IN_MEMORY_BYTES = 16 << 20
"""A file of up to so many bytes is read once, and held; a larger one is read once more for its checksum."""
_CHUNK_BYTES = 1 << 20
_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself."""

    path: str
    metadata: pq.FileMetaData
    schema: pa.Schema

    @property
    def said(self) -> dict[bytes, bytes]:
        """Its key-value metadata."""
        return self.metadata.metadata or {}

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.metadata.num_rows)


class Opened:
    """A file that agrees with its seal; what Parquet refuses nevertheless is damage."""

    def __init__(self, path: str, source: BinaryIO | pa.NativeFile, *, sealed: bool) -> None:
        self._source, self._sealed = source, sealed
        with self._parsing(path):
            self._file = pq.ParquetFile(source, page_checksum_verification=True)
            self.footer = Footer(path, self._file.metadata, self._file.schema_arrow)

    def _parsing(self, path: str) -> AbstractContextManager[None]:
        return _parsing(path, sealed=self._sealed)

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Its rows in order, at most so many at a time, and never those of two row groups together.

        The writer bounds the text of a group, and a batch of rows may span many.
        """
        wanted = None if columns is None else list(columns)
        with self._parsing(self.footer.path):
            for group in range(self._file.num_row_groups):
                yield from self._file.iter_batches(rows, [group], wanted)

    def read(self, where: pc.Expression | None = None) -> pa.Table:
        """All rows, or those for which an expression holds."""
        with self._parsing(self.footer.path):
            if where is None:
                return self._file.read(use_threads=False)  # for few rows it takes half as long
            return pq.read_table(self._source, filters=where, page_checksum_verification=True)

    def read_as(self, schema: pa.Schema, where: pc.Expression | None = None) -> pa.Table:
        """The rows with the columns of a schema, as `parquet_files.with_schema` gives them."""
        rows = self.read(where)
        with self._parsing(self.footer.path):  # bytes that are no text are found here
            made = parquet_files.with_schema(rows, schema)
            made.validate(full=True)
        return made


@contextmanager
def opened(path: str) -> Iterator[Opened]:
    """A file of a table, or another Parquet file, to read rows from; all of its bytes are checked before.

    Raises:
        DamagedError: if it is not as it was written, or that of another run; names the file and says what to do.
        FileNotFoundError: if it is not there. StorageError: if it cannot be read.
    """
    with _stored(path, whole=True) as file:
        source, sealed = _verified(path, file)
        found = Opened(path, source, sealed=sealed)
        _check_run(found.footer)
        yield found


def footer(path: str) -> Footer:
    """What a file says of itself; of its bytes only the last are read, and checked.

    Raises:
        DamagedError, FileNotFoundError, StorageError: as `opened` does.
    """
    with _stored(path) as file, _parsing(path):
        last, seal = _last(file, _size(file))
    with _parsing(path, sealed=seal is not None):
        parsed = pq.ParquetFile(pa.BufferReader(_MAGIC + last))  # what is before it is not looked at
        found = Footer(path, parsed.metadata, parsed.schema_arrow)
    _check_run(found)
    return found


def check(path: str) -> None:
    """Hold all bytes of a file against its seal, for those who read it by other means.

    Raises:
        DamagedError, FileNotFoundError, StorageError: as `opened` does.
    """
    with opened(path):
        pass


@contextmanager
def _stored(path: str, *, whole: bool = False) -> Iterator[BinaryIO]:
    """The bytes of a file; of an object that is read as a whole they are fetched once, and lie on this machine."""
    with ExitStack() as stack:
        with _parsing(path):
            file = stack.enter_context(filesystems.reading(path))
            if whole and filesystems.is_remote(path):
                copy = stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))
                shutil.copyfileobj(file, copy, filesystems.COPY_CHUNK_BYTES)
                file = cast("BinaryIO", copy)
        yield file


def _size(file: BinaryIO) -> int:
    file.seek(0, io.SEEK_END)
    return file.tell()


def _last(file: BinaryIO, size: int) -> tuple[bytes, int | None]:
    """The footer of a file with all that follows it, and the checksum that its seal says for the rest."""
    tail = _from(file, max(0, size - parquet_seals.TAIL_BYTES))
    count = parquet_seals.footer_bytes(tail)
    if count > size:
        msg = f"expected a footer of {count} bytes, but all of the file has {size}"
        raise SealError(msg)
    last = tail[-count:] if count <= len(tail) else _from(file, size - count)
    return last, parquet_seals.verified(last, tail)


def _from(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    return file.read()


def _verified(path: str, file: BinaryIO) -> tuple[BinaryIO | pa.NativeFile, bool]:
    """What the rows are read from, after all of it was held against its seal; and whether there is one."""
    with _parsing(path):
        size = _size(file)
        data = _from(file, 0) if size <= IN_MEMORY_BYTES else None
        read = file if data is None else io.BytesIO(data)
        last, seal = _last(read, size)
        if seal is not None:
            parquet_seals.check_body(seal, _checksum(read, size - len(last)))
        read.seek(0)
        return (read if data is None else pa.BufferReader(data)), seal is not None


def _checksum(file: BinaryIO, count: int) -> int:
    """The checksum of the first bytes of a file."""
    found = 0
    file.seek(0)
    while count and (data := file.read(min(count, _CHUNK_BYTES))):
        count, found = count - len(data), parquet_seals.crc(data, found)
    return found


def _check_run(found: Footer) -> None:
    """Hold that the run of the folder wrote the file, and as a part of its table."""
    expected = repairs.known(found.path)
    if expected.run_id is None:
        return
    theirs, table = (_text(found.said.get(name)) for name in (tables.RUN_METADATA, tables.TABLE_METADATA))
    if theirs != expected.run_id or table not in (None, expected.table):
        raise DamagedError(repairs.foreign(found.path, theirs, table))


def _text(said: bytes | None) -> str | None:
    return None if said is None else said.decode(errors="replace")


@contextmanager
def _parsing(path: str, *, sealed: bool = False) -> Iterator[None]:
    """What Parquet's reader and Arrow raise in the block for bytes that they do not understand is damage.

    Args:
        path: of the file.
        sealed: whether it is known to be as it was written; then a lack of memory is just that.

    Raises:
        DamagedError: if the bytes are not what they must be. FileNotFoundError: if there are none.
        StorageError: if they cannot be read.
    """
    try:
        yield
    except (SealError, pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        if isinstance(error, FileNotFoundError) or (sealed and isinstance(error, MemoryError)):
            raise
        if isinstance(error, OSError) and error.errno is not None:  # the disk says so, and not Parquet's reader
            msg = f"{path} cannot be read: {storage_errors.in_one_line(error)}; see to the storage, then try again"
            raise StorageError(msg) from error
        raise DamagedError(repairs.damaged(path, storage_errors.in_one_line(error))) from error
