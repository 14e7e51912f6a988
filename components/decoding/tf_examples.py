"""tf.Examples: what a feature holds, with every doubt a SampleError that names the feature."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tfrecord_lite
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ...schemas.config.features import TensorFeature
from ...schemas.config.limits import MAX_PIXELS
from ...schemas.errors import SampleError
from . import pixel_budget, wire_format

_SHOWN_NAME = 100
"""Characters of a feature's name in a message: names are data too."""

_BYTES = "bytes_list"
_DTYPES: dict[str, np.dtype[Any]] = {"int64_list": np.dtype(np.int64), "float_list": np.dtype(np.float32)}
_LONG_LIST = 100
"""Numbers; shorter lists take protobuf no longer than asking another decoder."""

Example = dict[str, list[bytes] | NDArray[Any]]


def parse(data: bytes) -> Example:
    """Features by key: a list of bytes, or a float32 or int64 array. Empty features are not there.

    What protobuf reads is what counts. tfrecord-lite is much faster at long lists of numbers, but reads another record
    where keys or messages come twice, and returns the last piece alone of a list that is unpacked or in pieces; so it
    is asked for long lists of plain records only (`wire_format`), without a NUL in a name, and believed where the
    length is right.

    Raises:
        SampleError: if the bytes are not a tf.Example.
    """
    try:
        features = tf.train.Example.FromString(data).features.feature
        kinds = {key: feature.WhichOneof("kind") or _BYTES for key, feature in features.items()}
        lists = {key: getattr(features[key], kind).value for key, kind in kinds.items()}
        long = any(len(lists[key]) > _LONG_LIST for key, kind in kinds.items() if kind != _BYTES)
        plain = long and not any("\0" in key for key in kinds) and wire_format.is_plain(data)
        fast = tfrecord_lite.decode_example(data) if plain else {}
    except (RuntimeError, ValueError, TypeError, UnicodeDecodeError, DecodeError) as error:
        msg = f"the record ({len(data)} bytes) is not a tf.Example: {error}"
        raise SampleError(msg) from error
    return {
        key: list(found) if kinds[key] == _BYTES else _numbers(found, _DTYPES[kinds[key]], fast.get(key))
        for key, found in lists.items()
        if found
    }


def _numbers(found: Sequence[float], dtype: np.dtype[Any], quick: object) -> NDArray[Any]:
    """A list of numbers as an array: the one that is there already, if it is as long as the list."""
    if isinstance(quick, np.ndarray) and quick.dtype == dtype and len(quick) == len(found):
        return quick
    return np.array(found, dtype)


def values(example: Example, key: str) -> list[bytes] | NDArray[Any]:
    """The values of a feature.

    Raises:
        SampleError: if the feature is missing or empty; the message lists what the record has.
    """
    found = example.get(key)
    if found is None or len(found) == 0:
        has = ", ".join(name[:_SHOWN_NAME] for name in sorted(example)[:20]) or "no features"
        msg = f"expected the feature {key!r}, but it is missing or empty; the record has: {has}"
        raise SampleError(msg)
    return found


def single_bytes(example: Example, key: str) -> bytes:
    """The one byte string of a feature.

    Raises:
        SampleError: if the feature is missing, holds numbers, or holds several values.
    """
    found = values(example, key)
    if not isinstance(found, list):
        msg = (
            f"expected one byte string in {key!r}, but it holds {len(found)} {found.dtype} values; a raw "
            "tensor needs `shape` in the config"
        )
        raise SampleError(msg)
    if len(found) != 1:
        msg = f"expected one byte string in {key!r}, but it holds {len(found)}"
        raise SampleError(msg)
    return found[0]


def raw_tensor(
    example: Example, feature: TensorFeature, max_pixels: int = MAX_PIXELS, rank: int | None = None
) -> NDArray[Any]:
    """The tensor that a feature with `shape` holds, in the feature's dtype.

    Args:
        example: the record.
        feature: which of its features.
        max_pixels: a shape that claims more is refused before anything is converted.
        rank: how many axes are spatial, the others being channels; None for all.

    Raises:
        SampleError: if the shape has too many pixels, if the number of values or bytes is not what the shape needs,
            or if a value of a list does not fit the dtype.
    """
    shape = _shape(example, feature)
    pixel_budget.check(f"the feature {feature.key!r}", shape[:rank], max_pixels, "read")
    count = math.prod(shape)  # NumPy would wrap around where a record claims sizes of 2**32
    dtype = np.dtype(feature.dtype).newbyteorder("<")
    found = values(example, feature.key)
    if isinstance(found, list):
        data = single_bytes(example, feature.key)
        if len(data) != count * dtype.itemsize:
            msg = (
                f"{feature.key!r} of shape {list(shape)} and dtype {feature.dtype} needs "
                f"{count * dtype.itemsize} bytes, but has {len(data)}"
            )
            raise SampleError(msg)
        array = np.frombuffer(data, dtype)
    else:
        if len(found) != count:
            msg = f"{feature.key!r} of shape {list(shape)} needs {count} values, but has {len(found)}"
            raise SampleError(msg)
        array = _converted(found, dtype, feature.key)
    return array.astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _shape(example: Example, feature: TensorFeature) -> tuple[int, ...]:
    if not isinstance(feature.shape, str):
        return feature.shape or ()
    found = values(example, feature.shape)
    if isinstance(found, list) or not np.issubdtype(found.dtype, np.integer):
        msg = f"expected int64 sizes in {feature.shape!r}, the shape of {feature.key!r}"
        raise SampleError(msg)
    shape = tuple(int(size) for size in found)
    if min(shape) < 1:
        msg = f"{feature.shape!r} says that {feature.key!r} has the shape {list(shape)}; every size must be at least 1"
        raise SampleError(msg)
    return shape


def _converted(found: NDArray[Any], dtype: np.dtype[Any], key: str) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):
        converted = found.astype(dtype)
    if np.issubdtype(dtype, np.floating):  # may round, but not overflow
        fits = np.array_equal(np.isfinite(converted), np.isfinite(found))
    else:
        fits = np.array_equal(converted.astype(np.float64), found.astype(np.float64))
    if not fits:
        msg = (
            f"{key!r} has values from {found.min()} to {found.max()}, which do not fit the dtype "
            f"{dtype.name} of the config"
        )
        raise SampleError(msg)
    return converted


def text(example: Example, key: str) -> str | None:
    """A feature as text, None where the record has none. Bytes are UTF-8; other bytes are written as \\xNN.

    Raises:
        SampleError: if the feature holds several values.
    """
    found = example.get(key)
    if found is None or len(found) == 0:
        return None
    if len(found) > 1:
        msg = f"expected one value in {key!r}, but it holds {len(found)}"
        raise SampleError(msg)
    value = found[0]
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def sample_id(example: Example, keys: Sequence[str], default: str) -> str:
    """The first of the id features that is there and not empty, else the default."""
    return next((found for key in keys if (found := text(example, key))), default)
