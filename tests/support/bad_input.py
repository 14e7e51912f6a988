"""The catalogue of bad input: what a record or a shard can be, and what must become of it.

`RECORDS` and `RAW_RECORDS` stand between good neighbours of their shard; `SHARDS` are whole files. The limits are small
(`MAX_PIXELS`), so that the bombs can be what they claim to be in a header and nowhere else.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from PIL import Image

from dicebeam.components.reading import tfrecord
from tests.support.builders import example_of, png, sample

CLASSES = ("ground", "leaf", "stem")
SIZE = (6, 5)
MAX_PIXELS = 1 << 20
RAISES, IS_NAN = 77, 78
"""Images of this one value make the test's model raise an error, or give NaN."""
BOMB = 60_000

IMAGE_KEY, MASK_KEY = "image/encoded", "image/segmentation/class/encoded"
_RNG = np.random.default_rng(5)
IMAGE = _RNG.integers(0, 256, (*SIZE, 3), np.uint8)
MASK = _RNG.integers(0, 3, SIZE).astype(np.uint8)


@dataclass(frozen=True)
class Bad:
    """A record that fails, and what its row of `failures` says."""

    data: bytes
    stage: str
    message: str
    error: str = "SampleError"
    sample_id: str | None = "odd"
    """How the id in the row ends; None where it could not be read."""


@dataclass(frozen=True)
class Odd:
    """A record that is scored, with the numbers of another way of writing the same."""

    data: bytes
    twin: bytes


def record(image: Any = IMAGE, mask: Any = MASK, name: Any = "odd", **more: Any) -> bytes:
    return sample(image, mask, name, **more)


def without(key: str, **instead: Any) -> bytes:
    features = {IMAGE_KEY: png(IMAGE), MASK_KEY: png(MASK), "image/filename": "odd"}
    del features[key]
    return example_of({**features, **{name.replace("__", "/"): value for name, value in instead.items()}})


