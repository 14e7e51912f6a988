"""The `runs` row of a run: it stands while the tables beside it are of one finished state, and is hidden otherwise.

It is hidden, not deleted, because a summary that is interrupted still needs what only the row knows.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ...schemas import repairs, tables
from ...schemas.errors import DamagedError
from ..storage import filesystems, parquet_reading, storage_errors
from .run_files import Place

FILE = "part-0.parquet"
_HIDDEN = f".{FILE}.before"
"""Tables may have changed since. No reader's `*.parquet` matches it."""
_ASIDE = f".{FILE}.aside"
"""Only files were moved: it is still the row of the tables beside it."""
NOT_STANDING = (_HIDDEN, _ASIDE)
"""Names of rows that readers do not see."""


def read(run: Place) -> dict[str, Any] | None:
    """The row, hidden or not, with NULL where an older version wrote nothing; None if the run was never finished.

    Raises:
        DamagedError: if it is damaged, or that of another run; the message names the file.
    """
    found = find(run)
    return found and found.row


class Found(NamedTuple):
    """A row, the name of the file that has it, and what this says of the units of the run; None in earlier versions."""

    row: dict[str, Any]
    file: str
    units: str | None


def find(run: Place) -> Found | None:
    """The row as `read` gives it, and where it is."""
    for name in (FILE, _ASIDE, _HIDDEN, FILE):  # another process may move it from name to name meanwhile
        path = f"{run.folder('runs')}/{name}"
        with suppress(FileNotFoundError):
            row, units = _read(path)
            return Found(row, name, units)
    return None


def _read(path: str) -> tuple[dict[str, Any], str | None]:
    with parquet_reading.opened(path) as file:
        rows, units = file.read_as(tables.RUNS).to_pylist(), file.footer.said.get(tables.UNITS_METADATA)
    if len(rows) != 1:
        raise DamagedError(repairs.damaged(path, f"it has {len(rows)} rows"))
    return rows[0], None if units is None else units.decode()


def stands(run: Place) -> bool:
    """Whether the run is finished: its row is there, or set aside."""
    return any(filesystems.exists(f"{run.folder('runs')}/{name}") for name in (FILE, _ASIDE))


def was_finished(run: Place) -> bool:
    """Whether there is a row under any of its names."""
    files = filesystems.below(run.folder("runs"), "*", dotted=True)
    return any(file.path.rpartition("/")[2] in (FILE, *NOT_STANDING) for file in files)


def identity(run: Place, names: Sequence[str] = (FILE, _ASIDE, _HIDDEN, FILE)) -> str | None:
    """What tells a row from those that other attempts write, wherever it is; None if there is none.

    It is a hash of the file, which moving does not change.
    """
    for name in names:
        with suppress(FileNotFoundError), filesystems.reading_stored(f"{run.folder('runs')}/{name}") as file:
            return hashlib.sha256(file.read()).hexdigest()
    return None


def standing(run: Place) -> str | None:
    """The identity of the row of a finished run; None if there is none, or it is hidden."""
    return identity(run, (FILE, _ASIDE, FILE))


def hide_seen(run: Place, seen: str | None) -> bool:
    """Hide the row that an attempt saw when it began; a newer one is another attempt's, and stays.

    Args:
        run: where it is.
        seen: `identity` of the row at that time.

    Returns:
        Whether no row stands now.
    """
    there = standing(run)
    if there is None:
        return True
    if there != seen:
        return False
    hide(run)
    if identity(run, (_HIDDEN,)) != seen and standing(run) is None:
        _rename(run, _HIDDEN, FILE)  # a newer one had taken its place in between
    return standing(run) is None


def hide_standing(run: Place) -> None:
    """Hide the row, whoever wrote it, because the run gets a unit that it does not count."""
    if stands(run):
        hide(run)


def hide(run: Place) -> None:
    """Take the row from its readers before anything of the run changes."""
    if filesystems.exists(f"{run.folder('runs')}/{FILE}"):
        filesystems.delete(f"{run.folder('runs')}/{_ASIDE}")
    _rename(run, _ASIDE, _HIDDEN)
    _rename(run, FILE, _HIDDEN)


def set_aside(run: Place) -> None:
    """Take the row from its readers while files of a finished run are merged, until `put_back`."""
    if filesystems.exists(f"{run.folder('runs')}/{FILE}"):
        forget_hidden(run)
    _rename(run, FILE, _ASIDE)


def put_back(run: Place) -> None:
    """Give readers the row that was set aside, if one was, and no attempt has written another since."""
    if filesystems.exists(f"{run.folder('runs')}/{FILE}"):
        filesystems.delete(f"{run.folder('runs')}/{_ASIDE}")
    else:
        _rename(run, _ASIDE, FILE)


def _rename(run: Place, name: str, new: str) -> None:
    folder = run.folder("runs")
    if filesystems.exists(f"{folder}/{name}"):
        with storage_errors.writing(folder), suppress(FileNotFoundError):  # another process was faster
            filesystems.rename(f"{folder}/{name}", f"{folder}/{new}")


def forget_hidden(run: Place) -> None:
    """The row stands: those before it are needed no more."""
    for name in (_HIDDEN, _ASIDE):
        filesystems.delete(f"{run.folder('runs')}/{name}")


VERSIONED = ("dicebeam", "tensorflow", "apache-beam", "tfrecord-lite", "pyarrow", "numpy")


def versions(*also: str) -> str:
    """The versions of what the numbers depend on, as JSON."""
    found = {"python": platform.python_version()}
    for name in (*VERSIONED, *also):
        found[name] = importlib.metadata.version(name)
    return json.dumps(found)
