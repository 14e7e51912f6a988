"""Dice and its relatives, as pure functions.

With y the truth, p the probabilities, and sums over the pixels of one sample and class that count:

    dice = (2 sum(y p) + s) / (sum(y) + sum(p) + s')

Sums are never taken over the batch. Where truth and prediction are both empty, dice is 1: the loss is 0 and
so is its gradient. The arguments that the functions share:

y_true, y_pred, from_logits, class_axis, ignore_labels, debug  as in `kernels.inputs.prepare`, which raises the
                    errors.
include_background  False leaves class 0 out (two classes or more).
squared             sum(y^2) + sum(p^2) in the denominator (Milletari et al. 2016, arXiv:1606.04797).
smooth              s, and s' unless `smooth_denominator` gives it.
class_weights       `[C]` (of the classes left), a factor of each class.
sample_weight       `[B]`, a factor of each sample.
reduction           "none": values times weights; "sum": their sum; "mean": divided by the sum of the weights,
                    0 where that is 0.

Reductions are float32, or float64 for float64 predictions, whatever the input.
"""

from typing import Unpack

import tensorflow as tf

from .kernels.inputs import InputOptions, Pixels, prepare
from .kernels.overlap import Overlap, overlap
from .kernels.pixel_sums import sum_pixels
from .kernels.reductions import Reduction, Weights, class_mean, dice_ratio, safe_ratio, soft_sums, weigh

__all__ = [
    "Overlap",
    "dice_coefficient",
    "dice_cross_entropy_loss",
    "dice_loss",
    "dice_ratio",
    "generalized_dice_loss",
    "overlap",
    "tversky_loss",
]


def dice_coefficient(  # noqa: PLR0913 one keyword for each published choice
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    *,
    include_background: bool = True,
    squared: bool = False,
    smooth: float = 1e-6,
    smooth_denominator: float | None = None,
    class_weights: Weights = None,
    sample_weight: Weights = None,
    reduction: Reduction = "none",
    **inputs: Unpack[InputOptions],
) -> tf.Tensor:
    """Soft Dice of each sample and class, `[B, C]` unless reduced; 1 where truth and prediction are empty."""
    pixels = prepare(y_true, y_pred, **inputs)
    sums = soft_sums(pixels, include_background=include_background, squared=squared)
    values = dice_ratio(sums.intersection, sums.predicted + sums.actual, smooth, smooth_denominator)
    return weigh(values, class_weights, sample_weight, reduction)


def dice_loss(  # noqa: PLR0913
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    *,
    include_background: bool = True,
    squared: bool = False,
    smooth: float = 1e-6,
    smooth_denominator: float | None = None,
    class_weights: Weights = None,
    sample_weight: Weights = None,
    reduction: Reduction = "mean",
    **inputs: Unpack[InputOptions],
) -> tf.Tensor:
    """1 - soft Dice of each sample and class, in [0, 1]; a scalar, or `[B, C]` with reduction "none"."""
    values = 1 - dice_coefficient(
        y_true,
        y_pred,
        include_background=include_background,
        squared=squared,
        smooth=smooth,
        smooth_denominator=smooth_denominator,
        **inputs,
    )
    return weigh(values, class_weights, sample_weight, reduction)


def generalized_dice_loss(
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    *,
    class_power: float = 2.0,
    include_background: bool = True,
    smooth: float = 1e-6,
    sample_weight: Weights = None,
    reduction: Reduction = "mean",
    **inputs: Unpack[InputOptions],
) -> tf.Tensor:
    """1 - (2 sum_c w_c sum(y p) + s) / (sum_c w_c (sum(y) + sum(p)) + s), one value a sample.

    w_c = sum(y_c)^-class_power (Sudre et al. 2017, arXiv:1707.03237, has 2), divided by the largest of the
    sample, which leaves the ratio as it is. A class absent from the truth would weigh infinitely much: it
    weighs as much as the rarest class present, so that its false positives still cost.

    Returns:
        A scalar, or `[B]` with reduction "none".
    """
    sums = soft_sums(prepare(y_true, y_pred, **inputs), include_background=include_background)
    present = sums.actual > 0
    rarest = tf.reduce_min(tf.where(present, sums.actual, sums.actual.dtype.max), 1, keepdims=True)
    weights = tf.where(present, (rarest / tf.where(present, sums.actual, 1.0)) ** class_power, 1.0)
    intersection = tf.reduce_sum(weights * sums.intersection, 1, keepdims=True)
    size = tf.reduce_sum(weights * (sums.predicted + sums.actual), 1, keepdims=True)
    values = weigh(1 - dice_ratio(intersection, size, smooth), None, sample_weight, reduction)
    return values[:, 0] if reduction == "none" else values


