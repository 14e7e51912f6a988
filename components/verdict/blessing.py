"""Which runs may be a baseline: the last decision on each, and the files that tell others.

The log of decisions alone decides. Beside the verdict stand the empty files BLESSED or NOT_BLESSED, as TFX's evaluator
leaves them, and beside BLESSED blessing.json, which says who blessed the run and when. They are never there together,
and the gate reads none of them. A mark is taken away before the log says so and set afterwards: whatever is interrupted
leaves no mark BLESSED of a run that is not.
"""

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from ...schemas import partitions
from ...schemas.decision import BLESSED as DECIDED_BLESSED
from ...schemas.decision import GATE, HAND, WITHDRAWN, By, Decision, Standing
from ...schemas.verdict import INVALID
from ..runs.run_files import Run
from ..storage import filesystems, storage_errors
from . import decision_log

TABLE = "gate"
"""Stands in the place of a table's name in the folder; it holds no table."""
BLESSED, NOT_BLESSED, _DETAILS = "BLESSED", "NOT_BLESSED", "blessing.json"


class Blessing(NamedTuple):
    """A run that may be a baseline; `time` is that of the last decision on it, UTC."""

    run_id: str
    eval_date: str
    time: datetime


def path(run: Run, name: str) -> str:
    """Path of a file beside the verdict."""
    return f"{run.folder(TABLE)}/{name}"


def write_file(run: Run, name: str, data: bytes) -> str:
    """Write a file beside the verdict, committed when it is whole; returns its path."""
    target = path(run, name)
    with filesystems.committing(target) as file:
        file.write(data)
    return target


def delete(run: Run, name: str) -> None:
    """Delete a file beside the verdict, if it is there."""
    target = path(run, name)
    with storage_errors.writing(target):
        filesystems.delete(target)


def is_blessed(run: Run) -> bool:
    """Whether a run may be a baseline.

    Raises:
        TablesError: if the log is damaged.
    """
    last = decision_log.standing_of(decision_log.find(run.output), run.run_id)
    return last is not None and last.blessed


def grant(run: Run, by: By, now: datetime, why: str | None = None) -> str:
    """Bless a run; returns the path of the mark.

    A person's blessing is always a new decision, the last one. The gate's is one only where the run is not blessed
    already, so that an old run that passes again does not become the newest.

    Raises:
        TablesError: if the log is damaged. StorageError: if it cannot be written.
    """
    unless = None if by == HAND else lambda last: last is not None and last.blessed
    made = decision_log.append(run, DECIDED_BLESSED, by, now, why, unless)
    return mark(run, made)


def hold(run: Run, verdict: str, now: datetime) -> Decision | None:
    """Withdraw the blessing of a run that has not passed; returns the last decision on it, None where there is none.

    What a person has blessed stays so, unless the verdict is INVALID.
    """

    def stays(last: Standing | None) -> bool:
        return last is None or not last.blessed or (last.decided_by == HAND and verdict != INVALID)

    return decision_log.append(run, WITHDRAWN, GATE, now, verdict, stays)


def mark(run: Run, last: Decision | None) -> str:
    """Tell others of the last decision on a run; returns the path of the mark."""
    if last is None or not last.standing.blessed:
        delete(run, BLESSED)
        delete(run, _DETAILS)
        return write_file(run, NOT_BLESSED, b"")
    details = {"run_id": run.run_id, "by": last.decided_by, "time": last.time.isoformat()}
    more = {"sequence": last.sequence, "who": last.who, "reason": last.reason}
    write_file(run, _DETAILS, json.dumps({**details, **more}).encode())
    delete(run, NOT_BLESSED)
    return write_file(run, BLESSED, b"")


def decisions(output: str) -> Iterator[Decision]:
    """The last decision on each blessed run, the run that was blessed last first; read as far as it is asked for.

    Raises:
        TablesError: if an entry of the log that is needed is damaged.
    """
    log = decision_log.find(output)
    return (decision_log.read(log, each.sequence).decision for each in decision_log.standings(log) if each.blessed)


def listed(output: str) -> list[Blessing]:
    """Every blessed run, the last blessed first."""
    return [Blessing(each.run_id, each.eval_date, each.time) for each in decisions(output)]


def marked_alone(output: str) -> Collection[str]:
    """Ids of runs with the mark BLESSED on which nothing was decided: an earlier version, which had no log, left it."""
    files = filesystems.below(f"{output.rstrip('/')}/{TABLE}", f"eval_date=*/run_id=*/{BLESSED}")
    decided = {each.run_id for each in decision_log.standings(decision_log.find(output))}
    return sorted({partitions.of_path(file.path)[1] for file in files} - decided)
