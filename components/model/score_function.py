"""The model and the Dice sums as one `tf.function`: B x C numbers come back, not B x H x W x C.

images -> prediction at the mask's own size -> sums
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import tensorflow as tf

from ...schemas.config.labels import LabelSettings
from ...schemas.config.model import ModelSettings
from .. import dice
from .agreement import Agreement
from .prediction import predict_function
from .transforms import Apply


class Scores(NamedTuple):
    """What one batch gives: the sums, pixel counts `[B]`, and what tells a wrong activation.

    low, high: smallest and largest probability of each sample, or class id where those come out, `[B]`.
    channels: of the output.
    fits: whether the output had a prediction for each mask; nothing here means anything where it had not.
    shape: of the output as the model gave it, `[rank]`.
    """

    overlap: dice.Overlap
    pixels: tf.Tensor
    ignored_pixels: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    channels: tf.Tensor
    fits: tf.Tensor
    shape: tf.Tensor


ScoreFunction = Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], Scores]


def _count(pixels: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(tf.reshape(pixels, [batch, -1]), axis=1)


def _limits(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    flat = tf.cast(tf.reshape(values, [tf.shape(values)[0], -1]), tf.float32)
    return tf.reduce_min(flat, 1), tf.reduce_max(flat, 1)


def _spec(tensor: tf.Tensor, channels: int = 0) -> tf.TensorSpec:
    """Free batch and sizes; the last axis is free too unless it is of a fixed number of channels."""
    shape: list[int | None] = [None] * len(tensor.shape)
    if channels:
        shape[-1] = channels
    return tf.TensorSpec(shape, tensor.dtype)


def _traced(score: ScoreFunction, *specs: tf.TensorSpec) -> Callable[..., Scores]:
    """A function of as many tensors: with a default for another, TensorFlow would bind each call in vain.

    It has a name, without which TensorFlow's errors are other texts.
    """

    def score_all(images: tf.Tensor, masks: tf.Tensor) -> Scores:
        return score(images, masks, None)

    function = score if len(specs) == 3 else score_all  # noqa: PLR2004
    return tf.function(function, input_signature=list(specs), autograph=False).get_concrete_function()  # type: ignore[no-any-return]


def score_function(
    signature: Callable[..., dict[str, tf.Tensor]],
    agreement: Agreement,
    settings: ModelSettings,
    labels: LabelSettings,
    transform: Apply | None = None,
) -> ScoreFunction:
    """The whole chain for one signature.

    Returns:
        A function of images (`[B, *S, channels]` of any dtype, or string `[B]`), masks (class ids `[B, *S]` or
        bool `[B, *S, C]`) and ignored (bool `[B, *S]`, or None where the masks say it). It is traced once for
        each dtype and rank, not for each size or number of channels, and a trace is never freed.
    """
    rank = agreement.spatial_rank
    predict = predict_function(signature, agreement, settings, len(labels.classes), transform)

    @cache
    def largest_value(dtype: tf.DType) -> tf.Variable:
        return tf.Variable(float(dtype.max) if dtype.is_integer else 1.0, trainable=False)

    def score(images: tf.Tensor, masks: tf.Tensor, ignored: tf.Tensor | None) -> Scores:
        probs, output, fits, shape = predict(images, masks, largest_value(images.dtype))
        if masks.dtype == tf.bool:
            targets, valid = masks, None if ignored is None else ~ignored
        else:
            valid = tf.not_equal(masks, labels.ignored)
            targets = masks[..., tf.newaxis] == 1 if agreement.scored == (1,) else masks
        sums = dice.overlap(probs, targets, exclusive=settings.exclusive, valid=valid, threshold=settings.threshold)
        ignored_pixels = _count(~valid, tf.shape(masks)[0]) if valid is not None else tf.zeros_like(sums.actual[:, 0])
        pixels = tf.zeros_like(ignored_pixels) + tf.reduce_prod(tf.shape(masks, tf.int64)[1 : 1 + rank])
        low, high = _limits(output if settings.output_kind == "class_ids" else probs)
        return Scores(sums, pixels, ignored_pixels, low, high, tf.shape(probs)[-1], fits, shape)

    @cache
    def traced(*specs: Any) -> Callable[..., Scores]:  # noqa: ANN401 - TensorSpecs
        largest_value(specs[0].dtype)  # made before the trace; a trace that makes a variable is done twice
        return _traced(score, *specs)

    def call(images: tf.Tensor, masks: tf.Tensor, ignored: tf.Tensor | None) -> Scores:
        given = [images, masks] if ignored is None else [images, masks, ignored]
        has_channels = len(images.shape) == rank + 2 and agreement.channels
        of_classes = masks.shape[-1] if masks.dtype == tf.bool else 0  # one channel a class, in every mask
        specs = [_spec(images, images.shape[-1] if has_channels else 0), _spec(masks, of_classes)]
        specs += [_spec(tensor) for tensor in given[2:]]
        return traced(*specs)(*given)

    return call
