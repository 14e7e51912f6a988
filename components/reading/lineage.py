"""Single records read again from their shards, by where the tables say they are."""

import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

from apache_beam.io.filesystem import BeamIOError

from ...schemas.records import Failure, Lineage, Record
from ..storage import filesystems
from . import tfrecord


def read(places: Iterable[Lineage]) -> dict[Lineage, Record | str]:
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
