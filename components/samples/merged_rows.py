"""The rows of several Parquet files as one stream in the order of their units, in the memory of a few batches."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pyarrow as pa

from ...schemas import repairs
from ...schemas.errors import DamagedError, StorageError
from ..storage import parquet_reading

ROWS_A_READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Part:
    """A file, and its units in the order of its rows with the number of rows of each.

    A unit is given by its shard and the byte where it begins.
    """

    path: str
    units: tuple[tuple[tuple[str, int], int], ...]


def in_shard_order(parts: Sequence[Part], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of all units, in the order of the units and within each as they are.

    Args:
        parts: each sorted by unit itself; no unit is in two. A part without rows needs no file.
        columns: what is read, in this order.

    Raises:
        DamagedError: if a file has fewer rows than its part says, or is damaged. StorageError: if it cannot be read.
    """
    order = sorted((unit, place, rows) for place, part in enumerate(parts) for unit, rows in part.units if rows)
    last = {place: unit for unit, place, _ in order}
    readers: dict[int, _Reader] = {}
    with ExitStack() as stack:
        for unit, place, rows in order:
            if place not in readers:
                readers[place] = stack.enter_context(closing(_Reader(parts[place].path, columns)))
            yield from readers[place].take(rows)
            if last[place] == unit:
                readers.pop(place).close()


class _Reader:
    """The rows of a file, so many at a time."""

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self._path = path
        self._batches = _batches(path, columns)
        self._left: pa.Table | None = None

    def take(self, rows: int) -> Iterator[pa.Table]:
        while rows:
            table = self._left or next(self._batches, None)
            if table is None:
                raise DamagedError(repairs.damaged(self._path, f"it has {rows} rows less than its metadata says"))
            taken = table.slice(0, rows)
            self._left = table.slice(taken.num_rows) if taken.num_rows < table.num_rows else None
            rows -= taken.num_rows
            yield taken

    def close(self) -> None:
        self._batches.close()


def _batches(path: str, columns: Sequence[str]) -> Generator[pa.Table]:
    try:
        with parquet_reading.opened(path) as file:
            for batch in file.batches(ROWS_A_READ, columns):
                yield pa.table(batch).select(columns)
    except FileNotFoundError as error:
        msg = f"{path} is not there any more; try again"
        raise StorageError(msg) from error
