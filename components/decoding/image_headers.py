"""What the header of an encoded image claims, read without decoding a pixel.

PNG: the IHDR chunk. JPEG: the first start-of-frame marker, found as libjpeg finds it. BMP: the info header. GIF: the
descriptor of every frame, whose largest sizes TensorFlow's decoder takes for all of them. What TensorFlow's decoder
would misread is damaged here: compressed bitmaps, whose codes it takes for pixels, and a GIF whose frame stands beside
the corner, which it moves out of the picture.
"""

import struct
from typing import NamedTuple

PNG, JPEG, GIF, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"
_RIFF, _WEBP, _WEBP_ANIMATED = b"RIFF", b"WEBP", 0x02

_ALONE = {0x00, 0x01, *range(0xD0, 0xD8)}  # stuffed bytes, TEM and restarts have no length
_FRAME_STARTS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B
_BMP_INFO_BYTES = 40
_BMP_PLAIN = (0, 3)
"""Pixels as they are, and with masks that say which bits are which colour."""


class Claim(NamedTuple):
    """Sizes in pixels, and the number of frames of that size."""

    height: int
    width: int
    frames: int = 1


def claim(data: bytes) -> Claim | None:
    """What the header claims, None for a format other than PNG, JPEG, BMP and GIF.

    Raises:
        ValueError: if the file ends, or is damaged, before it has said.
    """
    readers = {PNG: _png, JPEG: _jpeg, GIF: _gif, BMP: _bmp}
    reader = next((read for magic, read in readers.items() if data.startswith(magic)), None)
    if reader is None:
        return None
    try:
        return reader(data)
    except (struct.error, IndexError) as error:
        msg = f"it ends after {len(data)} bytes, inside its header"
        raise ValueError(msg) from error


def _png(data: bytes) -> Claim:
    kind, width, height = struct.unpack_from(">4sII", data, 12)
    if kind != b"IHDR":
        msg = f"a PNG begins with the chunk IHDR, not {kind!r}"
        raise ValueError(msg)
    return Claim(height, width)


def _bmp(data: bytes) -> Claim:
    info, width, height = struct.unpack_from("<Iii", data, 14)
    if info < _BMP_INFO_BYTES:
        msg = f"the BMP has a header of {info} bytes, but only those of {_BMP_INFO_BYTES} and more can be decoded"
        raise ValueError(msg)
    compression = struct.unpack_from("<I", data, 30)[0]
    if compression not in _BMP_PLAIN:
        msg = f"the BMP is compressed (kind {compression}), which cannot be decoded"
        raise ValueError(msg)
    return Claim(abs(height), abs(width))  # a negative height stores the rows top down


def _jpeg(data: bytes) -> Claim:
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        while data[at] == 0xFF:  # noqa: PLR2004 - any number of these may come before a marker
            at += 1
        marker = data[at]
        at += 1
        if marker in _FRAME_STARTS:
            return Claim(*struct.unpack_from(">HH", data, at + 3))
        if marker in (_SCAN, _END):
            break
        if marker not in _ALONE:
            at += struct.unpack_from(">H", data, at)[0]
    msg = "there is no frame header in the JPEG"
    raise ValueError(msg)


def _gif(data: bytes) -> Claim:
    at = 13 + _colours(data[10])
    sizes = []
    while (block := data[at]) != _GIF_END:
        if block == _GIF_EXTENSION:
            at = _after_parts(data, at + 2)
        elif block == _GIF_IMAGE:
            left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if left or top:
                msg = f"the frame of the GIF stands at ({left}, {top}), not in the corner of its screen"
                raise ValueError(msg)
            sizes.append((height, width))
            at = _after_parts(data, at + 11 + _colours(flags))
        else:
            msg = f"the GIF has a block of the unknown kind {block} at byte {at}"
            raise ValueError(msg)
    if not sizes:
        msg = "there is no image in the GIF"
        raise ValueError(msg)
    return Claim(max(height for height, _ in sizes), max(width for _, width in sizes), len(sizes))


def webp(data: bytes) -> Claim | None:
    """What the header of a WebP claims, None for another format.

    Raises:
        ValueError: if the file ends, or is damaged, before it has said.
    """
    if data[:4] != _RIFF or data[8:12] != _WEBP:
        return None
    try:
        kind, at = data[12:16], 20
        if kind == b"VP8X":
            canvas = [int.from_bytes(data[at + place : at + place + 3], "little") + 1 for place in (7, 4)]
            animated = bool(data[at] & _WEBP_ANIMATED)
            return Claim(canvas[0], canvas[1], _webp_frames(data) if animated else 1)
        if kind == b"VP8L":
            bits = struct.unpack_from("<I", data, at + 1)[0]
            return Claim((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
        width, height = struct.unpack_from("<HH", data, at + 6)
    except (struct.error, IndexError) as error:
        msg = f"it ends after {len(data)} bytes, inside its header"
        raise ValueError(msg) from error
    return Claim(height & 0x3FFF, width & 0x3FFF)


def _webp_frames(data: bytes) -> int:
    at, frames = 12, 0
    while at + 8 <= len(data):
        frames += data[at : at + 4] == b"ANMF"
        length = struct.unpack_from("<I", data, at + 4)[0]
        at += 8 + length + length % 2
    return frames


def _colours(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_parts(data: bytes, at: int) -> int:
    """Where the parts of a block end: each begins with its length, the last has length 0."""
    while (length := data[at]) != 0:
        at += 1 + length
    return at + 1
