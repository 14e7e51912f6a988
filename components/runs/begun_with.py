"""The shards that a run was begun with: one that is gone later must not make the run a smaller one that is done.

`<output>/runs/_shards/<run_id>.json.gz` is written by the first plan of a run, before anything is scored. A later plan
may have more shards, which are added to it, and never fewer. No reader of tables matches it.
"""

import gzip
import json
import zlib
from collections.abc import Iterable
from contextlib import suppress

from ...schemas.errors import TablesError
from ..storage import exclusive_files, filesystems
from .run_files import Place

_NAMED = 3


def path(run: Place) -> str:
    """Where the list of a run's shards is."""
    return f"{run.output.rstrip('/')}/runs/_shards/{run.run_id}.json.gz"


def note(run: Place, shards: Iterable[str]) -> None:
    """Write down the shards of a run that begins, or hold those of one that goes on against what it was begun with.

    Args:
        run: of which nothing of this attempt is scored yet.
        shards: paths of all its shards.

    Raises:
        TablesError: if it was begun with shards that are not among these.
        StorageError: if the output cannot be written.
    """
    now = sorted(shards)
    data = gzip.compress(json.dumps({"run_id": run.run_id, "shards": now}).encode(), mtime=0)
    if exclusive_files.create(path(run), data):
        return
    before = read(run)
    check(run, now)
    if before is None or len(now) > len(before):
        with filesystems.committing(path(run)) as file:
            file.write(data)


def check(run: Place, shards: Iterable[str]) -> None:
    """Hold that every shard that a run was begun with is there; of a run that has no list nobody knows.

    Raises:
        TablesError: if some are not there, or the list is damaged.
    """
    before, now = read(run) or [], set(shards)
    gone = [shard for shard in before if shard not in now]
    if gone:
        new = sorted(now - set(before))
        msg = (
            f"run {run.run_id!r} was begun with {len(before):,} shards, of which `examples` does not match "
            f"{len(gone):,} any more: {_some(gone)}"
            + (f" (there are {len(new):,} new ones: {_some(new)})" if new else "")
            + f". Put them back, or use another --run-id; to go on without them, delete {path(run)}"
        )
        raise TablesError(msg)


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")


def read(run: Place) -> list[str] | None:
    """The paths of the shards that a run was begun with, None if they were never written down.

    Raises:
        TablesError: if the list is damaged.
    """
    where = path(run)
    try:
        with filesystems.reading_stored(where) as file:
            data = file.read()
    except FileNotFoundError:
        return None
    with suppress(gzip.BadGzipFile, EOFError, zlib.error, ValueError, TypeError, KeyError):
        found = json.loads(gzip.decompress(data))
        if found["run_id"] == run.run_id and all(isinstance(each, str) for each in found["shards"]):
            return list(found["shards"])
    msg = (
        f"expected the shards that run {run.run_id!r} was begun with in {where}, but it is damaged; delete it if "
        "`examples` matches all of them"
    )
    raise TablesError(msg)
