"""ReadSamples: units to batches of decoded samples.

Contract: every record of a unit (a shard, or a range of it) is in exactly one batch of that unit, as a sample or as a
failure, and the batches depend on nothing but the unit and the settings.
"""

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import apache_beam as beam

from components import filesystems, prefetch, tfrecord
from components.batching import Decoded, batches
from components.decoding import DecodeSettings, decode
from schemas.errors import StorageError
from schemas.records import Batch, Failure, Unit


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How shards are read.

    batch_size: samples in a batch.
    threads: decoding threads for each shard that is being read; 0 for one a core, at most 8.
    """

    decode: DecodeSettings
    batch_size: int = 16
    threads: int = 0


def unit_batches(unit: Unit, settings: ReadSettings) -> Iterator[Batch]:
    """The batches of one unit, decoded in threads one to two batches ahead of the consumer."""

    def decoded(record: tfrecord.Record | Failure) -> Decoded:
        return record, record if isinstance(record, Failure) else decode(record, settings.decode)

    threads = settings.threads or min(8, os.cpu_count() or 1)
    ahead = 2 * settings.batch_size
    results = prefetch.ordered_map(decoded, _records(unit), threads=threads, ahead=ahead)
    return batches(unit, results, settings.batch_size)


def with_bytes_left(failure: Failure, shard: Unit) -> Failure:
    """A failure that ends a shard, with how much of the file that is; a gzip file does not say."""
    if not failure.ends_shard or shard.path.endswith(".gz"):
        return failure
    left = shard.size_bytes - failure.lineage.byte_offset
    return dataclasses.replace(failure, message=f"{failure.message}: {left:,} of {shard.size_bytes:,} bytes")


def _records(unit: Unit) -> Iterator[tfrecord.Record | Failure]:
    try:
        with filesystems.reading(unit.path) as file:
            for item in _framed(file, unit):
                yield with_bytes_left(item, unit) if isinstance(item, Failure) else item
    except OSError as error:
        msg = f"the shard {unit.path} cannot be read: {error}. It is not scored; run again with the same --run-id"
        raise StorageError(msg) from error


def _framed(file: BinaryIO, unit: Unit) -> Iterator[tfrecord.Record | Failure]:
    if unit.range is None:
        return tfrecord.records(file, unit.path)
    return tfrecord.records_of_range(file, unit.path, unit.range, unit.size_bytes)


class _ReadShard(beam.DoFn):
    def __init__(self, settings: ReadSettings) -> None:
        self._settings = settings

    def process(self, unit: Unit) -> Iterator[Batch]:
        return unit_batches(unit, self._settings)


class ReadSamples(beam.PTransform):
    """Units to batches. A unit stays in one bundle, so that its batches arrive at the writer together."""

    def __init__(self, settings: ReadSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, units: beam.PCollection[Unit]) -> beam.PCollection[Batch]:
        """Redistribute the units over the workers, then read each where it lands."""
        return units | "SpreadUnits" >> beam.Reshuffle() | "ReadShard" >> beam.ParDo(_ReadShard(self._settings))
