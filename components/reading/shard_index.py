"""Where a shard can be cut: record boundaries, found by going from header to header without reading the data.

A TFRecord has no index, and a place in its midst does not say which record it is of, so the headers are followed from
the first one. The cut depends on nothing but the file and the setting.
"""

from typing import BinaryIO

from ...schemas.errors import TablesError
from ...schemas.shards import ByteRange, OpenShard, Shard, ShardRange, Unit
from . import tfrecord

MAX_RANGES = 10_000
"""Of one shard; each is a file."""


def is_cut(shard: Shard, split_bytes: int) -> bool:
    """Whether a shard is worth a look; a gzip file can be read from its begin alone."""
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


def units(opened: OpenShard, found: list[ByteRange]) -> list[Unit]:
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
