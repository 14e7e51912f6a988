"""SplitShards: shards to units, which are what is spread over the workers: a large shard becomes several ranges.

Contract: the units of a shard tile it, and depend on nothing but its bytes and the setting it was begun with.

A TFRecord has no index, and a place in its midst does not say which record it is of. So record boundaries are found by
going from header to header, beginning with the first one, without reading the data.
"""

from collections.abc import Iterator
from typing import BinaryIO

import apache_beam as beam

from ...schemas.errors import StorageError, TablesError
from ...schemas.shards import ByteRange, OpenShard, Shard, ShardRange, Unit
from ..storage import listed_files
from . import tfrecord

MAX_RANGES = 10_000
"""Ranges of one shard; each is a file."""


def is_cut(shard: Shard, split_bytes: int) -> bool:
    """Whether a shard may be cut; a gzip file can only be read from its start."""
    return shard.size_bytes > split_bytes and not shard.path.endswith(".gz")


def ranges(file: BinaryIO, size_bytes: int, split_bytes: int) -> list[ByteRange]:
    """The ranges of a file, about equally long: each begins at the first record at or after its share of the bytes.

    Args:
        file: open at any place; of its data nothing is read but what its buffer takes along with a header.
        size_bytes: of the file.
        split_bytes: there are `size_bytes / split_bytes` ranges, rounded up; fewer where records are larger than that.

    Returns:
        Ranges that tile the file, each with at least one record; one for a file that is not cut. What cannot be
        followed, a damaged header or a record that is cut off, and all that comes after, is in the last one.
    """
    count = min(-(-size_bytes // split_bytes), MAX_RANGES)
    starts, offset, record = [(0, 0)], 0, 0
    wanted = iter([place * size_bytes // count for place in range(1, count)])
    target = next(wanted, None)
    while target is not None:
        file.seek(offset)
        end = tfrecord.record_end(file.read(tfrecord.HEADER_BYTES), offset)
        if end is None or end > size_bytes:
            break
        if offset >= target:
            starts.append((offset, record))
            target = next((place for place in wanted if place > offset), None)
        offset, record = end, record + 1
    ends = [*(start for start, _ in starts[1:]), size_bytes]
    return [ByteRange(start, end, first, split_bytes) for (start, first), end in zip(starts, ends, strict=True)]


def left_to_score(opened: OpenShard, found: list[ByteRange]) -> list[Unit]:
    """What is still to be scored of a shard, by the ranges that it is found to have now.

    Raises:
        TablesError: if what is scored already is none of them: the file is another one now.
    """
    strange = next((part for part in opened.scored if part not in found), None)
    if strange is not None:
        msg = (
            f"{opened.shard.path} has changed since it was begun: bytes {strange.start:,} to {strange.end:,} were "
            f"scored from record {strange.first_record:,} on, and there are no such limits of records now; use another "
            "--run-id, or delete its sample files to score it again"
        )
        raise TablesError(msg)
    if len(found) == 1 and not opened.scored:
        return [opened.shard]
    return [ShardRange(opened.shard, part) for part in found if part not in opened.scored]


def units(opened: OpenShard, split_bytes: int) -> list[Unit]:
    """What is still to be scored of a shard. A shard that was begun is cut as it was then, whatever the setting is now.

    Raises:
        TablesError: if it was begun and is another one now. StorageError: if it cannot be read, or is not the one that
            was listed.
    """
    shard = opened.shard
    begun_with = opened.scored[0].split_bytes if opened.scored else split_bytes
    if not is_cut(shard, begun_with):
        return [shard]
    try:
        with listed_files.reading(shard.file) as file:
            found = ranges(file, shard.size_bytes, begun_with)
    except OSError as error:
        msg = f"the shard {shard.path} cannot be read: {error}. It is not scored; run again with the same --run-id"
        raise StorageError(msg) from error
    return left_to_score(opened, found)


class _SplitShard(beam.DoFn):
    def __init__(self, split_bytes: int) -> None:
        self._split_bytes = split_bytes

    def process(self, opened: OpenShard) -> Iterator[Unit]:
        yield from units(opened, self._split_bytes)


class SplitShards(beam.PTransform):
    """Shards that are not scored whole to the units that are still to be scored."""

    def __init__(self, split_bytes: int) -> None:
        super().__init__()
        self._split_bytes = split_bytes

    def expand(self, shards: beam.PCollection[OpenShard]) -> beam.PCollection[Unit]:
        """Index where the shard lands: an index takes a request for each buffer's worth of headers, on one worker."""
        return shards | "SpreadShards" >> beam.Reshuffle() | "SplitShard" >> beam.ParDo(_SplitShard(self._split_bytes))
