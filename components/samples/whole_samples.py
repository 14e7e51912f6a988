"""Sample files read in pieces that never end within a sample."""

import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_A_READ = 1 << 19
"""Rows in memory at once where only numbers are read."""


def read(
    file: pq.ParquetFile, n_classes: int, columns: Sequence[str] | None = None, rows_a_read: int | None = None
) -> Iterator[pa.Table]:
    """The rows of a sample file, in order, a piece of whole samples at a time.

    Args:
        file: a committed sample file: all rows of a sample stand together, its classes in order.
        n_classes: rows of each sample.
        columns: what is wanted; None for every column.
        rows_a_read: rows in memory at once, about; None for ROWS_A_READ.
    """
    left: pa.Table | None = None
    # group by group, because the writer bounds the text of a group, and a batch of rows may span many
    groups = (file.iter_batches(rows_a_read or ROWS_A_READ, [i], columns) for i in range(file.num_row_groups))
    for part in itertools.chain.from_iterable(groups):
        rows = pa.table(part) if left is None else pa.concat_tables([left, pa.table(part)])
        whole = rows.num_rows - rows.num_rows % n_classes  # a group may end within a sample
        left = rows.slice(whole)
        if whole:
            yield rows.slice(0, whole)


def firsts(rows: pa.Table, n_classes: int) -> pa.Array:
    """Where each sample begins."""
    return pa.array(range(0, rows.num_rows, n_classes))
