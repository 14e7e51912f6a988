"""How every Parquet file is written: the one place of its encodings, statistics and row groups.

What the choices weigh: `python -m benchmarks.parquet_sizes`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

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


def writer(file: BinaryIO | str, schema: pa.Schema, sorted_by: Sequence[str] = ()) -> pq.ParquetWriter:
    """A writer of one file. The rows of each table it is given are a row group, in the order of `sorted_by`."""
    order = [pq.SortingColumn(schema.get_field_index(name)) for name in sorted_by]
    return pq.ParquetWriter(
        file,
        schema,
        compression=_COMPRESSION,
        compression_level=_LEVEL,
        use_dictionary=dictionary_columns(schema),
        write_statistics=True,
        write_page_index=True,
        sorting_columns=order or None,
    )


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


def read(file: BinaryIO) -> pa.Table:
    """Every row of a file; for one of few rows it takes half as long as `pq.read_table`."""
    return pq.ParquetFile(file).read(use_threads=False)


def with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a schema, in its order and types; NULL where an older version did not write one."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
