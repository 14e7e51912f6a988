"""How every Parquet file is written: the one place of its encodings, statistics and row groups, and its seal.

What the choices weigh: `python -m benchmarks.parquet_sizes`.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from . import parquet_seals

ROWS_A_GROUP = 1 << 17
"""About what DuckDB takes at a time, and 7 MB of `samples`."""
BYTES_A_GROUP = 256 << 20
"""Bytes of rows in memory: 131,072 rows with long text would be gigabytes."""

_COMPRESSION, _LEVEL = "zstd", 1
_REPEATED = {"class_id", "pixels", "ignored_pixels", "bin", "low", "high", "replicate"}
_UNIQUE = {"sample_id"}


def dictionary_columns(schema: pa.Schema) -> list[str]:
    """The columns whose values repeat: text but ids, and few numbers. A dictionary makes the others larger."""
    return [
        field.name
        for field in schema
        if field.name in _REPEATED or (pa.types.is_string(field.type) and field.name not in _UNIQUE)
    ]


class Writer:
    """A Parquet file as it is written, sealed when the block ends without an error; see `parquet_seals`."""

    def __init__(self, file: BinaryIO, schema: pa.Schema, sorted_by: Sequence[str] = ()) -> None:
        self._file = _Counted(file)
        order = [pq.SortingColumn(schema.get_field_index(name)) for name in sorted_by]
        self._parquet = pq.ParquetWriter(
            self._file,
            schema.with_metadata(parquet_seals.with_mark(schema.metadata)),
            compression=_COMPRESSION,
            compression_level=_LEVEL,
            use_dictionary=dictionary_columns(schema),
            write_statistics=True,
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=order or None,
        )

    def write_table(self, table: pa.Table) -> None:
        """Write rows as a row group, which are in the order of `sorted_by`."""
        self._parquet.write_table(table)

    def add_key_value_metadata(self, metadata: Mapping[bytes, bytes]) -> None:
        """Say something more in the metadata of the file."""
        self._parquet.add_key_value_metadata(metadata)

    def __enter__(self) -> "Writer":
        """The writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Write the footer, and the seal into it."""
        if kind is not None:
            self._parquet.close()
            return
        self._parquet.add_key_value_metadata({parquet_seals.KEY: parquet_seals.BLANK})
        self._file.keep()
        self._parquet.close()
        self._file.seal()


class _Counted(io.RawIOBase):
    """A file whose checksum is counted while it is written, and the last bytes of which are kept to be sealed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._start = file, file.tell()
        self._crc, self._bytes = 0, 0
        self._kept: list[bytes] | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        written = bytes(data)
        self._file.write(written)
        self._bytes += len(written)
        if self._kept is None:
            self._crc = parquet_seals.crc(written, self._crc)
        else:
            self._kept.append(written)
        return len(written)

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        if not self.closed:
            self._file.flush()

    def keep(self) -> None:
        """From here on is the end of the file, of which the footer is a part."""
        self._kept = []

    def seal(self) -> None:
        """Put the checksums into the place that was left for them."""
        end = b"".join(self._kept or ())
        size = parquet_seals.footer_bytes(end)
        footer = end[-size:]
        place, digits = parquet_seals.digits(parquet_seals.crc(end[:-size], self._crc), footer)
        self._file.seek(self._start + self._bytes - size + place)
        self._file.write(digits)
        self._file.seek(self._start + self._bytes)


def writer(file: BinaryIO, schema: pa.Schema, sorted_by: Sequence[str] = ()) -> Writer:
    """A writer of one file. The rows of each table it is given are a row group, in the order of `sorted_by`."""
    return Writer(file, schema, sorted_by)


def in_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small tables put together, a row group each; no rows, no group."""
    held: list[pa.Table] = []
    rows = nbytes = 0
    for part in parts:
        held.append(part)
        rows, nbytes = rows + part.num_rows, nbytes + part.nbytes
        if rows >= ROWS_A_GROUP or nbytes >= BYTES_A_GROUP:
            yield pa.concat_tables(held)
            held, rows, nbytes = [], 0, 0
    if rows:
        yield pa.concat_tables(held)


def with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a schema, in its order and types; NULL where an older version did not write one."""
    there = {field.name: rows.column(place) for place, field in enumerate(rows.schema)}
    columns = [there[field.name] if field.name in there else pa.nulls(len(rows), field.type) for field in schema]
    cast = [c if c.type == field.type else c.cast(field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.table(cast, schema=schema)
