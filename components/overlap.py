"""Overlap of prediction and truth: the one place where pixels are counted.

All sums are taken per sample and class over the spatial axes, never over the batch.
"""

from typing import NamedTuple

import tensorflow as tf

from components import overlap_tiles

_CHAIN = 64  # pixels added in float32 before float64 takes over
_LANES = 16  # pixels beside each other in a sum: wide rows vectorise where C alone is narrow


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

    Counts are exact. Soft sums are float32 within a hundred pixels and float64 beyond, since float32
    cannot count past 2^24.

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
    batch, classes = tf.shape(probabilities)[0], probabilities.shape[-1]
    ids = targets.shape.rank == probabilities.shape.rank - 1
    pixels = tf.reduce_prod(tf.shape(probabilities)[1:-1])
    probs = tf.reshape(probabilities, [batch, pixels, tf.shape(probabilities)[-1]])
    mask = None if valid is None else tf.reshape(valid, [batch, pixels])
    if not ids:
        truth = tf.cast(tf.reshape(targets, tf.shape(probs)), tf.bool)
        return _dense(probs, truth, mask, exclusive=exclusive, threshold=threshold)
    labels = _labels(tf.reshape(targets, [batch, pixels]))

    def dense() -> Overlap:
        truth = labels[..., None] == tf.range(tf.shape(probs)[-1])
        return _dense(probs, truth, mask, exclusive=exclusive, threshold=threshold)

    if not exclusive or classes is None or classes > overlap_tiles.MAX_CLASSES or _has_gpu():
        return dense()
    return _tiled(probs, labels, mask)


def sum_pixels(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Sum `[B, N, C]` over N: in its own type for 64 pixels, in `dtype` beyond."""
    shape = tf.shape(values)
    wide = [shape[0], -1, _CHAIN, _LANES * shape[2]]
    chains = tf.reduce_sum(tf.reshape(fill(values, _CHAIN * _LANES, 0), wide), 2)
    return tf.reduce_sum(tf.cast(tf.reshape(chains, [shape[0], -1, shape[2]]), dtype), 1)


def _has_gpu() -> bool:
    # A GPU is fastest on the plain formulation, and its weighted bincount adds in no fixed order.
    return bool(tf.config.list_physical_devices("GPU"))


def _labels(ids: tf.Tensor) -> tf.Tensor:
    """Ids as int32; those that do not fit, and negative ones, are -1."""
    if ids.dtype in {tf.int64, tf.uint32, tf.uint64}:
        wide = tf.cast(ids, tf.int64)
        ids = tf.where(wide > tf.int32.max, tf.cast(-1, tf.int64), wide)
    return tf.cast(ids if ids.dtype.is_unsigned else tf.maximum(ids, -1), tf.int32)


def fill(values: tf.Tensor, multiple: int, filler: int) -> tf.Tensor:
    """Pad axis 1 of `[B, N, ...]` to a multiple; where it is one already, nothing is copied."""
    missing = -tf.shape(values)[1] % multiple
    paddings = [[0, 0], [0, missing], *([[0, 0]] * (values.shape.rank - 2))]
    return tf.pad(values, paddings, constant_values=filler)


def _tiled(probs: tf.Tensor, labels: tf.Tensor, valid: tf.Tensor | None) -> Overlap:
    batch, classes = tf.shape(probs)[0], probs.shape[-1]
    if valid is not None:
        labels = tf.where(valid, labels, overlap_tiles.UNCOUNTED)
    row = overlap_tiles.ROW
    counts, own, moments = overlap_tiles.tiled_sums(
        tf.reshape(fill(probs, row, 0), [-1, row, classes]),
        tf.reshape(fill(labels, row, overlap_tiles.UNCOUNTED), [-1, row]),
        masked=valid is not None,
    )

    def total(rows: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        samples = tf.reshape(rows, tf.concat([[batch, -1], tf.shape(rows)[1:]], 0))
        return tf.reduce_sum(tf.cast(samples, dtype), 1)

    pixels = tf.ensure_shape(total(counts, tf.int64), [None, classes + 1, classes])
    soft = tf.reduce_sum(total(moments, tf.complex128), 1)
    return Overlap(
        tf.linalg.diag_part(pixels[:, :classes]),
        tf.reduce_sum(pixels, 1),
        tf.reduce_sum(pixels[:, :classes], 2),
        tf.reduce_sum(total(own, tf.float64)[:, :classes], 2),
        tf.math.real(soft),
        tf.math.imag(soft),
    )


def _dense(
    probs: tf.Tensor, truth: tf.Tensor, valid: tf.Tensor | None, *, exclusive: bool, threshold: float
) -> Overlap:
    """Sum boolean masks of every class; right everywhere, and what the tiles are tested against."""
    probs = tf.cast(probs, tf.float32)
    classes = tf.shape(probs)[-1]
    if exclusive:
        hard = tf.argmax(probs, -1, output_type=tf.int32)[..., None] == tf.range(classes)
    else:
        hard = probs > threshold
    if valid is not None:
        counts = valid[..., None]
        truth, hard = truth & counts, hard & counts
        probs = tf.where(counts, probs, 0.0)

    masks = (tf.cast(mask, tf.float32) for mask in (truth & hard, hard, truth))
    pixels = (sum_pixels(mask, tf.int64) for mask in masks)
    soft = (sum_pixels(values, tf.float64) for values in (tf.where(truth, probs, 0.0), probs, probs * probs))
    return Overlap(*pixels, *soft)