def tversky_loss(  # noqa: PLR0913
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    include_background: bool = True,
    smooth: float = 1e-6,
    class_weights: Weights = None,
    sample_weight: Weights = None,
    reduction: Reduction = "mean",
    **inputs: Unpack[InputOptions],
) -> tf.Tensor:
    """(1 - (TP + s) / (TP + alpha FP + beta FN + s))^gamma of each sample and class, with soft counts.

    TP = sum(y p), FP = sum((1 - y) p), FN = sum(y (1 - p)). alpha weighs false positives and beta false
    negatives, as Tversky (1977) and Salehi et al. (2017, arXiv:1706.05721) have it. 1/2 and 1/2 is Dice
    (with 2 s). gamma is 1 for Tversky; focal Tversky raises to 3/4 (Abraham and Khan 2018, arXiv:1810.07842,
    who write 1/gamma).

    Returns:
        A scalar, or `[B, C]` with reduction "none".
    """
    sums = soft_sums(prepare(y_true, y_pred, **inputs), include_background=include_background)
    false_positives, false_negatives = sums.predicted - sums.intersection, sums.actual - sums.intersection
    below = sums.intersection + alpha * false_positives + beta * false_negatives
    empty = sums.predicted + sums.actual == 0
    loss = 1 - safe_ratio(sums.intersection + smooth, below + smooth, empty=empty)
    return weigh(_power(loss, gamma), class_weights, sample_weight, reduction)


def _power(loss: tf.Tensor, gamma: float) -> tf.Tensor:
    """loss^gamma; where gamma < 1, the slope at 0 is infinite: there it is 0."""
    if gamma == 1:
        return loss
    # Rounding may leave -1e-8 of a perfect prediction, and the root of 1e-8 has a slope of 1e2 to 1e4.
    small = loss <= 4 * _EPSILON
    return tf.where(small, tf.zeros_like(loss), tf.where(small, tf.ones_like(loss), loss) ** gamma)


_EPSILON = 2.0**-23  # of float32


def dice_cross_entropy_loss(  # noqa: PLR0913
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    *,
    dice_weight: float = 1.0,
    cross_entropy_weight: float = 1.0,
    include_background: bool = True,
    squared: bool = False,
    smooth: float = 1e-6,
    class_weights: Weights = None,
    sample_weight: Weights = None,
    reduction: Reduction = "mean",
    **inputs: Unpack[InputOptions],
) -> tf.Tensor:
    """dice_weight * mean_c(1 - Dice) + cross_entropy_weight * cross-entropy, one value a sample.

    The cross-entropy is -sum_c y log p under a softmax, and that of every channel on its own, averaged, under
    a sigmoid or with one channel; it is a mean over the pixels that count, all classes included, without
    class weights. From probabilities, p is clipped to [1e-7, 1 - 1e-7] and the classes are taken to exclude
    each other.

    Returns:
        A scalar, or `[B]` with reduction "none". A sample without pixels costs 0.
    """
    pixels = prepare(y_true, y_pred, **inputs)
    sums = soft_sums(pixels, include_background=include_background, squared=squared)
    loss = 1 - dice_ratio(sums.intersection, sums.predicted + sums.actual, smooth)
    dice = class_mean(loss, class_weights)
    entropy = _cross_entropy(pixels, independent=inputs.get("from_logits") == "sigmoid")
    total = (dice_weight * dice + cross_entropy_weight * entropy)[:, None]
    values = weigh(total, None, sample_weight, reduction)
    return values[:, 0] if reduction == "none" else values


def _cross_entropy(pixels: Pixels, *, independent: bool) -> tf.Tensor:
    """Mean over the pixels that count, `[B]`."""
    truth, probs, logits, valid = pixels
    if logits is None:
        clipped = tf.clip_by_value(probs, 1e-7, 1 - 1e-7)
        losses = -truth * tf.math.log(clipped)
        if probs.shape[-1] == 1:
            losses -= (1 - truth) * tf.math.log(1 - clipped)
        each = tf.reduce_sum(losses, -1)
    elif independent:
        each = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(truth, logits), -1)
    else:
        each = tf.nn.softmax_cross_entropy_with_logits(truth, logits)
    if valid is None:
        valid = tf.ones(tf.shape(each), tf.bool)
    kept = tf.where(valid, each, tf.zeros([], each.dtype))
    total, counted = (sum_pixels(part[..., None], tf.float64)[:, 0] for part in (kept, tf.cast(valid, each.dtype)))
    return tf.cast(tf.math.divide_no_nan(total, counted), each.dtype)
