"""SplitShards: shards to units, which are what is spread over the workers: a large shard becomes several ranges.

Contract: the units of a shard tile it, and depend on nothing but its bytes and the setting it was begun with.
"""

from collections.abc import Iterator

import apache_beam as beam

from ...schemas.errors import StorageError
from ...schemas.shards import OpenShard, Unit
from ..storage import filesystems
from . import shard_index


def units(opened: OpenShard, split_bytes: int) -> list[Unit]:
    """What is still to be scored of a shard. A shard that was begun is cut as it was then, whatever the setting is now.

    Raises:
        TablesError: if it was begun and is another one now. StorageError: if it cannot be read.
    """
    shard = opened.shard
    begun_with = opened.scored[0].split_bytes if opened.scored else split_bytes
    if not shard_index.is_cut(shard, begun_with):
        return [shard]
    try:
        with filesystems.reading(shard.path) as file:
            found = shard_index.ranges(file, shard.size_bytes, begun_with)
    except OSError as error:
        msg = f"the shard {shard.path} cannot be read: {error}. It is not scored; run again with the same --run-id"
        raise StorageError(msg) from error
    return shard_index.units(opened, found)


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
        return shards | "SpreadShards" >> beam.Reshuffle() | "CutShard" >> beam.ParDo(_SplitShard(self._split_bytes))
