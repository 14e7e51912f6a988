"""Finished runs and their tables, read back."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...schemas import partitions, tables
from ...schemas.errors import TablesError
from ..storage import filesystems, parquet_files
from . import clocks, run_files, runs_row
from .run_files import Place, Run


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run and its `runs` row; columns that an older version did not write are None."""

    run: Run
    row: dict[str, Any]

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.run_id

    @property
    def finished(self) -> datetime:
        """When it was finished."""
        time: datetime = self.row["finished"]
        return time


def finished_runs(output: str) -> list[FinishedRun]:
    """Every finished run of an output folder, the one that finished last first.

    Raises:
        TablesError: if a run id stands under two dates.
    """
    found = []
    files = filesystems.below(f"{output.rstrip('/')}/runs", "eval_date=*/run_id=*/part-0.parquet")
    partitions.check_one_date((partitions.of_path(file.path) for file in files), output)
    for file in files:
        date, run_id = partitions.of_path(file.path)
        with suppress(FileNotFoundError):  # hidden since it was listed: that run is not finished now
            (row,) = _read_file(file.path, tables.RUNS).to_pylist()
            found.append(FinishedRun(_run(output, date, run_id, row), row))
    return sorted(found, key=lambda past: (past.finished, past.run_id), reverse=True)


def check_finished(past: FinishedRun, now: datetime) -> None:
    """Refuse a run that was finished at a time that is still to come, where an order is made of such times.

    Raises:
        ClockError: if it was; it names the run.
    """
    remedy = "evaluate again under another --run-id and delete this run, or name the runs that are meant by their ids"
    clocks.check(f"`finished` of run {past.run_id!r} in {past.run.folder('runs')}", past.finished, now, remedy)


def hidden_runs(output: str, finished: Collection[FinishedRun] = ()) -> list[FinishedRun]:
    """Runs that were finished and have no row now, the one that finished last first.

    A summary or a compaction of such a run is at work, or was stopped.

    Args:
        output: folder of the tables.
        finished: runs whose rows have been read already, and so are not hidden.

    Raises:
        TablesError: if a run id stands under two dates, one of which may be that of a finished run.
    """
    standing, found = {past.run_id for past in finished}, {}
    folder = f"{output.rstrip('/')}/runs"
    names = [f"eval_date=*/run_id=*/{name}" for name in runs_row.NOT_STANDING]
    places = [partitions.of_path(file.path) for name in names for file in filesystems.below(folder, name)]
    partitions.check_one_date([*((past.run.eval_date, past.run_id) for past in finished), *places], output)
    for date, run_id in places:
        row = None if run_id in standing else runs_row.read(Place(output, date, run_id))
        if row is not None:
            found[run_id] = FinishedRun(_run(output, date, run_id, row), row)
    return sorted(found.values(), key=lambda past: (past.finished, past.run_id), reverse=True)


def _run(output: str, date: str, run_id: str, row: Mapping[str, Any]) -> Run:
    return Run(
        output,
        date,
        run_id,
        row["config_fingerprint"],
        row["model_fingerprint"],
        transform_fingerprint=row["transform_fingerprint"],
    )


def read(place: Place, table: str, slices: Collection[str] | None = None) -> pa.Table:
    """A table with fixed columns of a run or an analysis, or those of its rows that are of some slices."""
    schema = tables.FIXED[table]
    files = filesystems.below(place.folder(table), "*.parquet")
    parts = [_read_file(file.path, schema, slices) for file in files]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _read_file(path: str, schema: pa.Schema, slices: Collection[str] | None = None) -> pa.Table:
    wanted = None if slices is None else pc.field("slice").isin(pa.array(sorted(slices), pa.string()))
    with filesystems.reading(path) as opened:
        rows = pq.read_table(opened, filters=wanted)
    return parquet_files.with_schema(rows, schema)


def scored_classes(run: Place) -> tuple[int, ...]:
    """Ids of the classes that a run has scored.

    Raises:
        TablesError: if its sample files are gone.
    """
    path = next(run_files.sample_paths(run), None)
    if path is None:
        raise TablesError(f"expected the sample files of run {run.run_id!r} in {run.folder('samples')}")
    return run_files.read_shard_record(path).class_ids
