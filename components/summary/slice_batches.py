"""Rows of many small slices, put together: a table of few rows takes a hundred times the memory of its rows."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...schemas.slices import ALL, SliceTables
from ..storage import parquet_files

SLICES_TOGETHER = 500

TOGETHER = ("classes", "slices", "histograms")
"""Tables whose rows are put together; `replicates` has many rows of each slice that it has."""


def together(parts: Sequence[SliceTables]) -> SliceTables:
    """The rows of several slices that have no replicates, as one; the name is that of the first."""
    tables = {name: pa.concat_tables(getattr(part, name) for part in parts).combine_chunks() for name in TOGETHER}
    return SliceTables(name=parts[0].name, **tables, replicates=None)


def rows_in_order(parts: Iterable[SliceTables], name: str) -> Iterator[pa.Table]:
    """The rows of a table, those of `all` first and then by the slice's name, whole slices a part, a row group each."""
    tables = [getattr(part, name) for part in parts]
    rows = pa.concat_tables(tables) if tables else pa.table({"slice": pa.array([], pa.string())})
    keys = pa.table({"others": pc.not_equal(rows["slice"], ALL), "slice": rows["slice"]})
    ordered = rows.take(pc.sort_indices(keys, sort_keys=[(key, "ascending") for key in keys.column_names]))
    names = ordered["slice"]
    ends = np.flatnonzero(pc.not_equal(names.slice(1), names.slice(0, max(len(names) - 1, 0)))) + 1
    start = 0
    while start < len(names):
        place = np.searchsorted(ends, start + parquet_files.ROWS_A_GROUP)
        end = int(ends[place]) if place < len(ends) else len(names)
        yield ordered.slice(start, end - start)
        start = end


def replicates_in_order(parts: Iterable[SliceTables]) -> Iterator[pa.Table]:
    """The replicates of the slices that have some, in the same order."""
    kept = (part for part in parts if part.replicates is not None)
    return (part.replicates for part in sorted(kept, key=lambda part: (part.name != ALL, part.name)))