# images


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming_png(height: int, width: int, colour: int = 2) -> bytes:
    """A small PNG that claims a size."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    palette = _chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    pixels = _chunk(b"IDAT", zlib.compress(bytes(1 << 16)))
    return b"\x89PNG\r\n\x1a\n" + header + palette + pixels + _chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def claiming(kind: str, height: int = BOMB, width: int = BOMB) -> bytes:
    """A small JPEG, GIF or BMP that claims a size."""
    data = encoded(Image.fromarray(IMAGE), kind)
    if kind == "JPEG":
        at, sizes = data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width)
    elif kind == "GIF":
        at, sizes = data.index(b"\x2c\0\0\0\0") + 5, struct.pack("<HH", width, height)
    else:
        at, sizes = 18, struct.pack("<ii", width, height)
    return data[:at] + sizes + data[at + len(sizes) :]


def animation(frames: int) -> bytes:
    pictures = [Image.fromarray(np.full(SIZE, 40 * i, np.uint8)) for i in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def palette_mask(mask: Any) -> bytes:
    image = Image.fromarray(np.asarray(mask, np.uint8), "P")
    image.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200, *[7] * 24])
    return encoded(image, "PNG")


CMYK = encoded(Image.fromarray(IMAGE).convert("CMYK"), "JPEG")
JPEG = encoded(Image.fromarray(IMAGE), "JPEG")
DAMAGED_PNG = png(IMAGE)[:45] + b"\xff\xff" + png(IMAGE)[47:]
ONE_PIXEL = np.array([[[9, 8, 7]]], np.uint8)

# unpacked lists, which tfrecord-lite reads wrongly


def _delimited(field: int, payload: bytes) -> bytes:
    size, length = len(payload), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([field << 3 | 2]) + length + bytes([size]) + payload


def unpacked(key: str, values: Any) -> bytes:
    """A feature of a tf.Example, to append to a record: int64s or floats, each with a tag of its own."""
    if isinstance(values[0], float):
        kind, numbers = 2, b"".join(b"\x0d" + struct.pack("<f", value) for value in values)
    else:
        kind, numbers = 3, b"".join(b"\x08" + bytes([value]) for value in values)
    feature = _delimited(kind, numbers)
    return _delimited(1, _delimited(1, _delimited(1, key.encode()) + _delimited(2, feature)))


_MISSING = r"expected the feature '{}', but it is missing or empty; the record has: "
_OVER = rf"claims {BOMB} x {BOMB} = 3,600,000,000 pixels, but max_pixels is 1,048,576; it was not decoded$"

RECORDS: dict[str, Bad | Odd] = {
    # not what a record should be
    "no-example": Bad(b"what?", "read", r"^the record \(5 bytes\) is not a tf.Example: ", sample_id=None),
    "no-bytes": Bad(b"", "read", _MISSING.format(MASK_KEY) + "no features", sample_id="/no-bytes#1"),
    "image-missing": Bad(without(IMAGE_KEY), "read", _MISSING.format(IMAGE_KEY) + "image/filename, image/seg"),
    "mask-missing": Bad(without(MASK_KEY), "read", _MISSING.format(MASK_KEY) + "image/encoded, image/filename"),
    "mask-misnamed": Bad(without(MASK_KEY, mask=png(MASK)), "read", _MISSING.format(MASK_KEY) + ".*, mask$"),
    "image-of-numbers": Bad(without(IMAGE_KEY, image__encoded=[1, 2]), "read", "one byte string .* holds 2 int64 val"),
    "mask-of-floats": Bad(
        without(MASK_KEY, image__segmentation__class__encoded=[0.5]), "read", "one byte string in .* 1 float32 values"
    ),
    "image-list-empty": Bad(
        without(IMAGE_KEY) + _delimited(1, _delimited(1, _delimited(1, IMAGE_KEY.encode()) + _delimited(2, b"\x0a\0"))),
        "read",
        _MISSING.format(IMAGE_KEY),
    ),
    "two-images": Bad(
        without(IMAGE_KEY, image__encoded=[png(IMAGE)] * 2),
        "read",
        f"one byte string in '{IMAGE_KEY}', but it holds 2$",
    ),
    "two-masks": Bad(
        without(MASK_KEY, image__segmentation__class__encoded=[png(MASK)] * 2), "read", "one byte string in .* holds 2$"
    ),
    "two-ids": Bad(
        record(name=["a", "b"]), "read", "expected one value in 'image/filename', but it holds 2", sample_id=None
    ),
    "two-sites": Bad(record(site=["a", "b"]), "read", "expected one value in 'site', but it holds 2"),
    "two-sites-unpacked": Bad(record() + unpacked("site", [3, 4]), "read", "one value in 'site', but it holds 2"),
    "two-sites-unpacked-floats": Bad(record() + unpacked("site", [3.0, 4.0]), "read", "in 'site', but it holds 2"),
    "site-unpacked": Odd(record() + unpacked("site", [3]), record(site=3)),
    # images
    "image-empty": Bad(record(b""), "decode", "expected a PNG, JPEG, BMP or GIF file, but there are no bytes"),
    "image-text": Bad(record(b"hello"), "decode", r"expected a PNG, .* but the 5 bytes begin with b'hello'"),
    "image-cut": Bad(record(png(IMAGE)[:60]), "decode", r"^the image \(60 bytes\) cannot be decoded: "),
    "image-damaged": Bad(record(DAMAGED_PNG), "decode", r"^the image \(\d+ bytes\) cannot be decoded: "),
    "jpeg-cut": Bad(record(JPEG[:-40]), "decode", r"^the image \(\d+ bytes\) cannot be decoded: "),
    "gif-cut": Bad(record(animation(1)[:-9]), "decode", "cannot be decoded: it ends after .* inside its header"),
    "gif-animated": Bad(record(animation(3)), "decode", r"expected one image, but the GIF is animated \(3 frames\)"),
    "image-of-0-x-0": Bad(record(claiming_png(0, 0)), "decode", r"^the image has no pixels \(0 x 0\)$"),
    "image-of-1-x-1": Bad(record(ONE_PIXEL), "decode", "the image is 1 x 1 but its mask is 6 x 5"),
    "both-of-1-x-1": Odd(record(ONE_PIXEL, [[1]]), record(encoded(Image.fromarray(ONE_PIXEL), "BMP"), [[1]])),
    "bomb-png": Bad(record(claiming_png(BOMB, BOMB)), "decode", "^the image " + _OVER),
    "bomb-jpeg": Bad(record(claiming("JPEG")), "decode", "^the image " + _OVER),
    "bomb-gif": Bad(record(claiming("GIF")), "decode", "^the image " + _OVER),
    "bomb-bmp": Bad(record(claiming("BMP")), "decode", "^the image " + _OVER),
    "image-cmyk": Odd(record(CMYK), record(tf.io.decode_jpeg(CMYK, 3).numpy())),
    "image-alpha": Odd(record(np.dstack([IMAGE, 90 + MASK])), record()),
    "image-16-bit": Odd(record(IMAGE.astype(np.uint16) * 257), record()),
    "image-grey": Odd(record(IMAGE[..., 0]), record(np.repeat(IMAGE[..., :1], 3, -1))),
    # masks
    "mask-unmapped": Bad(record(mask=MASK + 5), "mask", r"^the mask holds 5, 6, 7; expected class ids 0 to 2"),
    "mask-palette": Odd(record(mask=palette_mask(MASK)), record()),
    "mask-palette-unmapped": Bad(record(mask=palette_mask(MASK + 2)), "mask", r"^the mask holds 3, 4; expected class"),
    "mask-palette-cut": Bad(record(mask=palette_mask(MASK)[:-30]), "mask", "^the palette PNG cannot be decoded: "),
    "mask-16-bit": Odd(record(mask=MASK.astype(np.uint16)), record()),
    "mask-16-bit-unmapped": Bad(record(mask=MASK.astype(np.uint16) + 300), "mask", "^the mask holds 300, 301, 302; "),
    "mask-of-another-size": Bad(record(mask=MASK[:3]), "decode", "the image is 6 x 5 but its mask is 3 x 5"),
    "mask-transposed": Bad(record(mask=MASK.T), "decode", "the image is 6 x 5 but its mask is 5 x 6"),
    "mask-of-colours": Bad(record(mask=IMAGE), "mask", r"one channel, but it has the shape \[6, 5, 3\]"),
    "mask-with-alpha": Bad(record(mask=np.dstack([MASK, MASK])), "mask", r"but it has the shape \[6, 5, 2\]"),
    "mask-jpeg": Bad(record(mask=JPEG), "mask", "expected a PNG mask, .* JPEG is lossy and blurs class ids"),
    "mask-empty": Bad(record(mask=b""), "mask", "expected a PNG mask, but the 0 bytes"),
    "mask-cut": Bad(record(mask=png(MASK)[:40]), "mask", "^the mask cannot be decoded: "),
    "mask-cut-in-header": Bad(record(mask=png(MASK)[:20]), "mask", "the PNG ends after 20 bytes, inside its header"),
    "mask-of-0-x-0": Bad(record(mask=claiming_png(0, 0, 0)), "mask", r"^the mask has no pixels \(0 x 0\)$"),
    "mask-bomb": Bad(record(mask=claiming_png(BOMB, BOMB, 0)), "mask", "^the mask " + _OVER),
    "mask-bomb-palette": Bad(record(mask=claiming_png(BOMB, BOMB, 3)), "mask", "^the mask " + _OVER),
    # the model
    "model-raises": Bad(
        record(np.full_like(IMAGE, RAISES)), "model", "^the model failed: .*cursed image", "InvalidArgumentError"
    ),
    "model-gives-nan": Bad(
        record(np.full_like(IMAGE, IS_NAN)), "model", "output has NaN or infinite values for this sa"
    ),
}

# raw tensors

PIXELS = _RNG.normal(0.5, 0.2, (*SIZE, 3)).astype("<f4")
RAW_FEATURES = {
    "image": {"key": "pixels", "shape": "shape", "dtype": "float32"},
    "mask": {"key": "ids", "shape": "ids/shape", "dtype": "float32"},
    "sample_id": "name",
}


def raw(drop: str = "", **instead: Any) -> bytes:
    features = {
        "pixels": PIXELS.tobytes(), "shape": [*SIZE, 3], "ids": [float(v) for v in MASK.ravel()],
        "ids/shape": list(SIZE), "name": "odd", **{key.replace("__", "/"): value for key, value in instead.items()},
    }  # fmt: skip
    return example_of({key: value for key, value in features.items() if key != drop})


def _pixels(value: float) -> bytes:
    return np.where(np.arange(PIXELS.size).reshape(PIXELS.shape) == 4, np.float32(value), PIXELS).tobytes()


_NO_NUMBER = "output has NaN or infinite values for this sample"
_FLOATS = [float(value) for value in PIXELS.ravel()]

RAW_RECORDS: dict[str, Bad | Odd] = {
    "raw-nan": Bad(raw(pixels=_pixels(np.nan)), "model", _NO_NUMBER),
    "raw-infinite": Bad(raw(pixels=_pixels(np.inf)), "model", _NO_NUMBER),
    "raw-mask-nan": Bad(raw(ids=[np.nan] * MASK.size), "mask", "'ids', but it holds values that are no whole numbers"),
    "raw-mask-half": Bad(raw(ids=[0.5] * MASK.size), "mask", "'ids', but it holds values that are no whole numbers"),
    "raw-mask-unmapped": Bad(raw(ids=[7.0] * MASK.size), "mask", r"^the mask holds 7; expected class ids 0 to 2"),
    "raw-too-short": Bad(raw(pixels=PIXELS.tobytes()[:-1]), "read", r"float32 needs 360 bytes, but has 359"),
    "raw-too-few": Bad(raw(ids=[0.0]), "read", r"'ids' of shape \[6, 5\] needs 30 values, but has 1"),
    "raw-two-strings": Bad(raw(pixels=[PIXELS.tobytes()] * 2), "read", "one byte string in 'pixels', but it holds 2"),
    "raw-shape-missing": Bad(raw("shape"), "read", _MISSING.format("shape")),
    "raw-shape-empty": Bad(
        raw("shape") + unpacked("shape", [0, 0, 3]), "read", r"\[0, 0, 3\]; every size must be at l"
    ),
    "raw-shape-negative": Bad(raw(shape=[6, -5, 3]), "read", r"\[6, -5, 3\]; every size must be at least 1"),
    "raw-shape-of-bytes": Bad(raw(shape=b"6"), "read", "expected int64 sizes in 'shape', the shape of 'pixels'"),
    "raw-shape-huge": Bad(raw(shape=[BOMB, BOMB, 3]), "read", "^the feature 'pixels' " + _OVER),
    "raw-shape-wraps": Bad(raw(shape=[2**32, 2**32, 3]), "read", "'pixels' claims .* but max_pixels is 1,048,576"),
    "raw-mask-huge": Bad(raw(ids__shape=[BOMB, BOMB]), "read", "^the feature 'ids' " + _OVER),
    "raw-of-four-axes": Bad(raw(shape=[6, 5, 3, 1]), "decode", r"expected 2 spatial axes and 3 channels in 'pixels'"),
    "raw-of-one-channel": Bad(
        raw(shape=[18, 5, 1]), "decode", r"3 channels in 'pixels', but its shape is \[18, 5, 1\]"
    ),
    "raw-turned": Bad(raw(shape=[5, 6, 3]), "decode", "the image is 5 x 6 but its mask is 6 x 5"),
    "raw-floats": Odd(raw(pixels=_FLOATS), raw()),
    "raw-floats-unpacked": Odd(raw("pixels") + unpacked("pixels", _FLOATS), raw()),
    "raw-mask-unpacked": Odd(raw("ids") + unpacked("ids", [int(v) for v in MASK.ravel()]), raw()),
    "raw-shape-unpacked": Odd(raw("shape") + unpacked("shape", [*SIZE, 3]), raw()),
}

# whole files


@dataclass(frozen=True)
class Lost:
    """A failure row of a damaged shard."""

    record: int
    error: str
    message: str


@dataclass(frozen=True)
class BadShard:
    """What becomes of a shard of good records: the file's bytes, which records are scored, and the failures."""

    spoil: Callable[[list[bytes]], bytes]
    scored: tuple[int, ...]
    lost: tuple[Lost, ...]
    suffix: str = ""


