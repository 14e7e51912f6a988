"""The files that a statement opens, held against their seals before it runs: DuckDB verifies no checksum of a page."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..runs import held_samples, run_tables
from ..runs.run_tables import FinishedRun
from ..storage import filesystems, parquet_reading

_THREADS = 8


def check(root: str, tables: Collection[str]) -> None:
    """Read every file of some tables once, in threads; sample files are held against the rows of their runs too.

    Raises:
        DamagedError: if a file is not as it was written, or that of another run; names the first one. If a run has lost
            a sample file, or has one more.
    """
    if "samples" in tables:
        _check_none_lost(root)
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(_check, _files(root, tables)):
            pass


def _files(root: str, tables: Iterable[str]) -> Iterator[str]:
    """The files inside a folder; a link out of it is refused by DuckDB, and nothing of it is said here."""
    inside = Path(root).resolve()
    for table in tables:
        for file in filesystems.below(f"{root}/{table}", "*/*/*.parquet"):
            if Path(file.path).resolve().is_relative_to(inside):
                yield file.path


def _check_none_lost(root: str) -> None:
    """Hold sample files against rows that say which there were; a damaged row stops only those who read it."""
    names = [name for name in run_tables.listed(root) if name.stands]
    for _, past in run_tables.read_rows(root, names):
        if isinstance(past, FinishedRun) and past.units is not None:
            held_samples.check(past, may_be_gone=True)


def _check(path: str) -> None:
    try:
        parquet_reading.check(path)
    except FileNotFoundError:  # another process has removed it since
        return
