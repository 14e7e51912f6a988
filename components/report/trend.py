"""The last nights of a run's config: mean Dice of the foreground, and what the gate said."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ...schemas.errors import DamagedError
from ...schemas.slices import ALL
from ..runs import past_foreground, run_tables
from ..runs.accounting import DONE
from ..runs.run_tables import FinishedRun, RunName

NIGHTS = 30
RUNS_LOOKED_AT = 100
"""The trend is found among so many, whatever an output holds."""
_READERS = 16
"""Reading two small files of a run is waiting, most of all on remote storage."""


@dataclass(frozen=True, slots=True)
class Point:
    """A finished run: the foreground's mean Dice with its 95 % interval, None where it has none.

    verdict: the gate's, None where the run was not gated. comparable: of the same config as the page's run, and
    with the same classes in the mean. status: of the run; one that is not done is in the trend, and no run's baseline.
    """

    run_id: str
    finished: datetime
    value: float | None
    low: float | None
    high: float | None
    verdict: str | None
    comparable: bool
    model: str | None
    status: str = DONE


def names_of(past: FinishedRun, names: Sequence[RunName]) -> list[RunName]:
    """The last runs that were begun before the end of a run, by their names: the trend is found among them."""
    last = max(past.run.eval_date, f"{past.finished.astimezone(UTC):%Y-%m-%d}")
    return [name for name in names if name.stands and name.eval_date <= last][:RUNS_LOOKED_AT]


class Trend(NamedTuple):
    """Runs, and what is to be said of those whose tables cannot be read."""

    points: tuple[Point, ...]
    left_out: tuple[str, ...]


def points(past: FinishedRun, runs: Sequence[FinishedRun], nights: int = NIGHTS) -> Trend:
    """The run and those of `runs` that ended before it, oldest first; `runs` has the last one first.

    At most `nights` of its own config, and at most as many of others that finished among them.

    Raises:
        DamagedError: if a table of the run itself is damaged or gone; of another run that is said.
    """
    earlier = [run for run in runs if (run.finished, run.run_id) <= (past.finished, past.run_id)]
    made = _made(past)
    same = [run for run in earlier if _made(run) == made][:nights]
    since = same[-1].finished if same else past.finished
    others = [run for run in earlier if _made(run) != made and run.finished >= since][:nights]
    chosen = sorted([*same, *others], key=lambda run: (run.finished, run.run_id))

    def point(run: FinishedRun) -> Point | DamagedError:
        try:
            return _point(run, comparable=_made(run) == made)
        except DamagedError as error:
            if run.run_id == past.run_id:
                raise
            return error

    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(point, chosen))
    left_out = [f"A run is left out of the trend: {each}" for each in found if isinstance(each, DamagedError)]
    return Trend(tuple(each for each in found if isinstance(each, Point)), tuple(left_out))


def _made(run: FinishedRun) -> tuple[str | None, tuple[str, ...]]:
    """What two runs share whose means are of the same: the config that scored them, and the foreground."""
    return run.row["config_fingerprint"], past_foreground.of(run.row)


def _point(run: FinishedRun, *, comparable: bool) -> Point:
    rows = run_tables.read(run.run, "slices", [ALL]).to_pylist()
    row = rows[0] if rows else {}
    verdicts = run_tables.read(run.run, "verdicts")["run_verdict"].unique().to_pylist()
    return Point(
        run.run_id,
        run.finished,
        row.get("dice_mean"),
        row.get("dice_mean_low"),
        row.get("dice_mean_high"),
        verdicts[0] if verdicts else None,
        comparable,
        run.row["model"],
        run.row["status"],
    )
