"""Overlap of prediction and truth: what evaluation and metrics are made of.

All sums are taken per sample and class over the spatial axes, never over the batch.
"""

from typing import NamedTuple

import tensorflow as tf

from . import overlap_tiles
from .pixel_sums import fill, soft_sums


class Overlap(NamedTuple):
    """Sums per sample and class, each `[batch, classes]`; every overlap metric is made of these.

    With y the truth and p the probabilities of the pixels that count:

    true_positives     int64    pixels both predicted and true
    predicted          int64    pixels predicted (hard)
    actual             int64    pixels true
    soft_intersection  float64  sum(y p)
    soft_predicted     float64  sum(p)
    soft_predicted_sq  float64  sum(p^2)
    """

    true_positives: tf.Tensor
    predicted: tf.Tensor
    actual: tf.Tensor
    soft_intersection: tf.Tensor
    soft_predicted: tf.Tensor
    soft_predicted_sq: tf.Tensor


@tf.autograph.experimental.do_not_convert
def overlap(
    probabilities: tf.Tensor,
    targets: tf.Tensor,
    *,
    exclusive: bool,
    valid: tf.Tensor | None = None,
    threshold: float = 0.5,
) -> Overlap:
    """Count, per sample and class, how prediction and truth overlap.

    Counts are exact. Soft sums are float32 within a hundred pixels and float64 beyond, since float32 cannot
    count past 2^24. Class ids that exclude each other are summed in tiles on a CPU, which is the fast equal of
    the sums that the losses use, and has no gradient; everything else by those sums themselves.

    Args:
        probabilities: float `[B, *S, C]`, in [0, 1].
        targets: class ids, integer `[B, *S]`, where an id outside 0..C-1 is a pixel of no class; or one-hot
            or multi-hot `[B, *S, C]` of any dtype.
        exclusive: the hard prediction is the argmax (the first index on ties); else every channel on its own
            where p > threshold (a tie is no prediction).
        valid: bool `[B, *S]`, the pixels that count; None for all of them.
        threshold: used where not exclusive.

    Returns:
        Overlap of `[B, C]` tensors. A class without pixels has sums of 0.
    """
    probabilities, targets = tf.convert_to_tensor(probabilities), tf.convert_to_tensor(targets)
    shape, classes = tf.shape(probabilities), probabilities.shape[-1]
    batch, pixels = shape[0], tf.reduce_prod(shape[1:-1])
    probs = tf.reshape(probabilities, [batch, pixels, shape[-1] if classes is None else classes])
    mask = None if valid is None else tf.reshape(valid, [batch, pixels])
    if targets.shape.rank == probabilities.shape.rank:
        truth = tf.cast(tf.reshape(targets, tf.shape(probs)), tf.bool)
        return _dense(probs, truth, mask, exclusive=exclusive, threshold=threshold)
    labels = tf.reshape(targets, [batch, pixels])
    if exclusive and classes is not None and classes <= overlap_tiles.MAX_CLASSES and not _has_gpu():
        return _tiled(probs, labels, mask)
    truth = _labels(labels)[..., None] == tf.range(shape[-1])
    return _dense(probs, truth, mask, exclusive=exclusive, threshold=threshold)


def _has_gpu() -> bool:
    # A GPU is fastest on the plain formulation, and its weighted bincount adds in no fixed order.
    return bool(tf.config.get_visible_devices("GPU"))


def _labels(ids: tf.Tensor) -> tf.Tensor:
    """Ids as int32; those that do not fit, and negative ones, are -1."""
    if ids.dtype in {tf.int64, tf.uint32, tf.uint64}:
        wide = tf.cast(ids, tf.int64)
        ids = tf.where(wide > tf.int32.max, tf.cast(-1, tf.int64), wide)
    return tf.cast(ids if ids.dtype.is_unsigned else tf.maximum(ids, -1), tf.int32)


def _tiled(probs: tf.Tensor, labels: tf.Tensor, valid: tf.Tensor | None) -> Overlap:
    batch, classes = tf.shape(probs)[0], probs.shape[-1]
    counted = tf.ones(tf.shape(labels), tf.bool) if valid is None else valid
    row = overlap_tiles.ROW
    counts, own, sums, squares = overlap_tiles.tiled_sums(
        tf.reshape(fill(probs, row), [-1, row, classes]),
        tf.reshape(fill(labels, row), [-1, row]),
        tf.reshape(fill(counted, row), [-1, row]),
        masked=valid is not None,
    )

    def total(rows: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.reshape(rows, tf.concat([[batch, -1], tf.shape(rows)[1:]], 0)), 1)

    hits, predicted, actual = tf.unstack(total(counts), axis=1)
    return Overlap(hits, predicted, actual, total(own), total(sums), total(squares))


def _dense(
    probs: tf.Tensor, truth: tf.Tensor, valid: tf.Tensor | None, *, exclusive: bool, threshold: float
) -> Overlap:
    """The sums of the losses, of the probabilities and of their hard prediction, which is 0 or 1.

    Differentiable by probs, right everywhere, and what the tiles are tested against.
    """
    probs = tf.cast(probs, tf.float32)
    if exclusive:
        hard = tf.argmax(probs, -1, output_type=tf.int32)[..., None] == tf.range(tf.shape(probs)[-1])
    else:
        hard = probs > threshold
    if valid is not None:
        counted = valid[..., None]
        truth, hard = truth & counted, hard & counted
        probs = tf.where(counted, probs, 0.0)
    y = tf.cast(truth, tf.float32)
    counts, soft = soft_sums(y, tf.cast(hard, tf.float32)), soft_sums(y, probs)
    squares = soft_sums(y, probs, squared=True).predicted
    hits, predicted, actual = (tf.cast(count, tf.int64) for count in counts)
    return Overlap(hits, predicted, actual, soft.intersection, soft.predicted, squares)
