"""The chunks of a PNG, and a palette file as the grey file of its indexes.

The pixels of a palette PNG are stored like those of a grey one of the same depth: one number each. So where the header
says grey, and nothing but header and pixels is left, the strict decoder that reads all other files reads the indexes
too, and refuses what is damaged, cut, or has a second header.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from .image_headers import PNG

_HEADER, _COLOURS, _END = b"IHDR", b"PLTE", b"IEND"
_COLOUR_TYPE = 9
"""Byte of the header's data that says how colours are stored."""
_GREY = b"\0"
_MAX_COLOUR_BYTES = 3 << 8
_OPTIONAL = 0x20
"""Bit of a chunk's first letter: a decoder need not know it."""


class Chunk(NamedTuple):
    """kind, data and checksum of a chunk, as they stand in the file."""

    kind: bytes
    data: bytes
    checksum: int

    def whole(self) -> bytes:
        """The chunk as it stands in a file."""
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", self.checksum)


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG up to its last.

    Raises:
        ValueError: if the file ends before that.
    """
    at, kind = len(PNG), b""
    while kind != _END:
        if at + 12 > len(data):
            msg = f"it ends after {len(data)} bytes, before its last chunk"
            raise ValueError(msg)
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            msg = f"it ends after {len(data)} bytes, inside the chunk {kind!r}"
            raise ValueError(msg)
        yield Chunk(kind, data[at + 8 : end], struct.unpack_from(">I", data, end)[0])
        at = end + 4


def grey_of_indexes(data: bytes) -> bytes:
    """A grey PNG whose values are the indexes of a palette PNG.

    What is optional is left out; of what is not, the decoder judges all but the colours, which go as well.

    Raises:
        ValueError: if the file ends early, has no colours, or its header or colours are damaged.
    """
    colours = 0
    kept = [PNG]
    for place, chunk in enumerate(chunks(data)):
        if place == 0:
            _check(chunk)
            grey = chunk.data[:_COLOUR_TYPE] + _GREY + chunk.data[_COLOUR_TYPE + 1 :]
            chunk = Chunk(chunk.kind, grey, zlib.crc32(chunk.kind + grey))  # noqa: PLW2901 - the header, changed
        if chunk.kind == _COLOURS:
            _check(chunk)
            if len(chunk.data) % 3 or not 0 < len(chunk.data) <= _MAX_COLOUR_BYTES:
                msg = f"its palette has {len(chunk.data)} bytes, which are not 1 to 256 colours of 3"
                raise ValueError(msg)
            colours += 1
        elif not chunk.kind[0] & _OPTIONAL:
            kept.append(chunk.whole())
    if colours != 1:
        msg = f"expected one palette, but it has {colours}"
        raise ValueError(msg)
    return b"".join(kept)


def _check(chunk: Chunk) -> None:
    if zlib.crc32(chunk.kind + chunk.data) != chunk.checksum:
        msg = f"the checksum of the chunk {chunk.kind!r} does not match"
        raise ValueError(msg)
