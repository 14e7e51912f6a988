"""Which run of an output folder a run is compared with: by the log of blessings, or among the names of runs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ...components.gate import baselines
from ...components.runs import clocks, last_run, run_tables
from ...components.runs.run_tables import FinishedRun, RunName
from ...components.verdict import blessing
from ...schemas.config.config import Config
from ...schemas.decision import Decision
from ...schemas.errors import ClockError, TablesError


def find(config: Config, kind: str, tonight: FinishedRun, names: Sequence[RunName]) -> tuple[FinishedRun | None, str]:
    """The baseline, and if there is none, why. Of all rows only those are read that may be of it.

    Args:
        config: with the section `gate`.
        kind: `blessed`, `previous` or a run id.
        tonight: the run that is held against it.
        names: of the finished runs, as `run_tables.listed` gives them.

    Raises:
        TablesError: if the log of blessings is damaged.
        ClockError: if what decides which run it is is of a time that is still to come.
    """
    output, now, common = tonight.run.output, datetime.now(UTC), config.gate.common_samples
    last = _last_blessed(tonight, now) if kind == baselines.BLESSED else None
    blessed = [] if last is None else [last.run_id]
    try:
        if kind == baselines.PREVIOUS:
            found = last_run.find(output, names, *baselines.previous(tonight, common=common, now=now))
        else:
            found = run_tables.read_named(output, names, "".join(blessed) if kind == baselines.BLESSED else kind)
    except ClockError:
        raise
    except TablesError as error:  # the row of the baseline, or of what may be it, is damaged
        return None, str(error)
    runs, hidden = ([past for past in (found,) if past and past.stands is stands] for stands in (True, False))
    before, why = baselines.find(kind, tonight, runs, blessed, hidden, common=common, now=now)
    if before is None and kind == baselines.BLESSED and last is None:
        marked = [run_id for run_id in blessing.marked_alone(output) if run_id != tonight.run_id]
        undecided = baselines.no_decision(marked)
        return None, f"{why}; {undecided}" if undecided else why
    return before, why


def _last_blessed(tonight: FinishedRun, now: datetime) -> Decision | None:
    """The decision that makes another run the baseline, None where there is none.

    Raises:
        TablesError: if the log of blessings is damaged. ClockError: if the decision is of a time still to come.
    """
    others = (each for each in blessing.decisions(tonight.run.output) if each.run_id != tonight.run_id)
    last = next(others, None)
    if last is not None:
        what = f"decision {last.sequence} on blessings, {last.decision} for run {last.run_id!r},"
        clocks.check(what, last.time, now, f"bless again: dicebeam gate CONFIG.yaml --bless {last.run_id}")
    return last
