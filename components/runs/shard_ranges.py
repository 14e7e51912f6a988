"""Ranges of shards as units of commit: their names, and whether the ranges of a shard are all of it."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from ...schemas.shards import ByteRange

_DIGITS = 14
"""Files below 100 TB have names of one length, which sort as their bytes do."""
_NAME = re.compile(r".*-([0-9a-f]{32})(?:\.(\d+)-(\d+))?\.parquet")


class Span(NamedTuple):
    """Bytes of a shard that a sample file holds, by the file's name; `end` is None for all of the shard."""

    start: int
    end: int | None
    file_name: str

    def to(self, size_bytes: int) -> int:
        """Its end, in a shard of so many bytes."""
        return size_bytes if self.end is None else self.end


class Piece(Protocol):
    """The accounting of a unit."""

    @property
    def shard(self) -> str:
        """Path of the input file."""

    @property
    def size_bytes(self) -> int:
        """Size of the whole input file."""

    @property
    def records(self) -> int:
        """Records of the unit."""

    @property
    def range(self) -> ByteRange | None:
        """None for a whole shard."""


def suffix(part: ByteRange) -> str:
    """What tells the file of a range from that of the whole shard."""
    return f".{part.start:0{_DIGITS}d}-{part.end:0{_DIGITS}d}"


def every(path: str) -> str:
    """What matches the sample files of all ranges of a shard, by the path of one of them; another path as it is."""
    found = of_name(path.rpartition("/")[2])
    if found is None or found[1].end is None:
        return path
    return f"{path.rpartition(found[0])[0]}{found[0]}.*.parquet"


def of_name(file_name: str) -> tuple[str, Span] | None:
    """The hash of the shard's path and what of the shard a sample file holds; None for one of several units."""
    found = _NAME.fullmatch(file_name)
    if found is None:
        return None
    digest, start, end = found.groups()
    return digest, Span(int(start or 0), None if end is None else int(end), file_name)


def gaps(spans: Iterable[Span], size_bytes: int) -> list[tuple[int, int]]:
    """The bytes of a shard that no span has, as starts and ends."""
    places = [(0, 0), *sorted((span.start, span.to(size_bytes)) for span in spans), (size_bytes, size_bytes)]
    return [(end, start) for (_, end), (start, _) in pairwise(places) if end < start]


def overlap(spans: Iterable[Span], size_bytes: int) -> tuple[Span, Span] | None:
    """Two spans that share bytes, if there are any; all of a shard overlaps any other."""
    ordered = sorted(spans, key=lambda span: (span.start, span.to(size_bytes)))
    return next(((a, b) for a, b in pairwise(ordered) if b.start < a.to(size_bytes) or a.end is None), None)


def order(piece: Piece) -> tuple[str, int]:
    """Units in the order of their rows."""
    return piece.shard, piece.range.start if piece.range else 0


def count_whole(pieces: Iterable[Piece]) -> int:
    """How many shards are there whole: every byte in one unit, and their records numbered through."""
    by_shard: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_shard.setdefault(piece.shard, []).append(piece)
    return sum(_is_whole(sorted(found, key=order)) for found in by_shard.values())


def _is_whole(pieces: Sequence[Piece]) -> bool:
    if pieces[0].range is None:
        return len(pieces) == 1
    byte = record = 0
    for piece in pieces:
        part = piece.range
        if part is None or (part.start, part.first_record) != (byte, record):
            return False
        byte, record = part.end, record + piece.records
    return byte == pieces[0].size_bytes


def begins(piece: Piece) -> bool:
    """Whether a unit is a whole shard, or the first range of one: there is one for each shard."""
    return piece.range is None or piece.range.start == 0


def seam(piece: Piece) -> int:
    """A number for the end of a unit less one for its start; begin and end of a file have the same.

    Over the ranges of a shard these cancel where each begins, byte and record, where another ends, so whatever the
    order they are added in, the sum is 0 if they are the whole shard. Otherwise it is not, but for one case in 2^64.
    """
    part = piece.range
    if part is None:
        return 0
    return _place(piece, part.end, part.first_record + piece.records) - _place(piece, part.start, part.first_record)


def _place(piece: Piece, byte: int, record: int) -> int:
    inside = f"{byte}\0{record}" if 0 < byte < piece.size_bytes else ""
    text = f"{piece.shard}\0{inside}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
