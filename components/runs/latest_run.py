"""Which run is the latest: the one of status done that finished last, and never a silent second best."""

from collections.abc import Sequence

from ...schemas.errors import TablesError
from . import accounting, last_run
from .run_tables import FinishedRun, RunName


def latest(output: str, names: Sequence[RunName]) -> FinishedRun | None:
    """The run of status done that finished last; None where no run is finished.

    Args:
        output: folder of the tables.
        names: of its runs, as `run_tables.listed` gives them.

    Raises:
        TablesError: if none is done, if the latest is hidden, as an older one is no replacement, or if a row is damaged
            that may be its.
    """
    found = last_run.find(output, names, is_done)
    if found is not None and not found.stands:
        msg = (
            f"the run that finished last is {found.run_id!r}, but its row in `runs` is not there: a summary or a "
            "compaction of it is at work or was stopped. To repair it: dicebeam summarize CONFIG.yaml --run-id "
            f"{found.run_id}; to judge another run: --run-id"
        )
        raise TablesError(msg)
    last = last_run.find(output, names, stands) if found is None else None
    if last is not None:
        msg = (
            f"expected a run of status {accounting.DONE}, but there is none; the last one, {last.run_id!r}, has the "
            f"status {_status(last)}"
        )
        raise TablesError(msg)
    return found


def passed_over(found: FinishedRun, output: str, names: Sequence[RunName]) -> str | None:
    """What to say where a run that is not done finished later than the latest; None where there is none."""
    last = last_run.find(output, names, stands)
    if last is None or (last.finished, last.run_id) <= (found.finished, found.run_id):
        return None
    return f"run {last.run_id} finished later than {found.run_id}, but its status is {_status(last)}"


def _status(past: FinishedRun) -> str:
    return f"{past.row['status']}: {accounting.why_invalid(past.row)}; to judge it: --run-id {past.run_id}"


def is_done(past: FinishedRun) -> bool:
    """Whether a finished run scored something, and its failures were within the budget."""
    return bool(past.row["status"] == accounting.DONE)


def stands(past: FinishedRun) -> bool:
    """Whether readers see the row of a finished run now."""
    return past.stands
