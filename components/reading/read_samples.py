"""ReadSamples: units to batches of decoded samples.

Contract: every record of a unit (a shard, or a range of it) is in exactly one batch of that unit, as a sample or as a
failure, and the batches depend on nothing but the unit and the settings.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import apache_beam as beam
from apache_beam.coders import PickleCoder, registry
from apache_beam.coders.coder_impl import CallbackCoderImpl

from ...schemas.records import Batch, Failure, Record, Sample
from ...schemas.shards import Unit
from ..decoding.decode_record import DecodeSettings, decode
from ..runtime import byte_budget, prefetch
from ..runtime.prefetch import Held
from . import record_reader
from .batching import Decoded, batches
from .shard_content import Noted

SMALL_BYTES = 1 << 16
"""Of a shard whose records are decoded without threads."""


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
    """The batches of one unit, decoded in threads one to two batches ahead of the consumer.

    A small shard is decoded at once: threads would take longer to begin than it does. Large samples are decoded less
    far ahead, so that all units read in this process hold no more than a budget of bytes; that changes no batch.
    """

    def decoded(record: Record | Failure) -> Decoded:
        if isinstance(record, Failure):
            return record, record
        return replace(record, data=b""), decode(record, settings.decode)  # its place is all that is needed

    noted = Noted(record_reader.read(unit))
    if unit.size_bytes <= SMALL_BYTES:
        return _with_content(batches(unit, map(decoded, noted), settings.batch_size), noted)
    threads = settings.threads or min(8, os.cpu_count() or 1)
    ahead = 2 * settings.batch_size
    held = Held(record_reader.data_bytes, _sample_bytes, byte_budget.of_process)
    results = prefetch.ordered_map(decoded, noted, threads=threads, ahead=ahead, name="decode", held=held)
    return _with_content(batches(unit, results, settings.batch_size), noted)


def _with_content(made: Iterator[Batch], noted: Noted) -> Iterator[Batch]:
    for batch in made:
        done = batch.progress.done
        yield replace(batch, progress=replace(batch.progress, content=noted.digest)) if done else batch


def _sample_bytes(decoded: Decoded) -> int:
    outcome = decoded[1]
    return outcome.nbytes if isinstance(outcome, Sample) else 0


class _ReadShard(beam.DoFn):
    def __init__(self, settings: ReadSettings) -> None:
        self._settings = settings

    def process(self, unit: Unit) -> Iterator[Batch]:
        return unit_batches(unit, self._settings)


class BatchCoder(PickleCoder):
    """Pickles a batch where it must be sent, and knows its size without.

    Beam asks for the size of some of the elements between two stages; the usual answer is the length of the pickle.
    """

    def _create_impl(self) -> CallbackCoderImpl:
        pickled = super()._create_impl()
        return CallbackCoderImpl(pickled.encode, pickled.decode, lambda batch: batch.nbytes)


class ReadSamples(beam.PTransform):
    """Units to batches. A unit stays in one bundle, so that its batches arrive at the writer together."""

    def __init__(self, settings: ReadSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, units: beam.PCollection[Unit]) -> beam.PCollection[Batch]:
        """Redistribute the units over the workers, then read each where it lands."""
        registry.register_coder(Batch, BatchCoder)
        return units | "SpreadUnits" >> beam.Reshuffle() | "ReadShard" >> beam.ParDo(_ReadShard(self._settings))
