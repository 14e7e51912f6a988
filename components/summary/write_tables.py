"""WriteTables: rows of slices and totals to the tables of a run, and last of all to `runs`.

A run without its `runs` row does not exist for readers that ask for complete runs.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
import pyarrow as pa

from ...schemas import tables
from ...schemas.accounting import FileSums
from ...schemas.config.config import OF_THE_TABLES
from ...schemas.errors import TablesError
from ...schemas.slices import SliceTables
from ..runs import accounting, held_samples, run_files, runs_row, superseded_files, unit_failures
from ..storage import filesystems
from . import slice_batches

FILE = runs_row.FILE
ABANDONED_SECONDS = 24 * 3600
"""A temporary file this old is of a killed attempt. A younger one may be of another process that has the run id."""

_FINGERPRINTS = ("data_fingerprint", "config_fingerprint", "model_fingerprint", "transform_fingerprint")
_COUNTED = ("shards", "records", "scored", "failed", "duplicate_ids", "digest")
_OF_THE_DATA = ("status", "summary_version", *_COUNTED, *_FINGERPRINTS)
"""Columns of `runs` that two attempts at the same have in common."""
_OF_AN_ATTEMPT = ("versions", "runner", "started", "finished", "seconds", "samples_per_second")
"""Columns of `runs` that are of the attempt that scored."""


@dataclass(frozen=True, slots=True)
class TableSettings:
    """What the tables say beside the numbers; `versions` and `config` are JSON.

    What is None is not known, and NULL in `runs`. `seen` is the identity of the row when the attempt began, see
    `runs_row.identity`; None if there was none.
    """

    run: run_files.Run
    max_failed_fraction: float
    config: str
    model: str | None
    versions: str | None
    runner: str | None
    started: datetime | None
    transform: str | None = None
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers of a run: what its files add up to, shards found, samples scored by this attempt, repeated ids."""

    sums: FileSums
    shards: int
    scored_now: int
    duplicate_ids: int


def run_row(settings: TableSettings, counted: Counted, finished: datetime) -> dict[str, object]:
    """The row of `runs`.

    `seconds` and `samples_per_second` are of this attempt, from its start to its last table; the second is
    NULL for an attempt that had nothing left to score. Both are NULL where it is not known when it began. `write` keeps
    those of a run that was finished and has nothing new.
    """
    seconds = (finished - settings.started).total_seconds() if settings.started else None
    totals = counted.sums.totals
    return {
        "status": accounting.status(totals, settings.max_failed_fraction),
        "config": settings.config,
        "config_fingerprint": settings.run.config_fingerprint,
        "model": settings.model,
        "model_fingerprint": settings.run.model_fingerprint,
        "transform": settings.transform,
        "transform_fingerprint": settings.run.transform_fingerprint,
        "summary_version": tables.SUMMARY_VERSION,
        "shards": totals.shards,
        "records": totals.records,
        "scored": totals.scored,
        "failed": totals.failed,
        "duplicate_ids": counted.duplicate_ids,
        "digest": counted.sums.digest,
        "data_fingerprint": counted.sums.data,
        "slices_fingerprint": counted.sums.slices,
        "versions": settings.versions,
        "runner": settings.runner,
        "started": settings.started,
        "finished": finished,
        "seconds": seconds,
        "samples_per_second": counted.scored_now / seconds if counted.scored_now and seconds else None,
    }


