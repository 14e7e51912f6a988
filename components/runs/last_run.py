"""The run that finished last of those that are wanted, found from names: the rows of older ones are not read."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, timedelta

from ...schemas.errors import TablesError
from . import run_tables
from .run_tables import FinishedRun, RunName

LONGEST_DAYS = 14
"""From the date of a run, on which it was begun, to its end. One that took longer may be taken for an older one."""
NAMES_AT_ONCE = 32
"""So many rows are read before it is asked whether more are needed."""


def find(output: str, names: Sequence[RunName], *wanted: Callable[[FinishedRun], bool]) -> FinishedRun | None:
    """The run that finished last of those that are wanted, None if there is none.

    A run ends after the day on which it was begun, so once one is found that ended then, no run of an earlier date can
    have ended after it, but one that took more than LONGEST_DAYS.

    Args:
        output: folder of the tables.
        names: of the runs in question, as `run_tables.listed` gives them: the last date first.
        wanted: what the run must be; if none of them is that, what it must be instead, and so on.

    Raises:
        TablesError: if a row is damaged that may be of the run that is looked for.
    """
    best: list[FinishedRun | None] = [None for _ in wanted]
    damaged: list[tuple[RunName, TablesError]] = []
    for some in _parts(names):
        if best[0] is not None and some[0].eval_date < _first_date(best[0]):
            break
        for name, row in run_tables.read_rows(output, some):
            if isinstance(row, TablesError):
                damaged.append((name, row))
            else:
                best = [_later(so_far, row) if fits(row) else so_far for so_far, fits in zip(best, wanted, strict=True)]
    found = next((past for past in best if past is not None), None)
    since = "" if best[0] is None else _first_date(best[0])
    for name, error in damaged:
        if name.eval_date >= since:
            raise error
    return found


def _parts(names: Sequence[RunName]) -> Iterator[Sequence[RunName]]:
    return (names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE))


def _first_date(past: FinishedRun) -> str:
    """The first date of which a run may have ended after another one."""
    return f"{past.finished.astimezone(UTC) - timedelta(days=LONGEST_DAYS):%Y-%m-%d}"


def _later(one: FinishedRun | None, other: FinishedRun) -> FinishedRun:
    return other if one is None or (other.finished, other.run_id) > (one.finished, one.run_id) else one
