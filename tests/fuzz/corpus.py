"""What is damaged: images and masks of every kind that is read, and records of every layout."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from tests.support.builders import example_of, png

SIZE = (8, 7)
"""Long enough lists of numbers for every way of reading them."""
_RNG = np.random.default_rng(5)
COLOURS = _RNG.integers(0, 256, (*SIZE, 3), np.uint8)
GREY = COLOURS[..., 0]
IDS = _RNG.integers(0, 3, SIZE).astype(np.uint8)


def _file(image: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def _palette() -> Image.Image:
    image = Image.fromarray(IDS).convert("P")
    image.putpalette(bytes(range(48)))
    return image


_COLOUR, _GREY = Image.fromarray(COLOURS), Image.fromarray(GREY)
IMAGES = [
    png(COLOURS), png(GREY), png(np.concatenate([COLOURS, GREY[..., None]], -1)), png(COLOURS.astype(np.uint16) * 257),
    _file(_COLOUR, "JPEG"), _file(_COLOUR, "JPEG", progressive=True), _file(_GREY, "JPEG"),
    _file(_COLOUR.convert("CMYK"), "JPEG"), _file(_COLOUR, "GIF"), _file(_COLOUR, "BMP"), _file(_GREY, "BMP"),
    _file(_COLOUR, "GIF", save_all=True, append_images=[_GREY.convert("RGB")]),
]  # fmt: skip
MASKS = [
    png(IDS), png(IDS.astype(np.uint16)), _file(_palette(), "PNG"), _file(_palette(), "PNG", bits=2),
    _file(Image.fromarray(IDS > 0), "PNG"), png(np.stack([IDS] * 3, -1)),
]  # fmt: skip

OTHER_SIZE = png(IDS[:4])

_NAMED = {"image/source_id": "a", "site": "north", "age": 3}
_RAW = {"shape": list(SIZE), "image_shape": [*SIZE, 3]}
_INTS, _FLOATS = IDS.ravel().tolist(), (COLOURS.ravel() / 255).astype(float).tolist()
ENCODED_RECORDS = [
    example_of({"image/encoded": IMAGES[i], "image/segmentation/class/encoded": MASKS[i % 5], **_NAMED})
    for i in range(len(IMAGES))
]
RAW_RECORDS = [
    example_of({"image": COLOURS.tobytes(), "mask": IDS.tobytes(), **_RAW, **_NAMED}),
    example_of({"image": COLOURS.ravel().tolist(), "mask": _INTS, **_RAW, **_NAMED}),
    example_of({"image": _FLOATS, "mask": [float(i) for i in _INTS], **_RAW, **_NAMED}),
]


def _unpacked(record: bytes) -> bytes:
    """Numbers, each as a field of its own: what writers without [packed=true] make."""

    def field(number: int, kind: int, data: bytes) -> bytes:
        length = bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) if kind == 2 else b""
        return bytes([number << 3 | kind]) + length + data

    features = b""
    for key, feature in tf.train.Example.FromString(record).features.feature.items():
        if feature.WhichOneof("kind") == "int64_list":
            ones = b"".join(field(1, 0, bytes([v & 0x7F | 0x80, v >> 7])) for v in feature.int64_list.value)
            body = field(3, 2, ones)
        else:
            body = feature.SerializeToString()
        features += field(1, 2, field(1, 2, key.encode()) + field(2, 2, body))
    return field(1, 2, features)


RAW_RECORDS.append(_unpacked(RAW_RECORDS[1]))
