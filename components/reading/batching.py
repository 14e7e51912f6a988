"""Batches of one unit: same shapes together, in an order that only the unit decides."""

from collections.abc import Iterable, Iterator
from typing import Any

from ...schemas.records import Batch, Failure, Progress, Record, Sample
from ...schemas.shards import Unit

PENDING_BATCHES = 8
"""A sample waits for others of its shape until this many batches' worth of records have passed.

It bounds the memory of a unit of many shapes, and how far the rows are from record order.
"""

PENDING_BYTES = 512 << 20
"""Nor for longer than until this many bytes of pixels wait: volumes are big."""

Decoded = tuple[Record | Failure, Sample | Failure]
"""A record, whose data are not needed any more, and what became of it."""


def batches(unit: Unit, decoded: Iterable[Decoded], batch_size: int) -> Iterator[Batch]:
    """Group decoded records into batches of at most `batch_size` samples of one bucket.

    Args:
        unit: the file, or the range of it, they are from.
        decoded: every record of the unit in order, beside what became of it; their data may be gone.
        batch_size: samples in a full batch.

    Yields:
        Batches numbered from 0; the last one says `done` and may be empty, and every failure is in one.
    """
    waiting = _Waiting(unit, batch_size)
    for record, outcome in decoded:
        waiting.note(record)
        if isinstance(outcome, Failure):
            waiting.failures.append(outcome)
            if len(waiting.failures) >= batch_size:
                yield waiting.take(None)
        else:
            bucket = waiting.buckets.setdefault(outcome.bucket, [])
            bucket.append(outcome)
            waiting.pending_bytes += outcome.nbytes
            if len(bucket) >= batch_size:
                yield waiting.take(outcome.bucket)
        while (overdue := waiting.overdue()) is not None:
            yield waiting.take(overdue)
    while len(waiting.buckets) > 1:
        yield waiting.take(waiting.oldest())
    yield waiting.take(waiting.oldest(), done=True)


class _Waiting:
    """Samples that wait for company; `buckets` is in the order of each bucket's first sample."""

    def __init__(self, unit: Unit, batch_size: int) -> None:
        self.unit, self.batch_size = unit, batch_size
        self.next_record = self.first = unit.range.first_record if unit.range else 0
        self.buckets: dict[tuple[Any, ...], list[Sample]] = {}
        self.failures: list[Failure] = []
        self.byte_offset = self.index = self.pending_bytes = 0

    def note(self, record: Record | Failure) -> None:
        self.next_record += 1
        self.byte_offset = record.end if isinstance(record, Record) else record.lineage.byte_offset

    def oldest(self) -> tuple[Any, ...] | None:
        return next(iter(self.buckets), None)

    def overdue(self) -> tuple[Any, ...] | None:
        bucket = self.oldest()
        if bucket is None:
            return None
        age = self.next_record - self.buckets[bucket][0].lineage.record
        too_long = age > PENDING_BATCHES * self.batch_size or self.pending_bytes > PENDING_BYTES
        return bucket if too_long else None

    def take(self, bucket: tuple[Any, ...] | None, *, done: bool = False) -> Batch:
        samples = () if bucket is None else tuple(self.buckets.pop(bucket))
        self.pending_bytes -= sum(sample.nbytes for sample in samples)
        oldest = self.oldest()
        pending = self.next_record if oldest is None else self.buckets[oldest][0].lineage.record
        batch = Batch(
            self.unit,
            self.index,
            samples,
            tuple(self.failures),
            Progress(self.next_record - self.first, self.byte_offset, pending, done),
        )
        self.failures = []
        self.index += 1
        return batch
