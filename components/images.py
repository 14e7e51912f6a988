"""Encoded images to arrays, with TensorFlow's own decoders, so that a model sees what training saw."""

import io
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from schemas.errors import SampleError

PNG, JPEG, GIF, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"
_PNG_DEPTH, _PNG_COLOUR = 24, 25  # byte positions in the header chunk
PALETTE, GRAY = 3, 0  # PNG colour types
SIXTEEN_BITS = 16


def decode(data: bytes, channels: int = 0) -> NDArray[Any]:
    """Decode a PNG, JPEG, BMP or (unanimated) GIF.

    Args:
        data: the file.
        channels: 1, 3 or 4 converts as TensorFlow does (grey to RGB repeats, alpha is dropped); 0 keeps what
            the file has.

    Returns:
        uint8 `[height, width, channels]`, or uint16 for a PNG of 16 bits a channel.

    Raises:
        SampleError: if the bytes are no such image.
    """
    try:
        if data.startswith(PNG):
            dtype = tf.uint16 if png_header(data)[0] == SIXTEEN_BITS else tf.uint8
            image = tf.io.decode_png(data, channels, dtype)
        elif data.startswith(JPEG):
            image = tf.io.decode_jpeg(data, channels)
        elif data.startswith(BMP):
            image = tf.io.decode_bmp(data, channels)
        elif data.startswith(GIF):
            image = _single_frame(tf.io.decode_gif(data))
        else:
            raise SampleError(f"expected a PNG, JPEG, BMP or GIF file, but {_looks(data)}", stage="decode")
    except (tf.errors.OpError, ValueError) as error:
        raise SampleError(
            f"the image ({len(data)} bytes) cannot be decoded: {first_line(error)}", stage="decode"
        ) from error
    decoded: NDArray[Any] = image.numpy()
    return decoded


def _single_frame(frames: tf.Tensor) -> tf.Tensor:
    if frames.shape[0] != 1:
        raise SampleError(f"expected one image, but the GIF is animated ({frames.shape[0]} frames)", stage="decode")
    return frames[0]


def png_header(data: bytes) -> tuple[int, int]:
    """Bits a channel and colour type of a PNG.

    Raises:
        SampleError: if the file ends before its header does.
    """
    if len(data) <= _PNG_COLOUR:
        raise SampleError(f"the PNG ends after {len(data)} bytes, inside its header", stage="decode")
    return data[_PNG_DEPTH], data[_PNG_COLOUR]


def size(data: bytes) -> tuple[int, int]:
    """Height and width as the header of an encoded image says, without decoding the pixels.

    Raises:
        SampleError: if the bytes are no image.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SampleError(
            f"expected an encoded image, but {_looks(data)}: {first_line(error)}", stage="decode"
        ) from error


def palette_indexes(data: bytes) -> NDArray[np.uint8]:
    """The indexes of a palette PNG, `[height, width]`; TensorFlow would return their colours.

    Raises:
        SampleError: if the file is damaged.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image, np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SampleError(f"the palette PNG cannot be decoded: {first_line(error)}", stage="decode") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message; TensorFlow appends its op stack."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _looks(data: bytes) -> str:
    return f"the {len(data)} bytes begin with {data[:8]!r}" if data else "there are no bytes"
