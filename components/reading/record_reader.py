"""The records of a unit, a shard or a range of one; and single records, by where the tables say they are.

Checksums are checked.
"""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError

from ...schemas.errors import StorageError
from ...schemas.records import Failure, Lineage, Record
from ...schemas.shards import Unit
from ..storage import filesystems, listed_files
from . import tfrecord


def with_bytes_left(failure: Failure, shard: Unit) -> Failure:
    """A failure that ends a shard, with how much of the file that is; a gzip file does not say."""
    if not failure.ends_shard or shard.path.endswith(".gz"):
        return failure
    left = shard.size_bytes - failure.lineage.byte_offset
    return replace(failure, message=f"{failure.message}: {left:,} of {shard.size_bytes:,} bytes")


def read(unit: Unit) -> Iterator[Record | Failure]:
    """Every record of the unit, in order; one that cannot be read is a failure.

    Raises:
        StorageError: if the file cannot be read, or is not the one that was listed, when it is opened and after its
            last record: what came before that may be of two versions.
    """
    try:
        with listed_files.reading(unit.file) as file:
            for item in _framed(file, unit):
                yield with_bytes_left(item, unit) if isinstance(item, Failure) else item
    except OSError as error:
        msg = f"the shard {unit.path} cannot be read: {error}. It is not scored; run again with the same --run-id"
        raise StorageError(msg) from error


def data_bytes(record: Record | Failure) -> int:
    """Bytes of a record, none of one that could not be read."""
    return len(record.data) if isinstance(record, Record) else 0


def _framed(file: BinaryIO, unit: Unit) -> Iterator[Record | Failure]:
    if unit.range is None:
        size = None if unit.path.endswith(".gz") else unit.size_bytes
        return tfrecord.records(file, unit.path, size_bytes=size)
    return tfrecord.records_of_range(file, unit.path, unit.range, unit.size_bytes)


def read_places(places: Iterable[Lineage]) -> dict[Lineage, Record | str]:
    """The record at each place, or in words why there is none; each shard is opened once.

    Offsets are those of the uncompressed bytes, so in a gzip shard all that comes before is decompressed.
    """
    ordered = sorted(set(places), key=lambda place: (place.shard, place.byte_offset))
    found: dict[Lineage, Record | str] = {}
    for shard, of_shard in groupby(ordered, key=lambda place: place.shard):
        wanted = list(of_shard)
        with suppress(_Unreadable):
            _read_shard(shard, wanted, found)
        for place in wanted:
            found.setdefault(place, _why(shard))
    return found


class _Unreadable(Exception):  # noqa: N818 - it never leaves this file
    pass


def _read_shard(shard: str, wanted: list[Lineage], found: dict[Lineage, Record | str]) -> None:
    try:
        with filesystems.reading(shard) as file:
            for place in wanted:
                file.seek(place.byte_offset)
                item = next(tfrecord.records(file, shard), None)
                found[place] = _checked(item, place)
    except (OSError, BeamIOError, EOFError, ValueError, zlib.error) as error:
        raise _Unreadable from error


def _checked(item: Record | Failure | None, place: Lineage) -> Record | str:
    if item is None:
        return f"the shard ends before byte {place.byte_offset:,}: it has changed since it was scored"
    if isinstance(item, Failure):
        return f"there is no whole record at byte {place.byte_offset:,}: the shard has changed since it was scored"
    return replace(item, lineage=place, end=item.end + place.byte_offset)


def _why(shard: str) -> str:
    try:
        there = filesystems.exists(shard)
    except (OSError, BeamIOError, ValueError):
        there = True
    return "the shard cannot be read now" if there else "the shard is not there any more"
