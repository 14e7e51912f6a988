"""WriteSamples: scored batches to one Parquet file for each unit, committed when the unit is whole.

Contract: the batches of a unit (a shard, or a range of it) come to one DoFn in order within one bundle (the stages
before it are fused). That is checked; a unit that comes split ends the run and leaves nothing under a final name.
Failures are committed first, samples second, so that a unit with a sample file is a unit that needs no second look.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa

from ...schemas import tables
from ...schemas.accounting import Committed
from ...schemas.errors import StorageError, TablesError
from ...schemas.records import Failure, SampleKey, SampleSums, ScoredBatch
from ...schemas.shards import Unit
from ..runs import run_files
from ..runs.shard_records import ShardRecord
from ..runtime import progress_counts
from ..statistics import sample_sums
from ..storage import filesystems, parquet_files, storage_errors
from . import sample_rows

ROWS_A_GROUP = parquet_files.ROWS_A_GROUP
TEXT_A_GROUP = 64 << 20
"""Characters of ids and slice values that a row group may hold: 20,000 long ids would be gigabytes."""
FAILURES_A_GROUP = 1 << 14


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """What the rows need beside the sums: class names, the scored ids, and names of the slice columns."""

    run: run_files.Run
    classes: tuple[str, ...]
    class_ids: tuple[int, ...]
    slice_columns: tuple[str, ...]


class _ParquetFile:
    """A Parquet file that stands under its name only after `commit`."""

    def __init__(self, path: str, schema: pa.Schema, sorted_by: Sequence[str]) -> None:
        self._path = path
        self._stack = ExitStack()
        file = self._stack.enter_context(filesystems.committing(path))
        self._writer = self._stack.enter_context(parquet_files.writer(file, schema, sorted_by))

    def write(self, table: pa.Table) -> None:
        with storage_errors.writing(self._path):
            self._writer.write_table(table)

    def commit(self, metadata: dict[bytes, bytes]) -> None:
        self._writer.add_key_value_metadata(metadata)
        self._stack.close()

    def abort(self) -> None:
        error = TablesError("aborted")
        with suppress(StorageError):  # closing writes to what may be full; what is left is deleted all the same
            self._stack.__exit__(type(error), error, None)


class ShardFiles:
    """The sample file and the failures file of one unit while it is being scored."""

    def __init__(self, unit: Unit, settings: WriteSettings) -> None:
        """Open the sample file under a temporary name."""
        self._unit, self._settings = unit, settings
        self._next_index = self._scored = self._failed = self._text = 0
        self._keys: list[SampleKey] = []
        self._sums: list[SampleSums] = []
        self._failures: list[Failure] = []
        self._cut_short = False
        run, self._name = settings.run, run_files.file_name(unit.path, unit.range)
        self._samples_path = f"{run.folder('samples')}/{self._name}"
        self._failures_path = f"{run.folder('failures')}/{self._name}"
        schema = tables.with_metadata(tables.samples_schema(settings.slice_columns), run.run_id)
        self._samples = _ParquetFile(self._samples_path, schema, tables.SAMPLES_ORDER)
        self._failures_file: _ParquetFile | None = None

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
        self._cut_short = self._cut_short or any(failure.ends_shard for failure in batch.failures)
        self._scored += len(batch.keys)
        self._failed += len(batch.failures)
        self._text += sum(len(text or "") for key in batch.keys for text in (key.sample_id, *key.slices))
        n_classes = len(self._settings.class_ids)
        if len(self._keys) * n_classes >= ROWS_A_GROUP or self._text * n_classes >= TEXT_A_GROUP:
            self._write_samples(before=batch.progress.oldest_pending)
        if len(self._failures) >= FAILURES_A_GROUP:
            self._write_failures()
        return self._commit(batch.progress.records, batch.progress.content) if batch.progress.done else None

    def _commit(self, records: int, content: str) -> Committed:
        if records != self._scored + self._failed:
            msg = (
                f"shard {self._unit.name}: {records} records were read, but {self._scored} scored and "
                f"{self._failed} failed"
            )
            raise TablesError(msg)
        run, unit = self._settings.run, self._unit
        record = ShardRecord(
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
        self._write_samples(before=records + (unit.range.first_record if unit.range else 0))
        self._write_failures()
        if self._failures_file is not None:
            self._failures_file.commit(record.encode())
        else:
            filesystems.delete(self._failures_path)  # what an interrupted attempt may have left
        self._samples.commit(record.encode())
        (committed,) = run_files.accounts([record], self._samples_path)
        return committed

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
        self._text = 0
        self._sums = [sample_sums.select(sums, rest)] if rest.size else []

    def _write_failures(self) -> None:
        if not self._failures:
            return
        if self._failures_file is None:
            schema = tables.with_metadata(tables.FAILURES, self._settings.run.run_id)
            self._failures_file = _ParquetFile(self._failures_path, schema, tables.FAILURES_ORDER)
        ordered = sorted(self._failures, key=lambda failure: failure.lineage.record)
        self._failures_file.write(sample_rows.failure_table(ordered))
        self._failures = []

    def abort(self) -> None:
        """Leave nothing behind."""
        self._samples.abort()
        if self._failures_file is not None:
            self._failures_file.abort()


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
