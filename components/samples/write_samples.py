"""WriteSamples: scored batches to one Parquet file for each unit, committed when the unit is whole.

Contract: the batches of a unit (a shard, or a range of it) come to one DoFn in order within one bundle (the stages
before it are fused). That is checked; a unit that comes split ends the run and leaves nothing under a final name.
The first attempt that commits a unit has scored it: see `unit_commit`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
import numpy as np

from ...schemas import tables
from ...schemas.accounting import Committed
from ...schemas.errors import TablesError
from ...schemas.records import Failure, SampleKey, SampleSums, ScoredBatch
from ...schemas.shards import Unit
from ..runs import run_files
from ..runs.shard_records import ShardRecord
from ..runtime import progress_counts
from ..statistics import sample_sums
from ..storage import parquet_files
from . import sample_rows, unit_commit
from .unit_commit import NewTable

ROWS_A_GROUP = parquet_files.ROWS_A_GROUP
TEXT_A_GROUP = 64 << 20
"""Characters of ids and slice values that a row group may hold: 20,000 long ids would be gigabytes."""
FAILURES_A_GROUP = 1 << 14
FAILURE_TEXT_A_GROUP = 8 << 20
"""Characters of ids and messages; a shard may have failures alone, each with a long id."""


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """What the rows need beside the sums: class names, the scored ids, and names of the slice columns."""

    run: run_files.Run
    classes: tuple[str, ...]
    class_ids: tuple[int, ...]
    slice_columns: tuple[str, ...]


class ShardFiles:
    """The sample file and the failures file of one unit while it is being scored."""

    def __init__(self, unit: Unit, settings: WriteSettings) -> None:
        """Open the sample file under a temporary name."""
        self._unit, self._settings = unit, settings
        self._next_index = self._scored = self._failed = self._text = self._failure_text = 0
        self._keys: list[SampleKey] = []
        self._sums: list[SampleSums] = []
        self._failures: list[Failure] = []
        self._cut_short = False
        run, self._name = settings.run, run_files.file_name(unit.path, unit.range)
        schema = tables.with_metadata(tables.samples_schema(settings.slice_columns), run.run_id, table="samples")
        self._samples = NewTable(f"{run.folder('samples')}/{self._name}", schema, tables.SAMPLES_ORDER)
        self._failures_file: NewTable | None = None
        self._digest = hashlib.blake2b(digest_size=8)

    def add(self, batch: ScoredBatch) -> Committed | None:
        """Take the next batch; the last one commits the unit.

        Raises:
            TablesError: if a batch is missing, or the unit's records do not add up.
        """
        if batch.index != self._next_index:
            msg = (
                f"shard {self._unit.name}: expected its batch {self._next_index}, but got {batch.index}. The runner "
                "split the shard between bundles; give resource hints to the whole pipeline, not to one stage"
            )
            raise TablesError(msg)
        self._next_index += 1
        self._keys.extend(batch.keys)
        if batch.sums is not None:
            self._sums.append(batch.sums)
        self._failures.extend(batch.failures)
        self._failure_text += sum(len(each.sample_id or "") + len(each.message) for each in batch.failures)
        self._cut_short = self._cut_short or any(failure.ends_shard for failure in batch.failures)
        self._scored += len(batch.keys)
        self._failed += len(batch.failures)
        self._text += _text(batch.keys)
        n_classes = len(self._settings.class_ids)
        if len(self._keys) * n_classes >= ROWS_A_GROUP or self._text * n_classes >= TEXT_A_GROUP:
            self._write_samples(before=batch.progress.oldest_pending)
        if len(self._failures) >= FAILURES_A_GROUP or self._failure_text >= FAILURE_TEXT_A_GROUP:
            self._write_failures()
        return self._commit(batch.progress.records, batch.progress.content) if batch.progress.done else None

    def _commit(self, records: int, content: str) -> Committed:
        if records != self._scored + self._failed:
            msg = (
                f"shard {self._unit.name}: {records} records were read, but {self._scored} scored and "
                f"{self._failed} failed"
            )
            raise TablesError(msg)
        unit = self._unit
        self._write_samples(before=records + (unit.range.first_record if unit.range else 0))
        self._write_failures()
        failures, record = self._failures_file, self._record(records, content)
        if failures is not None:
            record = unit_commit.named(record, self._name, self._digest.hexdigest())
        committed = unit_commit.commit(unit, self._settings.run, record, self._samples, failures)
        self.abort()
        return committed

    def _record(self, records: int, content: str) -> ShardRecord:
        run, unit = self._settings.run, self._unit
        return ShardRecord(
            shard=unit.path,
            size_bytes=unit.size_bytes,
            records=records,
            scored=self._scored,
            failed=self._failed,
            config_fingerprint=run.config_fingerprint,
            model_fingerprint=run.model_fingerprint,
            cut_short=self._cut_short,
            class_ids=self._settings.class_ids,
            scoring=run.scoring,
            range=unit.range,
            transform_fingerprint=run.transform_fingerprint,
            version=unit.file.version or None,
            content=content or None,
        )

    def _write_samples(self, before: int) -> None:
        """Write the rows of records before an index, which no later batch can precede, in record order."""
        if not self._keys:
            return
        sums = sample_sums.concatenate(self._sums)
        records = np.array([key.lineage.record for key in self._keys])
        order = np.argsort(records, kind="stable")
        ready, rest = order[records[order] < before], order[records[order] >= before]
        settings = self._settings
        if ready.size:
            keys = [self._keys[i] for i in ready]
            rows = sample_rows.sample_table(
                keys,
                sample_sums.select(sums, ready),
                settings.class_ids,
                settings.classes,
                settings.slice_columns,
            )
            self._samples.write(rows)
        self._keys = [self._keys[i] for i in rest]
        self._text = _text(self._keys)
        self._sums = [sample_sums.select(sums, rest)] if rest.size else []

    def _write_failures(self) -> None:
        if not self._failures:
            return
        if self._failures_file is None:
            schema = tables.with_metadata(tables.FAILURES, self._settings.run.run_id, table="failures")
            path = f"{self._settings.run.folder('failures')}/{self._name}"
            self._failures_file = NewTable(path, schema, tables.FAILURES_ORDER)
        ordered = sorted(self._failures, key=lambda failure: failure.lineage.record)
        rows = sample_rows.failure_table(ordered)
        for failure in ordered:
            self._digest.update(repr(failure).encode(errors="surrogatepass"))
        self._failures_file.write(rows)
        self._failures, self._failure_text = [], 0

    def abort(self) -> None:
        """Leave nothing behind but what is committed."""
        self._samples.close()
        if self._failures_file is not None:
            self._failures_file.close()


def _text(keys: Sequence[SampleKey]) -> int:
    """Characters of ids and slice values."""
    return sum(len(text or "") for key in keys for text in (key.sample_id, *key.slices))


class _WriteShards(beam.DoFn):
    def __init__(self, settings: WriteSettings) -> None:
        self._settings = settings
        self._open: dict[str, ShardFiles] = {}

    def start_bundle(self) -> None:
        self._abort()  # what a failed bundle left in this instance

    def process(self, batch: ScoredBatch) -> Iterator[Committed]:
        unit, part = batch.shard, batch.shard.range
        if unit.name not in self._open:
            self._open[unit.name] = ShardFiles(unit, self._settings)
        committed = self._open[unit.name].add(batch)
        read = batch.progress.byte_offset - (part.start if part else 0)
        progress_counts.add(unit.name, read, len(batch.keys), len(batch.failures))
        if committed is not None:
            progress_counts.finish(unit.name, part.end - part.start if part else unit.size_bytes)
            del self._open[unit.name]
            yield committed

    def finish_bundle(self) -> None:
        split = sorted(self._open)
        self._abort()
        if split:
            msg = (
                f"the runner ended a bundle in the middle of {_some(split)}; give resource hints to the "
                "whole pipeline, not to one stage"
            )
            raise TablesError(msg)

    def teardown(self) -> None:
        self._abort()

    def _abort(self) -> None:
        for files in self._open.values():
            files.abort()
        self._open = {}


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")  # noqa: PLR2004


class WriteSamples(beam.PTransform):
    """Scored batches to committed sample files."""

    def __init__(self, settings: WriteSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, batches: beam.PCollection[ScoredBatch]) -> beam.PCollection[Committed]:
        """Write where the batches are; no shuffle may come between."""
        return batches | "WriteShards" >> beam.ParDo(_WriteShards(self._settings))
