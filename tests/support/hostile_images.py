"""Image files made by hand, whose headers say one thing and whose pixels are another."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3
LARGE = 4000
"""A side of what a file hides behind a header of 5 x 7."""


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    """A chunk of a PNG."""
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def header(width: int, height: int, depth: int = 8, colour: int = PALETTE, crc: int | None = None) -> bytes:
    """The chunk IHDR."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0), crc)


def rows(row: bytes, count: int) -> bytes:
    """The chunk IDAT of equal rows without a filter."""
    return chunk(b"IDAT", zlib.compress((b"\0" + row) * count, 9))


COLOURS = chunk(b"PLTE", bytes(range(256)) * 3)
END = chunk(b"IEND", b"")
SMALL = rows(bytes([1]) * 7, 5)


def png(*chunks: bytes) -> bytes:
    """A PNG of these chunks."""
    return PNG_MAGIC + b"".join(chunks)


def saved(kind: str, size: tuple[int, int] = (7, 5), mode: str = "RGB", **options: Any) -> bytes:
    """A file as Pillow writes it, of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, 3).save(out, kind, **options)
    return out.getvalue()


def _frame_header(height: int, width: int) -> bytes:
    return b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])


def _after_frame_header(more: bytes) -> bytes:
    data = saved("JPEG")
    at = data.index(b"\xff\xc0") + 19
    return data[:at] + more + data[at:]


HIDDEN = rows(bytes([1]) * LARGE, LARGE)
_ONE_FRAME = chunk(b"acTL", struct.pack(">II", 1, 0))
_LARGE_FRAME = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, LARGE, LARGE, 0, 0, 1, 1, 0, 0))

PNGS = {
    "a second IHDR": png(header(7, 5), header(LARGE, LARGE), COLOURS, HIDDEN, END),
    "a second IHDR after PLTE": png(header(7, 5), COLOURS, header(LARGE, LARGE), HIDDEN, END),
    "a second IHDR between IDATs": png(header(7, 5), COLOURS, SMALL, header(LARGE, LARGE), HIDDEN, END),
    "a second IHDR of 16 bits": png(header(7, 5), header(7, 5, 16, GREY), COLOURS, rows(b"\1\3" * 7, 5), END),
    "a second IHDR of colours": png(header(7, 5), header(7, 5, 8, RGB), COLOURS, rows(bytes(21), 5), END),
    "a grey file with a second IHDR": png(header(7, 5, 8, GREY), header(LARGE, LARGE, 8, GREY), HIDDEN, END),
    "a grey file that becomes one of 16 bits": png(
        header(7, 5, 8, GREY), header(7, 5, 16, GREY), rows(b"\1\3" * 7, 5), END
    ),
    "a palette of 16 bits": png(header(7, 5, 16), COLOURS, rows(b"\1\3" * 7, 5), END),
    "a palette of 3 bits": png(header(7, 5, 3), COLOURS, SMALL, END),
    "an IHDR with a wrong checksum": png(header(7, 5, crc=5), COLOURS, SMALL, END),
    "a PLTE with a wrong checksum": png(header(7, 5), chunk(b"PLTE", bytes(12), 5), SMALL, END),
    "an IHDR of 14 bytes": png(
        chunk(b"IHDR", struct.pack(">IIBBBBBB", 7, 5, 8, PALETTE, 0, 0, 0, 0)), COLOURS, SMALL, END
    ),
    "no PLTE": png(header(7, 5), SMALL, END),
    "fewer rows than it says": png(header(7, 5), COLOURS, rows(bytes([1]) * 7, 3), END),
    "no IEND": png(header(7, 5), COLOURS, SMALL),
    "a cut IDAT": png(header(7, 5), COLOURS, SMALL[:-6]),
}
"""PNGs that are no mask and no image."""

ANIMATED = {
    "a frame that is larger": png(header(7, 5), COLOURS, _ONE_FRAME, _LARGE_FRAME, rows(bytes([1]) * 7, 5), END),
    "a count of no frames": png(header(7, 5), COLOURS, chunk(b"acTL", bytes(8)), SMALL, END),
}
"""PNGs whose chunks of an animation, which is not decoded, say something else than their headers."""

JPEGS = {
    "a second frame header": _after_frame_header(_frame_header(LARGE, LARGE)),
    "a second frame header at the end": saved("JPEG")[:-2] + _frame_header(LARGE, LARGE) + b"\xff\xd9",
    "a whole other JPEG after the frame header": _after_frame_header(saved("JPEG", (300, 300))),
    "two starts": b"\xff\xd8" + saved("JPEG"),
    "a height of 0, which a DNL marker says": _after_frame_header(b"").replace(
        struct.pack(">BHH", 8, 5, 7), struct.pack(">BHH", 8, 0, 7)
    )[:-2] + b"\xff\xdc\0\4" + struct.pack(">H", LARGE) + b"\xff\xd9",
    "12 bits": saved("JPEG").replace(struct.pack(">BHH", 8, 5, 7), struct.pack(">BHH", 12, 5, 7)),
}  # fmt: skip
"""JPEGs that are no image."""

_THUMBNAIL = b"Exif\0\0" + saved("JPEG", (300, 300))

SMALL_JPEGS = {
    "another JPEG behind it": saved("JPEG") + saved("JPEG", (300, 300)),
    "a thumbnail inside": b"\xff\xd8\xff\xe1" + struct.pack(">H", len(_THUMBNAIL) + 2) + _THUMBNAIL + saved("JPEG")[2:],
    "a frame header in a comment": b"\xff\xd8\xff\xfe\0\x15" + _frame_header(LARGE, LARGE) + saved("JPEG")[2:],
    "a DNL marker of another height": saved("JPEG")[:-2] + b"\xff\xdc\0\4" + struct.pack(">H", LARGE) + b"\xff\xd9",
}
"""JPEGs that are images of 5 x 7, whatever else is in them."""


def bmp(width: int, height: int, bits: int, compression: int, pixels: bytes, head: int = 40) -> bytes:
    """A bitmap with an info header and without colours."""
    info = struct.pack("<IiiHHIIiiII", head, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + info + pixels


BMPS = {
    "RLE, whose codes would be taken for pixels": bmp(7, 5, 8, 1, bytes(range(40))),
    "RLE of 4 bits": bmp(7, 5, 8, 2, bytes(range(40))),
    "a JPEG in it": bmp(7, 5, 8, 4, bytes(range(40))),
    "a header of 12 bytes": b"BM" + struct.pack("<IHHIIHHHH", 146, 0, 0, 26, 12, 7, 5, 1, 24) + bytes(120),
    "a negative width": bmp(-7, 5, 24, 0, bytes(120)),
    "fewer rows than it says": bmp(7, 5, 24, 0, bytes(100)),
}  # fmt: skip


def _gif(screen: tuple[int, int], at: tuple[int, int]) -> bytes:
    data = saved("GIF", mode="L")
    place = data.index(b"\x2c\0\0\0\0")
    return data[:6] + struct.pack("<HH", *screen) + data[10 : place + 1] + struct.pack("<HH", *at) + data[place + 5 :]


GIFS = {
    "a frame beside its corner": _gif((60, 60), (3, 2)),
    "a frame far outside of the screen": _gif((7, 5), (50000, 50000)),
}
"""GIFs whose pixels the decoder would move out of the picture."""

WEBP = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xfe\xbf\xff\x0f" + bytes(9)
"""Claims 16,383 x 16,383 pixels in 38 bytes."""
