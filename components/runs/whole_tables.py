"""Tables that have one file of each run: a file more would be rows that are there twice, and none would be no rows."""

from collections.abc import Sequence

from ...schemas import datasets, repairs, tables
from ...schemas.errors import DamagedError
from . import runs_row

FILE = runs_row.FILE
OF_A_RUN = tuple(name for name in tables.OF_A_RUN if name not in {"samples", "failures", "runs"})
"""Every run that was finished has them."""
_OF_ONE_FILE = {*OF_A_RUN, *datasets.FIXED, "runs", "verdicts"}
_MAY_BE_GONE = {"runs", "verdicts"}
"""A run that is being summarized has no row, and one that was not gated has no verdict."""


def check(folder: str, table: str, paths: Sequence[str]) -> None:
    """Hold that a table has the one file of a run, or of an analysis, that it must have.

    Args:
        folder: of the run's files of the table.
        table: its name.
        paths: of the files that are there.

    Raises:
        DamagedError: if it has none, or more.
    """
    if table not in _OF_ONE_FILE:
        return
    expected = f"{folder}/{FILE}"
    other = next((path for path in paths if path != expected), None)
    if other is not None:
        raise DamagedError(repairs.more(other, expected))
    if not paths and table not in _MAY_BE_GONE:
        raise DamagedError(repairs.lost(folder))
