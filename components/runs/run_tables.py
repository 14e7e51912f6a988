"""Finished runs and their tables, read back: their names by one listing, and the rows of those that are asked for."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ...schemas import partitions, tables
from ...schemas.errors import TablesError
from ..runtime import prefetch
from ..storage import filesystems, parquet_reading
from . import clocks, run_files, runs_row, whole_tables
from .run_files import Place, Run

READERS = 16
"""Reading the row of a run is waiting, most of all on remote storage."""


class RunName(NamedTuple):
    """A run that was finished, as the name of its folder says; `stands` is whether readers see its row now."""

    eval_date: str
    run_id: str
    stands: bool


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run and its `runs` row; columns that an older version did not write are None.

    stands: whether readers see the row. Else a summary or a compaction of the run is at work, or was stopped.
    units: of its sample files, as `held_samples.units` has them; None where an earlier version wrote the row.
    """

    run: Run
    row: dict[str, Any]
    stands: bool = True
    units: str | None = None

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.run_id

    @property
    def finished(self) -> datetime:
        """When it was finished."""
        time: datetime = self.row["finished"]
        return time


def listed(output: str) -> list[RunName]:
    """Every run that was finished, the last date first, and the last id of a date; one listing, and no row is read.

    Raises:
        TablesError: if an id stands under two dates.
    """
    stands: dict[tuple[str, str], bool] = {}
    for file in filesystems.below(f"{output.rstrip('/')}/runs", "eval_date=*/run_id=*/*", dotted=True):
        place, name = partitions.of_path(file.path), file.path.rpartition("/")[2]
        if name == runs_row.FILE or name in runs_row.NOT_STANDING:
            stands[place] = stands.get(place, False) or name == runs_row.FILE
    partitions.check_one_date(stands, output)
    return [RunName(*place, stands[place]) for place in sorted(stands, reverse=True)]


def named(names: Iterable[RunName], run_id: str) -> RunName | None:
    """The run of an id; None if it was never finished."""
    return next((name for name in names if name.run_id == run_id), None)


def read_row(output: str, name: RunName) -> FinishedRun | None:
    """A run with its row, wherever that is now; None if it has gone since it was listed.

    Raises:
        TablesError: if the row is damaged; the message names the file.
    """
    place = Place(output, name.eval_date, name.run_id)
    found = runs_row.find(place)
    if found is None:
        return None
    run = _run(output, name.eval_date, name.run_id, found.row)
    return FinishedRun(run, found.row, found.file == runs_row.FILE, found.units)


def read_named(output: str, names: Iterable[RunName], run_id: str) -> FinishedRun | None:
    """The run of an id with its row; None if it was never finished.

    Raises:
        TablesError: if the row is damaged.
    """
    name = named(names, run_id)
    return None if name is None else read_row(output, name)


def read_rows(output: str, names: Iterable[RunName]) -> Iterator[tuple[RunName, FinishedRun | TablesError]]:
    """The runs of some names in order, read in parallel and not far ahead; an error in the place of a damaged row.

    Whoever needs that row raises the error. A run whose row has gone since it was listed is left out.
    """

    def read(name: RunName) -> tuple[RunName, FinishedRun | TablesError | None]:
        try:
            return name, read_row(output, name)
        except TablesError as error:
            return name, error

    rows = prefetch.ordered_map(read, names, threads=READERS, ahead=2 * READERS, name="runs")
    return ((name, row) for name, row in rows if row is not None)


def check_finished(past: FinishedRun, now: datetime) -> None:
    """Refuse a run that was finished at a time that is still to come, where an order is made of such times.

    Raises:
        ClockError: if it was; it names the run.
    """
    remedy = "evaluate again under another --run-id and delete this run, or name the runs that are meant by their ids"
    clocks.check(f"`finished` of run {past.run_id!r} in {past.run.folder('runs')}", past.finished, now, remedy)


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
    """A table with fixed columns of a run or an analysis, or those of its rows that are of some slices.

    Raises:
        DamagedError: if a file is damaged, that of another run, or gone, or if there is one more.
    """
    schema = tables.FIXED[table]
    paths = [file.path for file in filesystems.below(place.folder(table), "*.parquet")]
    whole_tables.check(place.folder(table), table, paths)
    parts = [_read_file(path, schema, slices) for path in paths]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def _read_file(path: str, schema: pa.Schema, slices: Collection[str] | None = None) -> pa.Table:
    wanted = None if slices is None else pc.field("slice").isin(pa.array(sorted(slices), pa.string()))
    with parquet_reading.opened(path) as file:
        return file.read_as(schema, wanted)


def scored_classes(run: Place) -> tuple[int, ...]:
    """Ids of the classes that a run has scored.

    Raises:
        TablesError: if its sample files are gone.
    """
    path = next(run_files.sample_paths(run), None)
    if path is None:
        raise TablesError(f"expected the sample files of run {run.run_id!r} in {run.folder('samples')}")
    return run_files.read_shard_record(path).class_ids
