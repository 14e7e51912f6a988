"""Which runs may be a baseline: the files BLESSED and NOT_BLESSED, as TFX's evaluator leaves them.

Both are empty, and never there together. Beside BLESSED, blessing.json says who blessed the run and when. BLESSED
is written last and removed first: whatever is interrupted leaves no blessing.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from ..runs.run_files import Run
from ..storage import filesystems, storage_errors

TABLE = "gate"
"""Stands in the place of a table's name in the folder; it holds no table."""
BLESSED, NOT_BLESSED, _DETAILS = "BLESSED", "NOT_BLESSED", "blessing.json"
_READERS = 16

By = Literal["gate", "hand"]


class Blessing(NamedTuple):
    """A run that may be a baseline; `time` is when it was blessed first, UTC."""

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


def withdraw(run: Run) -> None:
    """Take the blessing away; who gave it and when stays until `refuse`, for a run that passes again."""
    delete(run, BLESSED)


def is_blessed(run: Run) -> bool:
    """Whether a run may be a baseline."""
    return filesystems.exists(path(run, BLESSED))


def is_by_hand(run: Run) -> bool:
    """Whether a person has blessed the run."""
    return _details(run).get("by") == "hand"


def refuse(run: Run) -> str:
    """Mark a run as not blessed; returns the path of the mark."""
    delete(run, BLESSED)
    delete(run, _DETAILS)
    return write_file(run, NOT_BLESSED, b"")


def grant(run: Run, by: By, now: datetime) -> str:
    """Bless a run; returns the path of the mark. One that was blessed before keeps its first time."""
    if _time(_details(run)) is None:
        details = {"run_id": run.run_id, "by": by, "time": now.astimezone(UTC).isoformat()}
        write_file(run, _DETAILS, json.dumps(details).encode())
    delete(run, NOT_BLESSED)
    return write_file(run, BLESSED, b"")


def listed(output: str) -> list[Blessing]:
    """Every blessed run, the last blessed first; found by one listing of their folders.

    Where blessing.json is missing or damaged, the time is that of BLESSED itself.
    """
    files = filesystems.below(f"{output.rstrip('/')}/{TABLE}", "eval_date=*/run_id=*/*")
    paths = {file.path for file in files}
    marks = sorted(path for path in paths if path.endswith(f"/{BLESSED}"))
    with ThreadPoolExecutor(_READERS) as pool:
        blessings = pool.map(lambda mark: _blessing(mark, paths), marks)
        return sorted(blessings, key=lambda blessing: (blessing.time, blessing.run_id), reverse=True)


def _blessing(mark: str, paths: set[str]) -> Blessing:
    folder = mark.rpartition("/")[0]
    eval_date, run_id = (part.partition("=")[2] for part in folder.split("/")[-2:])
    time = _time(_read(folder)) if f"{folder}/{_DETAILS}" in paths else None
    return Blessing(run_id, eval_date, time or filesystems.modified(mark))


def _details(run: Run) -> dict[str, Any]:
    """What blessing.json says; empty where it is missing or damaged."""
    return _read(run.folder(TABLE)) if filesystems.exists(path(run, _DETAILS)) else {}


def _read(folder: str) -> dict[str, Any]:
    with filesystems.reading(f"{folder}/{_DETAILS}") as file:
        data = file.read()
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(details: dict[str, Any]) -> datetime | None:
    """When the run was blessed first; None where the details do not say so."""
    try:
        time = datetime.fromisoformat(details["time"])
    except (ValueError, KeyError, TypeError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def delete(run: Run, name: str) -> None:
    """Delete a file beside the verdict, if it is there."""
    target = path(run, name)
    with storage_errors.writing(target):
        filesystems.delete(target)
