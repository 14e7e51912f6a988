"""Dice from sums: the one place where pixels are counted.

All sums are taken per sample and class over the spatial axes, never over the batch.
"""

from typing import NamedTuple

import tensorflow as tf


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


def overlap(
    probabilities: tf.Tensor,
    targets: tf.Tensor,
    *,
    exclusive: bool,
    valid: tf.Tensor | None = None,
    threshold: float = 0.5,
) -> Overlap:
    """Count, per sample and class, how prediction and truth overlap.

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
    classes = tf.shape(probabilities)[-1]
    flat = tf.reshape(probabilities, [tf.shape(probabilities)[0], -1, classes])
    probs = tf.cast(flat, tf.float32)
    if targets.shape.rank == probabilities.shape.rank:
        truth = tf.reshape(targets, tf.shape(flat)) > 0
    else:
        truth = tf.one_hot(
            tf.reshape(tf.cast(targets, tf.int32), tf.shape(flat)[:2]),
            classes,
            on_value=True,
            off_value=False,
        )
    if exclusive:
        hard = tf.one_hot(tf.argmax(probs, -1, output_type=tf.int32), classes, on_value=True, off_value=False)
    else:
        hard = probs > threshold
    if valid is not None:
        counts = tf.reshape(valid, [tf.shape(flat)[0], -1, 1])
        truth, hard = truth & counts, hard & counts
        probs = tf.where(counts, probs, 0.0)

    def count(pixels: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(pixels, tf.int64), 1)

    def total(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(values, tf.float64), 1)

    return Overlap(
        count(truth & hard),
        count(hard),
        count(truth),
        total(tf.where(truth, probs, 0.0)),
        total(probs),
        total(probs * probs),
    )