def framed(records: list[bytes]) -> bytes:
    return b"".join(map(tfrecord.frame, records))


def _flipped(at_record: int, at: int) -> Callable[[list[bytes]], bytes]:
    def spoil(records: list[bytes]) -> bytes:
        data = bytearray(framed(records))
        data[offset_of(records, at_record) + at] ^= 0x40
        return bytes(data)

    return spoil


def _claims(length: int) -> Callable[[list[bytes]], bytes]:
    """The second record claims a length, with a checksum that is right."""

    def spoil(records: list[bytes]) -> bytes:
        header = struct.pack("<Q", length)
        data, at = framed(records), offset_of(records, 1)
        return data[:at] + header + struct.pack("<I", tfrecord.masked_crc(header)) + data[at + 12 :]

    return spoil


def _cut(left_of_last: Callable[[int], int]) -> Callable[[list[bytes]], bytes]:
    def spoil(records: list[bytes]) -> bytes:
        last = len(records) - 1
        return framed(records)[: offset_of(records, last) + left_of_last(len(records[last]))]

    return spoil


def offset_of(records: list[bytes], index: int) -> int:
    return len(framed(records[:index]))


def _parquet(_: list[bytes]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3]}), out)
    return out.getvalue()


_REST = r"Nothing after byte \d+ of the shard could be read: [\d,]+ of [\d,]+ bytes$"
_NO_LENGTH = r"^the checksum of the record length does not match: not a TFRecord, or damaged here"

