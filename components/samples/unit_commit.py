"""The commit of a unit: the first attempt that gives its sample file the unit's name has scored the unit.

Failures get their name first, samples second, and the sample file says which failures are its own. An attempt that
comes later leaves what is there as it is, discards its own files, and goes on with the accounting of what is there.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace

import pyarrow as pa

from ...schemas.accounting import Committed
from ...schemas.errors import DamagedError, StorageError, TablesError
from ...schemas.shards import Unit
from ..runs import committed_units, run_files, runs_row, unit_failures
from ..runs.run_files import Run
from ..runs.shard_records import ShardRecord
from ..storage import filesystems, parquet_files, parquet_reading, storage_errors
from ..storage.new_files import NewFile


class NewTable:
    """A Parquet file of a unit that has no name yet."""

    def __init__(self, path: str, schema: pa.Schema, sorted_by: Sequence[str]) -> None:
        """Open it beside a path."""
        self._path = path
        with ExitStack() as stack:
            self._new = stack.enter_context(closing(NewFile(path)))
            self._writer = stack.enter_context(parquet_files.writer(self._new.file, schema, sorted_by))
            self._stack = stack.pop_all()

    def write(self, table: pa.Table) -> None:
        """Add rows, a row group."""
        with storage_errors.writing(self._path):
            self._writer.write_table(table)

    def finish(self, record: ShardRecord) -> None:
        """End it with what it says of its unit."""
        with storage_errors.writing(self._path):
            self._writer.add_key_value_metadata(record.encode())
            self._writer.__exit__(None, None, None)
        self._new.finish()

    def commit(self, path: str) -> bool:
        """Give it a name that no file has; returns whether it has it."""
        return self._new.commit(path)

    def close(self) -> None:
        """Leave nothing of it but the name it was given."""
        error = TablesError("not committed")
        with suppress(OSError, ValueError, StorageError):  # closing writes to what may be full, or closed already
            self._stack.__exit__(type(error), error, None)


def commit(unit: Unit, run: Run, record: ShardRecord, samples: NewTable, failures: NewTable | None) -> Committed:
    """Commit a unit, or leave it to the attempt that was first.

    Args:
        unit: what was scored.
        run: where its files belong.
        record: its accounting; `failures` is the name of the failures file.
        samples: whose rows are all written; it is finished here, and closed by the caller.
        failures: likewise, None if no record failed.

    Returns:
        The accounting of what is committed, by this attempt or another.

    Raises:
        TablesError: if what another attempt has committed is damaged, or of another config. StorageError.
    """
    n_classes = len(record.class_ids)
    if held := committed_units.find(run, unit, n_classes):
        return held
    name = run_files.file_name(unit.path, unit.range)
    path, lost = f"{run.folder('samples')}/{name}", None
    for table in (failures, samples):
        if table is not None:
            table.finish(record)
    runs_row.hide_standing(run)
    if failures is not None:
        lost = f"{run.folder('failures')}/{record.failures}"
        _give(failures, lost)
    if not samples.commit(path):
        return _others(unit, run, record, lost)
    if committed_units.merged(run, name):
        filesystems.delete(path)  # another attempt has committed it, and its file was merged and deleted meanwhile
        return _others(unit, run, record, lost)
    if lost is not None and failures is not None and not filesystems.exists(lost):
        _give(failures, lost)  # an attempt that finished meanwhile took it for a leftover
    runs_row.hide_standing(run)
    return run_files.accounts([record], path)[0]


def _give(failures: NewTable, path: str) -> None:
    """Give failures their name; what has it already has the same rows, unless it is damaged."""
    if not failures.commit(path):
        try:
            parquet_reading.check(path)
        except DamagedError:
            filesystems.delete(path)
            failures.commit(path)


def _others(unit: Unit, run: Run, record: ShardRecord, lost: str | None) -> Committed:
    """What another attempt has committed; failures of this one that are not also of that one go."""
    held = committed_units.find(run, unit, len(record.class_ids))
    if held is None:
        msg = f"{unit.name} was committed by another attempt, and its sample file has gone; run again"
        raise StorageError(msg)
    theirs = run_files.read_shard_records(held.path)
    named = unit_failures.named(held.path.rpartition("/")[2], theirs)
    if lost is not None and named != record.failures:
        filesystems.delete(lost)
    return held


def named(record: ShardRecord, sample_name: str, digest: str) -> ShardRecord:
    """The accounting with the name of the failures file, which ends in a digest of its rows."""
    return replace(record, failures=unit_failures.name_for(sample_name, digest))
