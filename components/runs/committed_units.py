"""Who holds a unit: its own sample file, or the merged one of a finished run that was compacted."""

from contextlib import suppress

from ...schemas.accounting import Committed
from ...schemas.errors import TablesError
from ...schemas.shards import Unit
from ..storage import filesystems
from . import run_files, runs_row
from .run_files import Place, Run

_TRIES = 3
"""A merge may move a unit from file to file meanwhile."""


def find(run: Run, unit: Unit, n_classes: int) -> Committed | None:
    """The accounting of a unit that some attempt has committed; None if none has.

    Raises:
        TablesError: if its file is damaged, of another config, model or transform, or of another state of the shard.
    """
    name = run_files.file_name(unit.path, unit.range)
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return _accounting(f"{run.folder('samples')}/{name}", run, unit, n_classes)
        path = merged(run, name)
        if path is None:
            return None
        with suppress(FileNotFoundError):
            return _accounting(path, run, unit, n_classes)
    return None


def merged(run: Place, name: str) -> str | None:
    """Path of the merged file that holds a unit, by the name of the unit's own file. Only finished runs have any."""
    if not runs_row.was_finished(run):
        return None
    for file in filesystems.below(run.folder("samples"), f"*{run_files.COMPACTED}"):
        with suppress(FileNotFoundError):
            held = run_files.read_shard_records(file.path)
            if name in (run_files.file_name(record.shard, record.range) for record in held):
                return file.path
    return None


def _accounting(path: str, run: Run, unit: Unit, n_classes: int) -> Committed | None:
    found = run_files.committed(path, run, n_classes)
    held = next((each for each in found if (each.shard, each.range) == (unit.path, unit.range)), None)
    if held is None or held.size_bytes != unit.size_bytes:
        was = "another unit" if held is None else f"a shard of {held.size_bytes} bytes"
        msg = (
            f"expected {unit.name} of a shard of {unit.size_bytes} bytes in {path}, but another attempt has scored "
            f"{was}; use another --run-id, or delete that file to score it again"
        )
        raise TablesError(msg)
    return held