SHARDS: dict[str, BadShard] = {
    "data-checksum": BadShard(
        _flipped(1, 12 + 30), (0, 2, 3), (Lost(1, "data_checksum", "checksum of the data .* does not match"),)
    ),
    "length-checksum": BadShard(_flipped(1, 9), (0,), (Lost(1, "length_checksum", f"{_NO_LENGTH}.*{_REST}"),)),
    "length-impossible": BadShard(
        _claims(2**62), (0,), (Lost(1, "length", f"claims {2**62} bytes; a tf.Example has at most .*{_REST}"),)
    ),
    "length-beyond-the-end": BadShard(
        _claims(10**9), (0,), (Lost(1, "truncated", f"should have {10**9} bytes .* the file ends after .*{_REST}"),)
    ),
    "cut-in-header": BadShard(
        _cut(lambda _: 7), (0, 1, 2), (Lost(3, "truncated", f"12 bytes of length .* only 7 are left.*{_REST}"),)
    ),
    "cut-in-data": BadShard(
        _cut(lambda size: 12 + size // 2), (0, 1, 2), (Lost(3, "truncated", f"the file ends after .*{_REST}"),)
    ),
    "cut-in-footer": BadShard(
        _cut(lambda size: 12 + size + 2), (0, 1, 2), (Lost(3, "truncated", f"the file ends after .*{_REST}"),)
    ),
    "empty": BadShard(lambda _: b"", (), ()),
    "text": BadShard(
        lambda _: b"a shard, says the label\n" * 9, (), (Lost(0, "length_checksum", f"{_NO_LENGTH}.*{_REST}"),)
    ),
    "short-text": BadShard(lambda _: b"no", (), (Lost(0, "truncated", f"only 2 are left.*{_REST}"),)),
    "png": BadShard(lambda _: png(IMAGE), (), (Lost(0, "length_checksum", f"{_NO_LENGTH}.*{_REST}"),)),
    "parquet": BadShard(_parquet, (), (Lost(0, "length_checksum", f"{_NO_LENGTH}.*{_REST}"),)),
    "gzip-named-plain": BadShard(
        lambda records: gzip.compress(framed(records)),
        (),
        (Lost(0, "length_checksum", f"it looks like gzip, whose name must end in .gz.*{_REST}"),),
    ),
    "plain-named-gzip": BadShard(
        framed,
        (),
        (Lost(0, "BadGzipFile", "^decompressing failed: Not a gzipped file .* Nothing after byte 0"),),
        ".gz",
    ),
    "gzip-cut": BadShard(
        lambda records: gzip.compress(framed(records[:2]), 0) + gzip.compress(framed(records[2:]), 0)[:-9],
        (0, 1, 2),
        (Lost(3, "EOFError", "^decompressing failed: Compressed file ended .* Nothing after byte"),),
        ".gz",
    ),
    "gzip-damaged": BadShard(
        lambda records: gzip.compress(framed(records[:2])) + b"\x1f\x8b\x08\0\0\0\0\0\0\0\x77\x77\x77\x77",
        (0, 1),
        (Lost(2, "error", "^decompressing failed: Error -3 .* Nothing after byte"),),
        ".gz",
    ),
    "gzip-empty": BadShard(lambda _: gzip.compress(b""), (), (), ".gz"),
}
