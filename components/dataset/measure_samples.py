"""MeasureSamples: units to sums of their samples.

Contract: every record of a unit is counted once, in one of its blocks or as a failure. Images and masks end here: a
block is a few thousand numbers, whatever the samples it is of.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from ...schemas.accounting import Committed
from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import SampleError
from ...schemas.records import Failure, Record
from ...schemas.shards import Unit
from ..decoding.decode_record import DecodeSettings, decode
from ..reading import record_reader
from ..runtime import byte_budget, gpus, prefetch, progress_counts
from ..runtime.prefetch import Held
from ..statistics.slicing import SliceSpec
from . import dataset_sums
from .dataset_sums import SampleMeasures

BLOCK_SAMPLES = 1024
BLOCK_VALUES = 1 << 22
"""A block ends where its samples hold so many different values: those of float images are many."""
_AHEAD = 32
_MAX_THREADS = 16
"""Two for each core, because no model takes one, and a thread often waits for Python's interpreter lock."""
_NOTED_RECORDS = 16
_VALUE_BYTES = 16
"""Of a value and how often it is there."""


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """What is measured. slices: specs without that of `all`. columns: of the slice features, in their order."""

    decode: DecodeSettings
    slices: tuple[SliceSpec, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """Number of classes in the config."""
        return len(self.decode.labels.classes)


Measured = tuple[Record | Failure, SampleMeasures | Failure]
"""A record and what became of it."""


def measure_record(record: Record | Failure, settings: DecodeSettings) -> Measured:
    """Decode a record and count what is in it; what is wrong with it becomes a failure."""
    if isinstance(record, Failure):
        return record, record
    sample = decode(record, settings)
    record = replace(record, data=b"")  # its place is all that is needed
    if isinstance(sample, Failure):
        return record, sample
    try:
        return record, dataset_sums.measure(sample, settings.labels)
    except SampleError as error:
        failure = Failure(sample.lineage, sample.sample_id, error.stage, type(error).__name__, str(error))
        return record, failure


def measured(unit: Unit, settings: MeasureSettings) -> Iterator[bytes | Failure | Committed]:
    """Encoded blocks and failures of a unit as they come, and last its accounting."""
    threads = min(_MAX_THREADS, 2 * (os.cpu_count() or 1))
    results = prefetch.ordered_map(
        lambda record: measure_record(record, settings.decode),
        record_reader.read(unit),
        threads=threads,
        ahead=_AHEAD,
        name="measure",
        held=Held(record_reader.data_bytes, _measured_bytes, byte_budget.of_process),
    )
    held: list[SampleMeasures] = []
    values = records = failed = 0
    cut_short = False
    for outcome in _noted(unit, results):
        records += 1
        if isinstance(outcome, Failure):
            failed += 1
            cut_short |= outcome.ends_shard
            yield outcome
            continue
        held.append(outcome)
        values += _values(outcome)
        if len(held) >= BLOCK_SAMPLES or values >= BLOCK_VALUES:
            yield _block(held, settings)
            held, values = [], 0
    if held:
        yield _block(held, settings)
    progress_counts.finish(unit.name, unit.range.end - unit.range.start if unit.range else unit.size_bytes)
    yield Committed(
        shard=unit.path,
        path="",
        records=records,
        scored=records - failed,
        failed=failed,
        cut_short=cut_short,
        size_bytes=unit.size_bytes,
        range=unit.range,
    )


def _values(measures: SampleMeasures) -> int:
    return sum(len(sums.exact.values) + len(sums.buckets.values) for sums in measures.channels)


def _measured_bytes(measured: Measured) -> int:
    outcome = measured[1]
    return 0 if isinstance(outcome, Failure) else _VALUE_BYTES * _values(outcome)


def _block(held: Sequence[SampleMeasures], settings: MeasureSettings) -> bytes:
    return dataset_sums.encode(dataset_sums.of_samples(held, settings.slices, settings.columns, settings.n_classes))


def _noted(unit: Unit, results: Iterator[Measured]) -> Iterator[SampleMeasures | Failure]:
    """What became of the records, noted for who shows progress."""
    start = unit.range.start if unit.range else 0
    done = failed = offset = 0
    for record, outcome in results:
        failed += isinstance(outcome, Failure)
        done += 1
        offset = record.end if isinstance(record, Record) else record.lineage.byte_offset
        yield outcome
        if done == _NOTED_RECORDS:
            progress_counts.add(unit.name, offset - start, done - failed, failed)
            done = failed = 0
    progress_counts.add(unit.name, offset - start, done - failed, failed)


class MeasuredUnits(NamedTuple):
    """What MeasureSamples gives: encoded blocks, failures, and the accounting of each unit."""

    blocks: beam.PCollection[bytes]
    failures: beam.PCollection[Failure]
    units: beam.PCollection[Committed]


class _MeasureUnit(beam.DoFn):
    def __init__(self, settings: MeasureSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        gpus.prepare(DeviceSettings())  # images are decoded on the CPU, and TensorFlow would take all GPU memory

    def process(
        self, unit: Unit
    ) -> Iterator[bytes | TaggedOutput[Literal["failures"], Failure] | TaggedOutput[Literal["units"], Committed]]:
        for item in measured(unit, self._settings):
            if isinstance(item, bytes):
                yield item
            else:
                yield TaggedOutput("failures" if isinstance(item, Failure) else "units", item)


class MeasureSamples(beam.PTransform):
    """Units to blocks, where the units are read."""

    def __init__(self, settings: MeasureSettings) -> None:
        super().__init__()
        self._settings = settings

    @no_annotations  # Beam reads no type from several collections
    def expand(self, units: beam.PCollection[Unit]) -> MeasuredUnits:
        """Redistribute the units over the workers, then measure each where it lands."""
        found = (
            units
            | "SpreadUnits" >> beam.Reshuffle()
            | "MeasureUnit" >> beam.ParDo(_MeasureUnit(self._settings)).with_outputs("failures", "units", main="blocks")
        )
        return MeasuredUnits(found.blocks, found.failures, found.units)
