"""The files that a statement opens, held against their seals before it runs: DuckDB verifies no checksum of a page."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from ...schemas import tables as schema
from ...schemas.errors import DamagedError
from ..runs import held_samples, run_tables, whole_tables
from ..runs.run_files import Run
from ..runs.run_tables import FinishedRun, RunName
from ..storage import filesystems, parquet_reading

_THREADS = 8
_KEPT = ("classes", "slices")
"""What every run keeps: others may have been deleted of an old one, for they are large."""


def check(root: str, tables: Collection[str]) -> None:
    """Read every file of some tables once, in threads, and hold them against the rows of their runs.

    Raises:
        DamagedError: if a file is not as it was written, or that of another run or table; names the first one. If a run
            has lost a file, or has one more.
    """
    of_runs = {*_KEPT, "samples", "failures"}.intersection(tables)
    names = [name for name in run_tables.listed(root) if name.stands] if of_runs else []
    files = {table: list(_files(root, table)) for table in tables}
    for table, paths in files.items():
        _check_places(root, table, paths, names)
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = {table: dict(zip(paths, pool.map(_check, paths), strict=True)) for table, paths in files.items()}
    if {"samples", "failures"}.intersection(tables):
        _check_none_lost(root, names, rows)


def _files(root: str, table: str) -> Iterator[str]:
    """The files inside a folder; a link out of it is refused by DuckDB, and nothing of it is said here."""
    inside = Path(root).resolve()
    for file in filesystems.below(f"{root}/{table}", "*/*/*.parquet"):
        if Path(file.path).resolve().is_relative_to(inside):
            yield file.path


def _check_places(root: str, table: str, paths: Sequence[str], names: Sequence[RunName]) -> None:
    kept = [schema.partition(root, table, name.eval_date, name.run_id) for name in names if table in _KEPT]
    found: dict[str, list[str]] = {folder: [] for folder in kept}
    for path in paths:
        found.setdefault(path.rpartition("/")[0], []).append(path)
    for folder, there in found.items():
        whole_tables.check(folder, table, there)


def _check_none_lost(root: str, names: Sequence[RunName], rows: dict[str, dict[str, int]]) -> None:
    """Hold samples and failures against rows that say which there were; a damaged row stops only those who read it."""
    failed = Counter[str]()
    for path, count in rows.get("failures", {}).items():
        failed[path.rpartition("/")[0]] += count
    for past in filter(None, (_said_of_units(root, name) for name in names)):
        if "samples" in rows:
            held_samples.check(past, may_be_gone=True)
        if "failures" in rows:
            held_samples.check_failures(past, failed[past.run.folder("failures")])


def _said_of_units(root: str, name: RunName) -> FinishedRun | None:
    """A run with no more of its row than is needed here: reading all of it takes five times as long."""
    run = Run(root, name.eval_date, name.run_id, "", "")
    try:
        with parquet_reading.opened(f"{run.folder('runs')}/{whole_tables.FILE}") as file:
            units = file.footer.said.get(schema.UNITS_METADATA)
            row = next(iter(pa.table(next(file.batches(1, ["failed"]))).to_pylist())) if units else {}
    except (FileNotFoundError, DamagedError, StopIteration):
        return None
    return FinishedRun(run, row, units=units.decode()) if units else None


def _check(path: str) -> int:
    """Its rows."""
    try:
        with parquet_reading.opened(path) as file:
            return file.footer.num_rows
    except FileNotFoundError:  # another process has removed it since
        return 0
