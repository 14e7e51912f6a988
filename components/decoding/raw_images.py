"""Images as the records hold them: what a graph needs to know to decode them, and the graph that does.

The graph decodes as the evaluator does (`images`, `tf_examples.raw_tensor`), in TensorFlow alone, so
that it can be saved. What no record of a data set shows cannot be known before the records are read, so the first
record that can be decoded stands for all.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from ...schemas.config.features import TensorFeature
from . import image_headers, tf_examples
from .tf_examples import Example

_LISTS = {"float32": tf.float32, "int64": tf.int64}
_DEPTH_PLACE = 24
"""Byte of a PNG that says how many bits a channel has."""


@dataclass(frozen=True, slots=True)
class RawImages:
    """How the images of a data set are stored.

    stored: `encoded` files, `bytes` of a raw tensor, or a list of numbers of that dtype.
    sizes: of the feature that holds a raw tensor's shape, where the config names one.
    rank: spatial axes. channels: of the last axis.
    """

    feature: TensorFeature
    stored: Literal["encoded", "bytes", "float32", "int64"]
    sizes: int
    rank: int
    channels: int

    @property
    def shape_key(self) -> str | None:
        """The feature that holds the shape, None where the config says it or a file does."""
        return self.feature.shape if isinstance(self.feature.shape, str) else None


def of_record(example: Example, feature: TensorFeature, rank: int, channels: int) -> RawImages:
    """How the image of a record, which could be decoded, is stored."""
    sizes = len(example[feature.shape]) if isinstance(feature.shape, str) else 0
    if not feature.raw:
        return RawImages(feature, "encoded", sizes, rank, channels)
    found = tf_examples.values(example, feature.key)
    stored: Any = "bytes" if isinstance(found, list) else found.dtype.name
    return RawImages(feature, stored, sizes, rank, channels)


def unknown(feature: TensorFeature) -> RawImages:
    """Where no record could be decoded."""
    if not feature.raw:
        return RawImages(feature, "encoded", 0, 2, 3)
    return RawImages(feature, "bytes", 3 if isinstance(feature.shape, str) else 0, 2, 3)


def feature_spec(raw: RawImages) -> dict[str, Any]:
    """How the raw features are parsed from tf.Examples."""
    key = raw.feature.key
    spec: dict[str, Any] = {key: tf.io.FixedLenFeature([], tf.string)}
    if raw.stored in _LISTS:
        spec[key] = tf.io.VarLenFeature(_LISTS[raw.stored])
    if raw.shape_key:
        spec[raw.shape_key] = tf.io.FixedLenFeature([raw.sizes], tf.int64)
    return spec


def blank(raw: RawImages) -> dict[str, Any]:
    """Raw features of no image, for rows that are not of a record."""
    row: dict[str, Any] = {raw.feature.key: [] if raw.stored in _LISTS else b""}
    if raw.shape_key:
        row[raw.shape_key] = [0] * raw.sizes
    return row


def images(raw: RawImages, inputs: dict[str, Any]) -> tf.RaggedTensor:
    """Raw features of a batch to its images as float32 `[B, *S, channels]`, ragged in S because sizes may differ.

    The values are those of the decoded images, 0 to 255 for 8 bits.
    """
    stored = inputs[raw.feature.key]
    if raw.stored in _LISTS:
        stored = tf.RaggedTensor.from_sparse(stored)
    given = {"stored": stored}
    if raw.shape_key:
        given["shape"] = inputs[raw.shape_key]

    def one(row: dict[str, Any]) -> tf.RaggedTensor:
        image = _encoded(raw, row["stored"]) if raw.stored == "encoded" else _tensor(raw, row)
        image = tf.ensure_shape(image, [None] * raw.rank + [raw.channels])
        return tf.RaggedTensor.from_tensor(image, ragged_rank=raw.rank - 1)

    spec = tf.RaggedTensorSpec([None] * raw.rank + [raw.channels], tf.float32, ragged_rank=raw.rank - 1)
    return tf.map_fn(one, given, fn_output_signature=spec)


def _encoded(raw: RawImages, data: tf.Tensor) -> tf.Tensor:
    channels = raw.channels if raw.channels in (1, 3, 4) else 0
    is_png = tf.strings.substr(data, 0, len(image_headers.PNG)) == image_headers.PNG
    deep = tf.strings.substr(data, _DEPTH_PLACE, 1) == bytes([16])  # of no other format, whose bytes mean other things
    return tf.cond(
        is_png & deep,
        lambda: tf.cast(tf.io.decode_png(data, channels, tf.uint16), tf.float32),
        lambda: tf.cast(tf.io.decode_image(data, channels, expand_animations=False), tf.float32),
    )


def _tensor(raw: RawImages, row: dict[str, Any]) -> tf.Tensor:
    shape = row["shape"] if raw.shape_key else tf.constant(raw.feature.shape, tf.int64)
    sizes = raw.sizes or len(raw.feature.shape or ())
    values = row["stored"] if raw.stored in _LISTS else _decoded(row["stored"], raw.feature.dtype)
    image = tf.cast(tf.reshape(values, shape), tf.float32)
    return image[..., tf.newaxis] if sizes == raw.rank else image


def _decoded(data: tf.Tensor, dtype: str) -> tf.Tensor:
    if dtype == "uint32":  # which decode_raw does not know
        return tf.bitcast(tf.io.decode_raw(data, tf.int32), tf.uint32)
    if dtype == "bool":
        return tf.io.decode_raw(data, tf.uint8)
    return tf.io.decode_raw(data, tf.as_dtype(np.dtype(dtype)))
