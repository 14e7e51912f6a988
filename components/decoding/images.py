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
from . import image_headers, pixel_budget
from .image_headers import BMP, GIF, JPEG, PNG

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
        SampleError: if the bytes are no such image, or one of too many pixels.
    """
    try:
        _check_claim(image_headers.claim(data), max_pixels)
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
    return decoded


def _check_claim(claim: image_headers.Claim | None, max_pixels: int) -> None:
    if claim is None:
        return
    if claim.frames != 1:
        raise SampleError(f"expected one image, but the GIF is animated ({claim.frames} frames)", stage=STAGE)
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
    _check_claim(claim, max_pixels)
    return claim.height, claim.width


def _foreign(data: bytes) -> image_headers.Claim:
    """Sizes in a format that only the model needs to know."""
    with _opened(data) as image:
        return image_headers.Claim(image.height, image.width)


def palette_indexes(data: bytes, stage: str = STAGE) -> NDArray[np.uint8]:
    """The indexes of a palette PNG, `[height, width]`; TensorFlow would return their colours.

    Raises:
        SampleError: of the stage, if the file is damaged.
    """
    try:
        with _opened(data) as image:
            return np.asarray(image, np.uint8)
    except (OSError, ValueError, SyntaxError) as error:
        raise SampleError(f"the palette PNG cannot be decoded: {first_line(error)}", stage=stage) from error


def _opened(data: bytes) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # its own limit would refuse what max_pixels allows
    return Image.open(io.BytesIO(data))


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without the name of TensorFlow's op and the stack appended to it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return _OP_NAME.sub("", line)


def _looks(data: bytes) -> str:
    return f"the {len(data)} bytes begin with {data[:8]!r}" if data else "there are no bytes"
