"""Sample files read in pieces that never end within a sample, and whose numbers can be."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from ...schemas import repairs
from ...schemas.errors import DamagedError
from ..runs import run_files, shard_records
from ..storage import parquet_reading
from . import sound_rows

ROWS_A_READ = 1 << 19
"""Rows in memory at once where only numbers are read."""


def read(
    path: str, n_classes: int, columns: Sequence[str] | None = None, rows_a_read: int | None = None
) -> Iterator[pa.Table]:
    """The rows of a sample file, in order, a piece of whole samples at a time.

    Args:
        path: of a committed sample file: all rows of a sample stand together, its classes in order.
        n_classes: rows of each sample.
        columns: what is wanted; None for every column.
        rows_a_read: rows in memory at once, about; None for ROWS_A_READ.

    Raises:
        DamagedError: if the file is not as it was written, has not the rows that it says, or numbers that cannot be.
        TablesError: if it is no sample file.
    """
    with parquet_reading.opened(path) as file:
        records = shard_records.shard_records(file.footer.said, path)
        run_files.check_rows(file.footer, records, n_classes)
        for rows in _whole(file.batches(rows_a_read or ROWS_A_READ, columns), n_classes):
            why = sound_rows.why_not(rows, n_classes, records[0].class_ids)
            if why is not None:
                raise DamagedError(repairs.damaged(path, why))
            yield rows


def _whole(parts: Iterator[pa.RecordBatch], n_classes: int) -> Iterator[pa.Table]:
    left: pa.Table | None = None
    for part in parts:
        rows = pa.table(part) if left is None else pa.concat_tables([left, pa.table(part)])
        whole = rows.num_rows - rows.num_rows % n_classes  # a group may end within a sample
        left = rows.slice(whole)
        if whole:
            yield rows.slice(0, whole)


def firsts(rows: pa.Table, n_classes: int) -> pa.Array:
    """Where each sample begins."""
    return pa.array(range(0, rows.num_rows, n_classes))
