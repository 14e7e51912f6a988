"""From prepared pixels to weighted ratios: what the Dice functions are made of."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import tensorflow as tf

from components.dice_inputs import Pixels
from components.overlap import fill, sum_pixels

Reduction = Literal["none", "sum", "mean"]
Weights: TypeAlias = tf.Tensor | Sequence[float] | None


class SoftSums(NamedTuple):
    """Soft sums per sample and class, `[B, C]`."""

    intersection: tf.Tensor
    predicted: tf.Tensor
    actual: tf.Tensor


def dice_ratio(
    intersection: tf.Tensor, size: tf.Tensor, smooth: float = 0.0, smooth_denominator: float | None = None
) -> tf.Tensor:
    """(2 intersection + s) / (size + s'), and 1 with a zero gradient where size is 0.

    Args:
        intersection: floating; pixels, hard or soft, in both truth and prediction.
        size: the same shape and type; pixels of the truth plus pixels of the prediction.
        smooth: s.
        smooth_denominator: s'; None for s.
    """
    below = smooth if smooth_denominator is None else smooth_denominator
    return safe_ratio(2 * intersection + smooth, size + below, empty=size == 0)


def safe_ratio(above: tf.Tensor, below: tf.Tensor, *, empty: tf.Tensor) -> tf.Tensor:
    """Above / below; 1 with a zero gradient where empty."""
    # Both branches of a where reach the gradient: the one not taken must be finite too.
    one = tf.ones_like(below)
    return tf.where(empty, one, tf.where(empty, one, above) / tf.where(empty, one, below))


def soft_sums(pixels: Pixels, *, include_background: bool, squared: bool = False) -> SoftSums:
    """Sum prepared pixels; squared sums p^2 and y^2 instead of p and y.

    Raises:
        ValueError: one channel, and it would be left out as the background.
    """
    truth, probs = pixels.truth, pixels.probabilities
    sums = SoftSums(*(_squared_sums if squared else _plain_sums)(truth, probs))
    if include_background:
        return sums
    if truth.shape[-1] == 1:
        raise ValueError("Expected two classes or more beside include_background=False, but got one.")
    return SoftSums(*(part[:, 1:] for part in sums))


_LANES = 64  # pixels beside each other in a gradient: wide rows vectorise where C alone is narrow
_Gradient = Callable[..., tuple[tf.Tensor, tf.Tensor]]


@tf.custom_gradient
def _plain_sums(truth: tf.Tensor, probs: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], _Gradient]:
    """Sums of y p, p and y. The gradient is two passes over wide rows; TensorFlow's own takes four."""

    def gradient(dot: tf.Tensor, predicted: tf.Tensor, actual: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y, p = _widen(truth), _widen(probs)
        dot, predicted, actual = (_repeat(part) for part in (dot, predicted, actual))
        return _narrow(dot * p + actual, truth), _narrow(dot * y + predicted, probs)

    return _totals(truth * probs, probs, truth), gradient


@tf.custom_gradient
def _squared_sums(truth: tf.Tensor, probs: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], _Gradient]:
    """Sums of y p, p^2 and y^2."""

    def gradient(dot: tf.Tensor, predicted: tf.Tensor, actual: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y, p = _widen(truth), _widen(probs)
        dot, predicted, actual = (_repeat(part) for part in (dot, predicted, actual))
        return _narrow(dot * p + 2 * actual * y, truth), _narrow(dot * y + 2 * predicted * p, probs)

    return _totals(truth * probs, probs * probs, truth * truth), gradient


def _totals(*parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
    return tuple(tf.cast(sum_pixels(part, tf.float64), part.dtype) for part in parts)


def _widen(values: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(values)
    return tf.reshape(fill(values, _LANES, 0), [shape[0], -1, _LANES * shape[2]])


def _repeat(values: tf.Tensor) -> tf.Tensor:
    return tf.tile(values, [1, _LANES])[:, None]


def _narrow(wide: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(like)
    return tf.reshape(wide, [shape[0], -1, shape[2]])[:, : shape[1]]


def weigh(values: tf.Tensor, class_weights: Weights, sample_weight: Weights, reduction: Reduction) -> tf.Tensor:
    """Weight and reduce `[B, C]`, or `[B, 1]` without class weights.

    Raises:
        ValueError: an unknown reduction.
    """
    weights = tf.ones_like(values)
    if class_weights is not None:
        weights *= tf.reshape(tf.cast(class_weights, values.dtype), [1, -1])
    if sample_weight is not None:
        weights *= tf.reshape(tf.cast(sample_weight, values.dtype), [-1, 1])
    if reduction == "none":
        return values * weights
    total = tf.reduce_sum(values * weights)
    if reduction == "sum":
        return total
    if reduction == "mean":
        return tf.math.divide_no_nan(total, tf.reduce_sum(weights))
    raise ValueError(f"Expected reduction 'none', 'sum' or 'mean', but got {reduction!r}.")


def class_mean(values: tf.Tensor, class_weights: Weights) -> tf.Tensor:
    """Weighted mean over the classes of `[B, C]`, `[B]`; 0 where all weights are 0."""
    if class_weights is None:
        return tf.reduce_mean(values, 1)
    weights = tf.cast(class_weights, values.dtype)
    return tf.math.divide_no_nan(tf.linalg.matvec(values, weights), tf.reduce_sum(weights))
