"""The files that a statement opens, held against their seals before it runs: DuckDB verifies no checksum of a page."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..storage import filesystems, parquet_reading

_THREADS = 8


def check(root: str, tables: Iterable[str]) -> None:
    """Read every file of some tables once, in threads.

    Raises:
        DamagedError: if a file is not as it was written, or that of another run; names the first one.
    """
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


def _check(path: str) -> None:
    try:
        parquet_reading.check(path)
    except FileNotFoundError:  # another process has removed it since
        return
