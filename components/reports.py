"""WriteReports: states and totals to the tables `classes`, `slices`, `failures` and, last, `runs`.

A run without its `runs` row does not exist for readers that ask for complete runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from components import filesystems, report_rows, run_files
from schemas import tables
from schemas.errors import AccountingError
from schemas.records import RunTotals
from schemas.summary import GroupKey, GroupState

DONE, OVER_BUDGET, CUT_SHORT, NOTHING_SCORED = "done", "over_failure_budget", "shard_cut_short", "nothing_scored"
FILE = "part-0.parquet"


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What the tables say beside the numbers; `versions` and `config` are JSON."""

    run: run_files.Run
    classes: tuple[str, ...]
    foreground: tuple[int, ...]
    max_failed_fraction: float
    config: str
    model: str
    versions: str
    runner: str
    started: datetime


def status(totals: RunTotals, max_failed_fraction: float) -> str:
    """How a finished run stands: failed records over the budget, or nothing scored at all, are no success.

    A shard that could not be read to its end has lost nobody knows how many records, so it is within no budget
    but that of 1, which accepts everything.
    """
    if totals.failed > max_failed_fraction * totals.records:
        return OVER_BUDGET
    if totals.cut_short and max_failed_fraction < 1:
        return CUT_SHORT
    return DONE if totals.scored else NOTHING_SCORED


def check_accounting(totals: RunTotals, shards: int) -> None:
    """Hold that records = scored + failed, for every shard that was found.

    Raises:
        AccountingError: if it does not hold; the run is not marked as done.
    """
    if totals.shards != shards or totals.records != totals.scored + totals.failed:
        msg = f"expected {shards} shards and records = scored + failed, but the sample files hold {totals}"
        raise AccountingError(msg)


def run_row(settings: ReportSettings, totals: RunTotals, scored_now: int, finished: datetime) -> dict[str, object]:
    """The row of `runs`.

    `seconds` and `samples_per_second` are of this attempt, from its start to its last table; the second is
    NULL for an attempt that had nothing left to score.
    """
    seconds = (finished - settings.started).total_seconds()
    return {
        "status": status(totals, settings.max_failed_fraction),
        "config": settings.config,
        "config_fingerprint": settings.run.config_fingerprint,
        "model": settings.model,
        "model_fingerprint": settings.run.model_fingerprint,
        "shards": totals.shards,
        "records": totals.records,
        "scored": totals.scored,
        "failed": totals.failed,
        "versions": settings.versions,
        "runner": settings.runner,
        "started": settings.started,
        "finished": finished,
        "seconds": seconds,
        "samples_per_second": scored_now / seconds if scored_now else None,
    }


def write(
    settings: ReportSettings,
    totals: RunTotals,
    shards: int,
    scored_now: int,
    states: Iterable[tuple[tuple[str, int], GroupState]],
) -> str:
    """Write the tables of a finished run, the `runs` row last; returns its path.

    Raises:
        AccountingError: if a shard is missing or a record unaccounted for; nothing is written then.
    """
    check_accounting(totals, shards)
    run, by_key = settings.run, {GroupKey(*key): state for key, state in states}
    _check_failures(run, totals)
    run_files.write_table(report_rows.class_table(by_key, settings.classes), run, "classes", FILE)
    run_files.write_table(report_rows.slice_table(by_key, settings.foreground), run, "slices", FILE)
    row = run_row(settings, totals, scored_now, datetime.now(UTC))
    return run_files.write_table(pa.Table.from_pylist([row], schema=tables.RUNS), run, "runs", FILE)


def _check_failures(run: run_files.Run, totals: RunTotals) -> None:
    """Every failed record has its row; a run without any gets an empty file, so that the table is there."""
    rows = 0
    for file in filesystems.below(run.folder("failures"), "*.parquet"):
        with filesystems.reading(file.path) as opened:
            rows += pq.ParquetFile(opened).metadata.num_rows
    if rows != totals.failed:
        msg = f"expected {totals.failed} rows in {run.folder('failures')}, but it has {rows}"
        raise AccountingError(msg)
    if rows == 0:
        run_files.write_table(tables.FAILURES.empty_table(), run, "failures", FILE)


class _WriteReports(beam.DoFn):
    def __init__(self, settings: ReportSettings) -> None:
        self._settings = settings

    def process(
        self,
        _: None,
        totals: RunTotals,
        shards: int,
        scored_now: int,
        states: Iterable[tuple[tuple[str, int], GroupState]],
    ) -> Iterable[str]:
        yield write(self._settings, totals, shards, scored_now, states)


class WriteReports(beam.PTransform):
    """End of the pipeline: one element that waits for every state and total, then writes."""

    def __init__(
        self,
        settings: ReportSettings,
        totals: beam.PCollection[RunTotals],
        shards: beam.PCollection[int],
        scored_now: beam.PCollection[int],
    ) -> None:
        super().__init__()
        self._settings, self._totals, self._shards, self._scored_now = settings, totals, shards, scored_now

    def expand(self, states: beam.PCollection[tuple[tuple[str, int], GroupState]]) -> beam.PCollection[str]:
        """Give the rest of the run to one DoFn as side inputs."""
        singletons = [beam.pvalue.AsSingleton(p) for p in (self._totals, self._shards, self._scored_now)]
        return (
            states.pipeline
            | "Once" >> beam.Create([None], reshuffle=False)
            | "WriteTables" >> beam.ParDo(_WriteReports(self._settings), *singletons, beam.pvalue.AsIter(states))
        )
