"""Encoded images to arrays, with TensorFlow's own decoders, so that a model sees what training saw."""

import io
import re
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...schemas.config.limits import MAX_PIXELS
from ...schemas.errors import SampleError
from . import image_headers, pixel_budget, png_chunks
from .image_headers import BMP, GIF, JPEG, PNG, Claim

STAGE = "decode"
_PNG_DEPTH, _PNG_COLOUR = 24, 25  # byte positions in the header chunk
PALETTE, GRAY = 3, 0  # PNG colour types
SIXTEEN_BITS = 16
_OP_NAME = re.compile(r"^\{\{function_node [^}]*\}\} ?| \[Op:\w+\]$")


def decode(data: bytes, channels: int = 0, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Decode a PNG, JPEG, BMP or (unanimated) GIF.

    Args:
        data: the file.
        channels: 1, 3 or 4 converts as TensorFlow does (grey to RGB repeats, alpha is dropped); 0 keeps what
            the file has.
        max_pixels: a file that claims more is refused before it is decoded.

    Returns:
        uint8 `[height, width, channels]`, or uint16 for a PNG of 16 bits a channel.

    Raises:
        SampleError: if the bytes are no such image, or one of too many pixels or of others than its header says.
    """
    try:
        claim = image_headers.claim(data)
        _check_claim(claim, data, max_pixels)
        if data.startswith(PNG):
            dtype = tf.uint16 if png_header(data)[0] == SIXTEEN_BITS else tf.uint8
            image = tf.io.decode_png(data, channels, dtype)
        elif data.startswith(JPEG):
            image = tf.io.decode_jpeg(data, channels)
        elif data.startswith(BMP):
            image = tf.io.decode_bmp(data, channels)
        elif data.startswith(GIF):
            image = tf.io.decode_gif(data)[0]
        else:
            raise SampleError(f"expected a PNG, JPEG, BMP or GIF file, but {_looks(data)}", stage=STAGE)
    except (tf.errors.OpError, ValueError) as error:
        raise SampleError(
            f"the image ({len(data)} bytes) cannot be decoded: {first_line(error)}", stage=STAGE
        ) from error
    decoded: NDArray[Any] = image.numpy()
    pixel_budget.check_decoded("the image", claim, decoded, STAGE)
    return decoded


def _check_claim(claim: Claim | None, data: bytes, max_pixels: int) -> None:
    if claim is None:
        return
    if claim.frames != 1:
        kind = "GIF" if data.startswith(GIF) else "WebP"
        raise SampleError(f"expected one image, but the {kind} is animated ({claim.frames} frames)", stage=STAGE)
    pixel_budget.check("the image", (claim.height, claim.width), max_pixels, STAGE)


def png_header(data: bytes, stage: str = STAGE) -> tuple[int, int]:
    """Bits a channel and colour type of a PNG.

    Raises:
        SampleError: of the stage, if the file ends before its header does.
    """
    if len(data) <= _PNG_COLOUR:
        raise SampleError(f"the PNG ends after {len(data)} bytes, inside its header", stage=stage)
    return data[_PNG_DEPTH], data[_PNG_COLOUR]


def size(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width as the header of an encoded image says, without decoding the pixels.

    Raises:
        SampleError: if the bytes are no image, or one of too many pixels.
    """
    try:
        claim = image_headers.claim(data) or _foreign(data)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise SampleError(f"expected an encoded image, but {_looks(data)}: {first_line(error)}", stage=STAGE) from error
    _check_claim(claim, data, max_pixels)
    return claim.height, claim.width


def _foreign(data: bytes) -> Claim:
    """Sizes in a format that only the model needs to know."""
    claim = image_headers.webp(data)  # Pillow would take the memory of two whole pictures to say as much
    if claim is not None:
        return claim
    Image.MAX_IMAGE_PIXELS = None  # its own limit would refuse what max_pixels allows
    with Image.open(io.BytesIO(data)) as image:
        return Claim(image.height, image.width)


def palette_indexes(data: bytes, stage: str = STAGE) -> NDArray[np.uint8]:
    """The indexes of a palette PNG, `[height, width]`; TensorFlow would return their colours.

    Raises:
        SampleError: of the stage, if the file is damaged.
    """
    try:
        return grey_values(png_chunks.grey_of_indexes(data), png_header(data, stage)[0])
    except (tf.errors.OpError, ValueError) as error:
        raise SampleError(f"the palette PNG cannot be decoded: {first_line(error)}", stage=stage) from error


def grey_values(data: bytes, depth: int) -> NDArray[np.uint8]:
    """The stored numbers of a grey PNG of at most 8 bits, `[height, width]`; the decoder stretches them to 0..255.

    Raises:
        tf.errors.OpError, ValueError: if the file is damaged, or has another depth.
    """
    if depth not in (1, 2, 4, 8):
        msg = f"such a pixel has 1, 2, 4 or 8 bits, not {depth}"
        raise ValueError(msg)
    values: NDArray[np.uint8] = tf.io.decode_png(data, 1, tf.uint8).numpy()[..., 0]
    return values // np.uint8(255 // (2**depth - 1)) if depth < 8 else values  # noqa: PLR2004 - bits


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without the name of TensorFlow's op and the stack appended to it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return _OP_NAME.sub("", line)


def _looks(data: bytes) -> str:
    return f"the {len(data)} bytes begin with {data[:8]!r}" if data else "there are no bytes"
