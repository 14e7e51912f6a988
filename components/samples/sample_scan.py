"""The rows of `samples` file by file, a block of whole samples at a time, for what looks at every sample once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas import tables
from ...schemas.errors import TablesError
from ..runs import run_files, shard_records
from ..runs.run_files import Run
from ..statistics.hashing import id_hashes, mixed
from ..storage import parquet_reading
from ..storage.parquet_reading import Footer
from . import whole_samples

ROWS_OF_EVERY_COLUMN = 1 << 17
"""Rows in memory at once, with all their text."""
_KEYS = ("sample_id", "shard", "record")
_COUNTS = ("false_positives", "false_negatives")


@dataclass(frozen=True)
class ScanBlock:
    """Rows of whole samples: of each its C classes in order, so that row i is of sample i // C.

    names: of the C classes.
    """

    rows: pa.Table
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Number of samples."""
        return int(self.rows.num_rows // len(self.names))

    @cached_property
    def dice(self) -> NDArray[np.float64]:
        """Dice `[n, C]`, NaN where a class is absent."""
        values = self.rows["dice"].to_numpy().astype(np.float64)
        return np.asarray(values.reshape(-1, len(self.names)))

    @cached_property
    def errors(self) -> NDArray[np.int64]:
        """Pixels that are wrong for a class, `[n, C]`."""
        wrong = sum(self.rows[name].to_numpy() for name in _COUNTS)
        return np.asarray(wrong, np.int64).reshape(-1, len(self.names))

    @cached_property
    def ids(self) -> NDArray[np.uint64]:
        """Hashes of the samples' ids, `[n]`."""
        return id_hashes(self._firsts("sample_id").cast(pa.binary()).to_pylist())

    @cached_property
    def places(self) -> NDArray[np.uint64]:
        """Hashes of the samples' ids, shards and records, `[n]`: no two samples of a run share one."""
        encoded = self._firsts("shard").combine_chunks().dictionary_encode()
        shards = id_hashes(encoded.dictionary.cast(pa.binary()).to_pylist())[np.asarray(encoded.indices)]
        records = self._firsts("record").to_numpy().astype(np.uint64)
        return mixed(self.ids ^ mixed(shards ^ mixed(records)))

    def sample(self, index: int) -> pa.Table:
        """The rows of one sample: a copy, for a part of the block would keep all of it in memory."""
        first = index * len(self.names)
        return self.rows.take(pa.array(range(first, first + len(self.names))))

    def _firsts(self, name: str) -> pa.ChunkedArray:
        return self.rows[name].take(whole_samples.firsts(self.rows, len(self.names)))


def blocks(run: Run, columns: Sequence[str] | None = None) -> Iterator[ScanBlock]:
    """Every sample of a run, in the order of its files; memory holds one block.

    Args:
        run: whose committed sample files are read.
        columns: what is wanted beside ids, places and Dice; None for every column.

    Raises:
        TablesError: if a file is no sample file, or does not say which classes were scored.
    """
    for path in run_files.sample_paths(run):
        yield from _file_blocks(path, columns)


def count(run: Run) -> tuple[int, int]:
    """How many samples a run has, and the classes of each; reads footers alone."""
    rows = classes = 0
    for path in run_files.sample_paths(run):
        footer = parquet_reading.footer(path)
        classes = _classes(footer)
        rows += footer.num_rows
    return rows // max(classes, 1), classes


def _classes(footer: Footer) -> int:
    found = len(shard_records.shard_records(footer.said, footer.path)[0].class_ids)
    if not found:
        raise TablesError(f"expected {footer.path} to say which classes were scored, but it names none; evaluate again")
    return found


def _file_blocks(path: str, columns: Sequence[str] | None) -> Iterator[ScanBlock]:
    wanted = None if columns is None else list(dict.fromkeys([*_KEYS, "class_name", "dice", *columns]))
    n_classes = _classes(parquet_reading.footer(path))
    for rows in whole_samples.read(path, n_classes, wanted, ROWS_OF_EVERY_COLUMN):
        yield ScanBlock(rows, tuple(rows["class_name"].slice(0, n_classes).to_pylist()))


def slice_columns(rows: pa.Table) -> list[str]:
    """The columns of `samples` that are slice features."""
    return [name for name in rows.column_names if name not in tables.RESERVED]
