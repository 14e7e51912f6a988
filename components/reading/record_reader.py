"""The records of a unit: a shard, or a range of one. Checksums are checked."""

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

from ...schemas import records
from ...schemas.errors import StorageError
from ...schemas.records import Failure
from ...schemas.shards import Unit
from ..storage import filesystems
from . import tfrecord


def with_bytes_left(failure: Failure, shard: Unit) -> Failure:
    """A failure that ends a shard, with how much of the file that is; a gzip file does not say."""
    if not failure.ends_shard or shard.path.endswith(".gz"):
        return failure
    left = shard.size_bytes - failure.lineage.byte_offset
    return dataclasses.replace(failure, message=f"{failure.message}: {left:,} of {shard.size_bytes:,} bytes")


def read(unit: Unit) -> Iterator[records.Record | Failure]:
    """Every record of the unit, in order; one that cannot be read is a failure.

    Raises:
        StorageError: if the file cannot be read.
    """
    try:
        with filesystems.reading(unit.path) as file:
            for item in _framed(file, unit):
                yield with_bytes_left(item, unit) if isinstance(item, Failure) else item
    except OSError as error:
        msg = f"the shard {unit.path} cannot be read: {error}. It is not scored; run again with the same --run-id"
        raise StorageError(msg) from error


def _framed(file: BinaryIO, unit: Unit) -> Iterator[records.Record | Failure]:
    if unit.range is None:
        return tfrecord.records(file, unit.path)
    return tfrecord.records_of_range(file, unit.path, unit.range, unit.size_bytes)
