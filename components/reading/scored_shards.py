"""Whether the shards of a run are still those that its sample files were made of."""

from collections.abc import Iterable, Mapping, Sequence

from ...schemas.errors import StorageError, TablesError
from ...schemas.shards import Shard, ShardRange, Unit
from ..runs import run_files, shard_ranges
from ..runs.shard_records import ShardRecord
from ..runtime import prefetch
from ..storage import versions
from . import shard_content

_READERS = 8


def check(said: Iterable[tuple[str, Sequence[ShardRecord]]], by_hash: Mapping[str, Shard], *, contents: bool) -> None:
    """Hold shards against what sample files say of them.

    Args:
        said: of each sample file, its path and the records of its units.
        by_hash: the shards as they are now, by the hash of their paths; those of all units are among them.
        contents: whether records are read again of a shard that may have been written anew since, with as many bytes.

    Raises:
        TablesError: if a shard is another one now than when it was scored.
    """
    doubtful: list[tuple[str, Unit, str | None]] = []
    for path, records in said:
        for record in records:
            shard = by_hash[run_files.path_hash(record.shard)]
            if record.size_bytes != shard.size_bytes:
                msg = f"{shard.path} had {record.size_bytes} bytes when it was scored and has {shard.size_bytes} now"
                raise TablesError(f"{msg}; {_otherwise(path)}")
            if contents and not versions.certainly_same(record.version or "", shard.version):
                unit = ShardRange(shard, record.range) if record.range else shard
                doubtful.append((path, unit, record.content))
    digests = prefetch.ordered_map(
        _digest, [unit for _, unit, _ in doubtful], threads=_READERS, ahead=_READERS, name="compare"
    )
    for (path, unit, content), now in zip(doubtful, digests, strict=True):
        if content != now:
            msg = f"{unit.name} was written anew since it was scored, with as many bytes and other records"
            raise TablesError(f"{msg}; {_otherwise(path)}")


def _digest(unit: Unit) -> str:
    """The digest of a unit; of a range that no longer ends where records end, the words that say so."""
    try:
        return shard_content.digest(unit)
    except StorageError as error:
        if unit.range is None:
            raise
        return str(error)


def _otherwise(path: str) -> str:
    return f"use another --run-id, or delete {shard_ranges.every(path)} to score it again"
