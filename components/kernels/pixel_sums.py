"""Sums over the pixels of each sample and class: where y p, p and y are formed, for losses and evaluation.

`overlap_tiles` is the one other place: the same sums of large arrays, in one compiled kernel.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_ROW = 1024  # pixels added in their own type before a wider one takes over
_LANES = 64  # pixels beside each other in a row: wide vectors where C alone is narrow
_WIDE = 256  # the same in a gradient
Gradient = Callable[..., tuple[tf.Tensor, tf.Tensor]]


class SoftSums(NamedTuple):
    """Per sample and class, `[B, C]`: sum(y p), sum(p) and sum(y), or of the squares of the last two."""

    intersection: tf.Tensor
    predicted: tf.Tensor
    actual: tf.Tensor


def soft_sums(truth: tf.Tensor, probs: tf.Tensor, *, squared: bool = False) -> SoftSums:
    """Sums of y p, p and y, or of y p, p^2 and y^2, over `[B, N, C]` floats; float64."""
    if squared:
        return SoftSums(*(sum_pixels(part, tf.float64) for part in (truth * probs, probs * probs, truth * truth)))
    return SoftSums(*(sum_pixels(part, tf.float64) for part in (truth * probs, probs, truth)))


def trained_sums(truth: tf.Tensor, probs: tf.Tensor, *, squared: bool = False) -> SoftSums:
    """`soft_sums` in the type of probs, with a gradient of two passes; TensorFlow's own takes four."""

    @tf.custom_gradient
    def sums(truth: tf.Tensor, probs: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Gradient]:
        def gradient(dot: tf.Tensor, predicted: tf.Tensor, actual: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            y, p = _widen(truth), _widen(probs)
            dot, predicted, actual = (_repeat(part) for part in (dot, predicted, actual))
            if squared:
                predicted, actual = 2 * predicted * p, 2 * actual * y
            return _narrow(dot * p + actual, truth), _narrow(dot * y + predicted, probs)

        return tuple(tf.cast(part, probs.dtype) for part in soft_sums(truth, probs, squared=squared)), gradient

    return SoftSums(*sums(truth, probs))


def sum_pixels(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Sum `[B, N, C]` over N: in its own type for a row of 1024 pixels or less, in `dtype` beyond.

    A long sum in float32 loses digits; in a row, no number is added to more than some tens of others.
    """
    batch, _, classes = tf.unstack(tf.shape(values))
    # What TensorFlow sums fastest: the last axis, where there is one class, else the middle one of three.
    lanes = 1 if values.shape[-1] == 1 else _LANES
    chains = tf.reduce_sum(tf.reshape(fill(values, _ROW), [-1, _ROW // lanes, lanes * classes]), 1)
    return tf.reduce_sum(tf.cast(tf.reshape(chains, [batch, -1, classes]), dtype), 1)


def fill(values: tf.Tensor, multiple: int) -> tf.Tensor:
    """Pad with zeros axis 1 of `[B, N, ...]` to a multiple; where it is one already, nothing is copied."""
    missing = -tf.shape(values)[1] % multiple
    paddings = [[0, 0], [0, missing], *([[0, 0]] * (values.shape.rank - 2))]
    return tf.pad(values, paddings)


def _widen(values: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(values)
    return tf.reshape(fill(values, _WIDE), [shape[0], -1, _WIDE * shape[2]])


def _repeat(values: tf.Tensor) -> tf.Tensor:
    return tf.tile(values, [1, _WIDE])[:, None]


def _narrow(wide: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(like)
    return tf.reshape(wide, [shape[0], -1, shape[2]])[:, : shape[1]]
