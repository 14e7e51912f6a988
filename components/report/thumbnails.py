"""Small pictures for a page: any image as bytes of bounded size in a data: address."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_SIDE = 320
"""Pixels of the longer side."""
MAX_BYTES = 24_000
"""Bytes of an encoded picture; base64 makes a third more of it."""

_ATTEMPTS = ((1.0, 84), (1.0, 68), (0.75, 64), (0.55, 56), (0.4, 48), (0.25, 40))
"""Part of the side and JPEG quality, in order, until the picture is small enough; noise needs the later ones."""
_LOWEST, _HIGHEST = 1, 99
"""Percentiles that become black and white, where values are not 8 bit."""


def displayable(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image `[H, W, channels]` of any dtype as uint8 `[H, W]` or `[H, W, 3]`.

    8 bit values stay as they are, others are stretched from their 1st to their 99th percentile; what is not finite is
    black. Three or four channels are colours, of any other number the first is shown.
    """
    colours = image[..., :3] if image.shape[-1] in (3, 4) else image[..., 0]
    if colours.dtype == np.uint8:
        return np.asarray(colours)
    values = colours.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [_LOWEST, _HIGHEST]) if finite.size else (0.0, 1.0)
    stretched = (values - low) / (high - low if high > low else 1.0)
    return np.round(255 * np.clip(np.nan_to_num(stretched, nan=0.0), 0, 1)).astype(np.uint8)


def data_uri(image: NDArray[Any], max_side: int = MAX_SIDE, max_bytes: int = MAX_BYTES) -> str:
    """An image `[H, W, channels]` as a data: address of a PNG or JPEG of at most so many pixels a side and bytes."""
    picture = Image.fromarray(displayable(image))
    picture.thumbnail((max_side, max_side), Image.Resampling.BOX)
    plain = _encoded(picture, "PNG")
    if len(plain) <= max_bytes // 2:
        return _uri("png", plain)
    for part, quality in _ATTEMPTS:
        smaller = picture.resize([max(1, round(side * part)) for side in picture.size], Image.Resampling.BOX)
        data = _encoded(smaller, "JPEG", quality=quality, optimize=True)
        if len(data) <= max_bytes:
            break
    return _uri("jpeg", data)


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