def write(settings: TableSettings, counted: Counted, slices: Iterable[SliceTables]) -> str:
    """Write the tables of a finished run, the `runs` row last; returns its path.

    The row that stood when the attempt began is hidden first, so that it never stands beside tables that are not of it.
    Where another attempt has finished the same since, that is left as it is.

    Raises:
        AccountingError: if a shard is missing or a record unaccounted for; nothing is written then.
        TablesError: if another attempt has finished the run since, with other records or tables.
    """
    accounting.check(counted.sums.totals, counted.shards)
    unit_failures.check(settings.run, run_files.list_samples(settings.run), counted.sums.totals.failed)
    kept = _of_the_attempt_that_scored(settings.run, counted)
    if not runs_row.hide_seen(settings.run, settings.seen):
        return _of_another_attempt(settings, counted)
    superseded_files.delete(settings.run)
    if counted.sums.totals.failed == 0:  # so that the table is there
        run_files.write_table(tables.FAILURES.empty_table(), settings.run, "failures", unit_failures.EMPTY)
    every = list(slices)
    for name in slice_batches.TOGETHER:
        rows = slice_batches.rows_in_order(every, name)
        run_files.write_tables(rows, tables.FIXED[name], settings.run, name, FILE)
    replicates = slice_batches.replicates_in_order(every)
    run_files.write_tables(replicates, tables.REPLICATES, settings.run, "replicates", FILE)
    if runs_row.standing(settings.run) and _is_same(settings, counted):
        return f"{settings.run.folder('runs')}/{FILE}"
    row = run_row(settings, counted, datetime.now(UTC)) | kept
    said = {tables.UNITS_METADATA: held_samples.units(run_files.list_samples(settings.run).holders).encode()}
    path = run_files.write_table(pa.Table.from_pylist([row], schema=tables.RUNS), settings.run, "runs", FILE, said)
    runs_row.forget_hidden(settings.run)
    for name in tables.OF_A_RUN:
        filesystems.delete_abandoned(settings.run.folder(name), time.time() - ABANDONED_SECONDS)
    return path


def _of_another_attempt(settings: TableSettings, counted: Counted) -> str:
    """Path of the row of an attempt that has finished the same meanwhile."""
    run = settings.run
    if not _is_same(settings, counted):
        msg = (
            f"run {run.run_id!r} was finished by another attempt while this one was at work, with other records or "
            f"tables (see {run.folder('runs')}); give the command again, one at a time"
        )
        raise TablesError(msg)
    return f"{run.folder('runs')}/{FILE}"


def _is_same(settings: TableSettings, counted: Counted) -> bool:
    """Whether a row says what this attempt would write, but for when and where that was done."""
    try:
        theirs = runs_row.read(settings.run)
    except TablesError:
        return False
    ours = run_row(settings, counted, datetime.now(UTC))
    return theirs is not None and (
        all(theirs[name] == ours[name] for name in _OF_THE_DATA)
        and _of_the_tables(theirs["config"]) == _of_the_tables(settings.config)
    )


def _of_the_tables(config: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(config).items() if name in OF_THE_TABLES}


def _of_the_attempt_that_scored(run: run_files.Run, counted: Counted) -> dict[str, Any]:
    """What a finished run that has nothing new keeps: when it was scored, by what, and how fast.

    When it was scored decides which run is previous.

    Empty where the run was not finished, or has more records now. A row that is damaged is written anew.
    """
    try:
        before = runs_row.read(run)
    except TablesError:
        return {}
    totals = counted.sums.totals
    if before is None or counted.scored_now or (before["shards"], before["records"]) != (totals.shards, totals.records):
        return {}
    return {name: before[name] for name in _OF_AN_ATTEMPT}


class _WriteTables(beam.DoFn):
    def __init__(self, settings: TableSettings) -> None:
        self._settings = settings

    def process(
        self,
        _: None,
        sums: FileSums,
        shards: int,
        scored_now: int,
        duplicate_ids: int,
        slices: Iterable[SliceTables],
    ) -> Iterable[str]:
        yield write(self._settings, Counted(sums, shards, scored_now, duplicate_ids), slices)


class WriteTables(beam.PTransform):
    """End of the pipeline: one element that waits for every slice and number, then writes."""

    def __init__(
        self,
        settings: TableSettings,
        sums: beam.PCollection[FileSums],
        shards: beam.PCollection[int],
        scored_now: beam.PCollection[int],
        duplicate_ids: beam.PCollection[int],
    ) -> None:
        """Keep the numbers of `Counted`: one element each, or none for nothing; `shards` has one always."""
        super().__init__()
        self._settings = settings
        self._numbers = (
            beam.pvalue.AsSingleton(sums, FileSums()),
            beam.pvalue.AsSingleton(shards),
            beam.pvalue.AsSingleton(scored_now, 0),
            beam.pvalue.AsSingleton(duplicate_ids, 0),
        )

    def expand(self, slices: beam.PCollection[SliceTables]) -> beam.PCollection[str]:
        """Give the rest of the run to one DoFn as side inputs."""
        return (
            slices.pipeline
            | "Once" >> beam.Create([None], reshuffle=False)
            | "WriteTables" >> beam.ParDo(_WriteTables(self._settings), *self._numbers, beam.pvalue.AsIter(slices))
        )
