"""WriteDataset: sums of a data set to its tables and its transform graph, and last of all to `datasets`.

An analysis without its `datasets` row does not exist for readers that ask for complete ones.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
import pyarrow as pa

from ...schemas import datasets
from ...schemas.accounting import RunTotals
from ...schemas.errors import AccountingError
from ...schemas.records import Failure
from ..runs import accounting, analysis_files, run_files
from ..runs.analysis_files import FILE, Analysis
from ..storage import filesystems
from . import dataset_rows, dataset_sums
from .dataset_sums import DatasetSums


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """What the tables say beside the numbers; `versions` and `config` are JSON. `sums` is the file of the sums."""

    run: Analysis
    sums: str
    shards: int
    classes: tuple[str, ...]
    max_failed_fraction: float
    config: str
    versions: str
    runner: str
    started: datetime


def dataset_row(
    settings: DatasetSettings, totals: RunTotals, data_fingerprint: str, finished: datetime
) -> dict[str, object]:
    """The row of `datasets`. `samples_per_second` is from the start to the last table; NULL where nothing counts."""
    seconds = (finished - settings.started).total_seconds()
    nothing = accounting.NOTHING_ANALYZED
    return {
        "status": accounting.status(totals, settings.max_failed_fraction, nothing=nothing),
        "config": settings.config,
        "shards": totals.shards,
        "records": totals.records,
        "analyzed": totals.scored,
        "failed": totals.failed,
        "data_fingerprint": data_fingerprint,
        "transform": analysis_files.transform_folder(settings.run),
        "versions": settings.versions,
        "runner": settings.runner,
        "started": settings.started,
        "finished": finished,
        "seconds": seconds,
        "samples_per_second": totals.scored / seconds if totals.scored and seconds > 0 else None,
    }


def write(settings: DatasetSettings, graph: str, totals: RunTotals, failures: Iterable[Failure]) -> str:
    """Write the tables and the graph of an analysis, the `datasets` row last; returns its path.

    Raises:
        AccountingError: if a shard is missing or a record unaccounted for; nothing is written then.
    """
    with filesystems.reading(settings.sums) as file:
        sums = dataset_sums.decode(file.read())
    found = dataset_rows.failures(failures)
    _check(settings, totals, sums, found.num_rows)
    _publish(graph, analysis_files.transform_folder(settings.run))
    made = {
        "dataset_channels": dataset_rows.channels(sums),
        "dataset_classes": dataset_rows.classes(sums, settings.classes),
        "dataset_slices": dataset_rows.slices(sums),
        "dataset_sizes": dataset_rows.sizes(sums),
        "dataset_failures": found,
    }
    for name, table in made.items():
        run_files.write_table(table, settings.run, name, FILE)
    row = dataset_row(settings, totals, sums.digest, datetime.now(UTC))
    return run_files.write_table(pa.Table.from_pylist([row], schema=datasets.DATASETS), settings.run, "datasets", FILE)


def _check(settings: DatasetSettings, totals: RunTotals, sums: DatasetSums, failed: int) -> None:
    accounting.check(totals, settings.shards, found="the units that were measured have")
    analyzed = sum((sums.sizes or {}).values())
    if (analyzed, failed) != (totals.scored, totals.failed):
        msg = (
            f"expected the sums of {totals.scored} samples and {totals.failed} failures, but there are those of "
            f"{analyzed} and {failed} failures"
        )
        raise AccountingError(msg)


def _publish(graph: str, folder: str) -> None:
    """Copy the transform to its place, each file whole or not at all."""
    for file in filesystems.below(graph, "**", dotted=True):
        with (
            filesystems.reading_stored(file.path) as source,
            filesystems.committing(f"{folder}{file.path[len(graph) :]}") as target,
        ):
            shutil.copyfileobj(source, target, filesystems.COPY_CHUNK_BYTES)


class _WriteDataset(beam.DoFn):
    def __init__(self, settings: DatasetSettings) -> None:
        self._settings = settings

    def process(self, graph: str, totals: RunTotals, failures: Iterable[Failure]) -> Iterable[str]:
        yield write(self._settings, graph, totals, failures)


class WriteDataset(beam.PTransform):
    """End of the pipeline: the folder of the transform, which is there once, waits for all else, then it is written."""

    def __init__(
        self, settings: DatasetSettings, totals: beam.PCollection[RunTotals], failures: beam.PCollection[Failure]
    ) -> None:
        super().__init__()
        self._settings, self._totals, self._failures = settings, totals, failures

    def expand(self, graph: beam.PCollection[str]) -> beam.PCollection[str]:
        """Give the accounting and the failures to one DoFn as side inputs."""
        sides: tuple[Any, ...] = (beam.pvalue.AsSingleton(self._totals), beam.pvalue.AsIter(self._failures))
        return graph | "WriteTables" >> beam.ParDo(_WriteDataset(self._settings), *sides)
