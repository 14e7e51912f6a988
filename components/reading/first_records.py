"""The first records of some shards, read and decoded as a worker would: what is wrong there is wrong everywhere."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from apache_beam.io.filesystem import BeamIOError

from ...schemas.errors import StorageError
from ...schemas.finding import Finding, fine, problem, warning
from ...schemas.records import Failure, Sample
from ...schemas.shards import Shard
from ..decoding import raw_images, tf_examples
from ..decoding.decode_record import DecodeSettings, decode
from ..decoding.raw_images import RawImages
from ..storage import filesystems
from . import record_reader, tfrecord

LOOKED_AT = 16
"""Shards of which the first record is read: enough to see what is wrong with all, few enough for remote storage."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the first records showed, and those that were decoded."""

    findings: tuple[Finding, ...]
    samples: tuple[Sample, ...]


def some_of(shards: Sequence[Shard], limit: int = LOOKED_AT) -> list[Shard]:
    """At most so many shards, evenly over all, the first and the last among them."""
    if len(shards) <= limit:
        return list(shards)
    return [shards[round(i * (len(shards) - 1) / (limit - 1))] for i in range(limit)]


def look(shards: Sequence[Shard], settings: DecodeSettings, *, failures_allowed: bool) -> Look:
    """Read and decode the first record of each of some shards.

    Args:
        shards: all shards of an evaluation.
        settings: what a sample is made of.
        failures_allowed: whether the run would be valid with some records that cannot be scored.
    """
    chosen = some_of(shards)
    outcomes = {shard.path: _first(shard, settings) for shard in chosen}
    samples = tuple(outcome for outcome in outcomes.values() if isinstance(outcome, Sample))
    findings = [f for path, outcome in outcomes.items() if (f := _finding(path, outcome, failures_allowed))]
    if samples:
        known = f"the first record is read, checked and decoded in {len(samples)} of {len(chosen)} shards looked at"
        findings.append(fine(f"{known} ({len(shards)} in all)", samples[0].lineage.shard))
    return Look((*findings, *_slice_findings(samples, settings.slice_features)), samples)


def in_turn(shards: Sequence[Shard], settings: DecodeSettings, spread: int) -> Iterator[Sample | Failure]:
    """Every record of a data set as a worker would decode it, the first of each shard before the second of any.

    A shard that cannot be read is left out here; who needs it says so.

    Args:
        shards: all shards of an evaluation, in listing order.
        settings: what a sample is made of.
        spread: so many shards come first: the first one, the last one and others evenly between them.
    """
    first = dict.fromkeys(some_of(shards, spread))
    waiting = [_decoded(shard, settings) for shard in (*first, *(shard for shard in shards if shard not in first))]
    while waiting:
        left = []
        for records in waiting:
            outcome = next(records, None)
            if outcome is not None:
                yield outcome
                left.append(records)
        waiting = left


def _decoded(shard: Shard, settings: DecodeSettings) -> Iterator[Sample | Failure]:
    with suppress(StorageError, BeamIOError):
        for record in record_reader.read(shard):
            yield record if isinstance(record, Failure) else decode(record, settings)


def stored_images(shards: Sequence[Shard], *settings: DecodeSettings) -> RawImages:
    """How the images of a data set are stored, by the first record that can be decoded under one of some settings.

    Args:
        shards: of the data set.
        settings: tried in order, so that what can be read in several ways is read as the first says.
    """
    for shard in some_of(shards):
        for each in settings:
            sample = _first(shard, each)
            if isinstance(sample, Sample):
                return _stored(shard, sample, each)
    return raw_images.unknown(settings[0].features.image)


def _stored(shard: Shard, sample: Sample, settings: DecodeSettings) -> RawImages:
    with filesystems.reading(shard.path) as file:
        record = next(tfrecord.records(file, shard.path))
    if isinstance(record, Failure) or isinstance(sample.image, bytes):  # it was read just now, and decoded
        raise StorageError(f"{shard.path} changes while it is read; try again")
    channels = sample.image.shape[-1]
    return raw_images.of_record(
        tf_examples.parse(record.data), settings.features.image, settings.spatial_rank, channels
    )


def _first(shard: Shard, settings: DecodeSettings) -> Sample | Failure | OSError | None:
    """The decoded first record; None of a shard without any."""
    try:
        with filesystems.reading(shard.path) as file:
            record = next(tfrecord.records(file, shard.path), None)
    except (OSError, BeamIOError) as error:
        return error if isinstance(error, OSError) else OSError(str(error))
    if record is None or isinstance(record, Failure):
        return record
    return decode(record, settings)


def _finding(path: str, outcome: Sample | Failure | OSError | None, failures_allowed: bool) -> Finding | None:  # noqa: FBT001
    if isinstance(outcome, Sample):
        return None
    if outcome is None:
        return warning("the shard has no record", path, "leave it out of examples if that is not meant")
    if isinstance(outcome, OSError):
        return problem(f"the shard cannot be read ({outcome})", path, "fix its permissions, or leave it out")
    place = f"{path} record 0"
    if outcome.ends_shard or not failures_allowed:
        return problem(outcome.message, place, "fix the config or the record, or allow some with max_failed_fraction")
    return warning(outcome.message, place, "it would be a row of failures")


def _slice_findings(samples: Sequence[Sample], features: Sequence[str]) -> list[Finding]:
    found = []
    for place, feature in enumerate(features):
        without = [sample for sample in samples if sample.slices[place] is None]
        if not without:
            continue
        where = f"{without[0].lineage.shard} record 0"
        what = f"the slice feature {feature!r} is missing in {len(without)} of {len(samples)} first records"
        every = len(without) == len(samples)
        todo = "fix slices or cluster: dicebeam inspect shows what there is" if every else "its slice will be NULL"
        found.append((problem if every else warning)(what, where, todo))
    return found
