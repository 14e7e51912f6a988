"""From prepared pixels to weighted ratios: what the Dice functions are made of."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import tensorflow as tf

from . import pixel_sums
from .inputs import Pixels
from .pixel_sums import Gradient, SoftSums

Reduction = Literal["none", "sum", "mean"]
Weights: TypeAlias = tf.Tensor | Sequence[float] | None


def dice_ratio(
    intersection: tf.Tensor, size: tf.Tensor, smooth: float = 0.0, smooth_denominator: float | None = None
) -> tf.Tensor:
    """(2 intersection + s) / (size + s'), and 1 with a zero gradient where size is 0.

    A subnormal size counts as 0, which TensorFlow makes of it.

    Args:
        intersection: floating; pixels, hard or soft, in both truth and prediction.
        size: the same shape and type; pixels of the truth plus pixels of the prediction.
        smooth: s.
        smooth_denominator: s'; None for s.
    """
    size = tf.convert_to_tensor(size)  # NumPy would not flush it, and compare what is not divided
    below = smooth if smooth_denominator is None else smooth_denominator
    return safe_ratio(2 * intersection + smooth, size + below, empty=size == 0)


def safe_ratio(above: tf.Tensor, below: tf.Tensor, *, empty: tf.Tensor) -> tf.Tensor:
    """Above / below, of one shape; 1 with a zero gradient where empty."""
    above, below = tf.convert_to_tensor(above), tf.convert_to_tensor(below)
    one = tf.ones_like(below)

    @tf.custom_gradient
    def ratio(above: tf.Tensor, below: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        value = tf.where(empty, one, tf.math.divide_no_nan(above, below))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            slope = tf.where(empty, tf.zeros_like(one), tf.math.divide_no_nan(upstream, below))
            return slope, -slope * value

        return value, gradient

    # TensorFlow's own gradient of two wheres and a division is a dozen steps, which small tensors feel.
    return tf.convert_to_tensor(ratio(above, below))


def soft_sums(pixels: Pixels, *, include_background: bool, squared: bool = False) -> SoftSums:
    """Sum prepared pixels; squared sums p^2 and y^2 instead of p and y.

    Raises:
        ValueError: one channel, and it would be left out as the background.
    """
    sums = pixel_sums.trained_sums(pixels.truth, pixels.probabilities, squared=squared)
    if include_background:
        return sums
    if pixels.truth.shape[-1] == 1:
        raise ValueError("Expected two classes or more beside include_background=False, but got one.")
    return SoftSums(*(part[:, 1:] for part in sums))


def weigh(values: tf.Tensor, class_weights: Weights, sample_weight: Weights, reduction: Reduction) -> tf.Tensor:
    """Weight and reduce `[B, C]`, or `[B, 1]` without class weights.

    Raises:
        ValueError: an unknown reduction.
    """
    if reduction not in {"none", "sum", "mean"}:
        raise ValueError(f"Expected reduction 'none', 'sum' or 'mean', but got {reduction!r}.")
    count = tf.cast(tf.size(values), values.dtype)
    if class_weights is not None or sample_weight is not None:
        weights = tf.ones_like(values)
        if class_weights is not None:
            weights *= tf.reshape(tf.cast(class_weights, values.dtype), [1, -1])
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, values.dtype), [-1, 1])
        values, count = values * weights, tf.reduce_sum(weights)
    if reduction == "none":
        return values
    total = tf.reduce_sum(values)
    return total if reduction == "sum" else tf.math.divide_no_nan(total, count)


def class_mean(values: tf.Tensor, class_weights: Weights) -> tf.Tensor:
    """Weighted mean over the classes of `[B, C]`, `[B]`; 0 where all weights are 0."""
    if class_weights is None:
        return tf.reduce_mean(values, 1)
    weights = tf.cast(class_weights, values.dtype)
    return tf.math.divide_no_nan(tf.linalg.matvec(values, weights), tf.reduce_sum(weights))
