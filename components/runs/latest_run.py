"""Which run is the latest: the one of status done that finished last, and never a silent second best."""

from collections.abc import Sequence

from ...schemas.errors import TablesError
from . import accounting
from .run_tables import FinishedRun


def latest(runs: Sequence[FinishedRun], hidden: Sequence[FinishedRun]) -> FinishedRun | None:
    """The run of status done that finished last; None where no run is finished.

    Args:
        runs: every finished run, the one that finished last first.
        hidden: runs that were finished and have no row now, in the same order.

    Raises:
        TablesError: if none is done, or if the latest is hidden: an older one is no replacement.
    """
    found = next((past for past in runs if is_done(past)), None)
    later = next((past for past in hidden if is_done(past) and (found is None or past.finished > found.finished)), None)
    if later is not None:
        msg = (
            f"the run that finished last is {later.run_id!r}, but its row in `runs` is not there: a summary or a "
            "compaction of it is at work or was stopped. To repair it: dicebeam summarize CONFIG.yaml --run-id "
            f"{later.run_id}; to judge another run: --run-id"
        )
        raise TablesError(msg)
    if found is None and runs:
        last = runs[0]
        msg = (
            f"expected a run of status {accounting.DONE}, but there is none; the last one, {last.run_id!r}, has the "
            f"status {last.row['status']}: {accounting.why_invalid(last.row)}; to judge it: --run-id {last.run_id}"
        )
        raise TablesError(msg)
    return found


def passed_over(found: FinishedRun, runs: Sequence[FinishedRun]) -> str | None:
    """What to say where runs that are not done finished later than the latest; None where there are none."""
    later = [past for past in runs if (past.finished, past.run_id) > (found.finished, found.run_id)]
    if not later:
        return None
    last = later[0]
    more = f", as did {len(later) - 1:,} more that are not {accounting.DONE}" if len(later) > 1 else ""
    return (
        f"run {last.run_id} finished later than {found.run_id}{more}, but its status is {last.row['status']}: "
        f"{accounting.why_invalid(last.row)}; to judge it: --run-id {last.run_id}"
    )


def is_done(past: FinishedRun) -> bool:
    """Whether a finished run scored something, and its failures were within the budget."""
    return bool(past.row["status"] == accounting.DONE)
