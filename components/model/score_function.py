"""The model and the Dice sums as one `tf.function`: B x C numbers come back, not B x H x W x C.

images -> dtype, scale, size -> signature -> activation -> the mask's own size -> sums
tf.Examples -> transform -------^
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import tensorflow as tf

from ...schemas.config.labels import LabelSettings
from ...schemas.config.model import ModelSettings
from .. import dice
from .signatures import Agreement
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


def prepare(images: tf.Tensor, agreement: Agreement, scale: str, largest: tf.Tensor) -> tf.Tensor:
    """Images as the signature takes them: resized (bilinear), scaled and cast.

    Args:
        images: `[B, *S, channels]`.
        agreement: what the signature takes.
        scale: `unit` (0..1), `signed` (-1..1) or `none`, for integer images and float models.
        largest: largest value of the images' dtype, float32. Inside a graph it must not be a constant: the graph
            optimizer turns division by a constant into multiplication by its reciprocal, which is not `value / 255`
            in the last bit and flips pixels.

    Raises:
        tf.errors.InvalidArgumentError: for values that an integer input cannot hold; a cast would wrap them.
    """
    dtype = tf.dtypes.as_dtype(agreement.input_dtype)
    source = images.dtype
    if agreement.size is not None and agreement.spatial_rank == 2:  # noqa: PLR2004
        images = _resized(tf.cast(images, tf.float32), tf.constant(agreement.size))
    if source.is_integer and dtype.is_floating and scale != "none":
        images = tf.cast(images, tf.float32) / largest
        if scale == "signed":
            images = images * 2.0 - 1.0
    elif dtype.is_integer:
        images = tf.round(images) if images.dtype.is_floating else images
        if not (source.is_integer and dtype.min <= source.min and source.max <= dtype.max):
            fits = (images >= tf.cast(dtype.min, images.dtype)) & (images <= tf.cast(dtype.max, images.dtype))
            text = f"the images are {source.name} and hold values that an input of {dtype.name} cannot"
            tf.debugging.Assert(tf.reduce_all(fits), [text])
    return tf.cast(images, dtype)


def inputs(
    images: tf.Tensor, agreement: Agreement, settings: ModelSettings, largest: tf.Tensor, transform: Apply | None
) -> dict[str, tf.Tensor]:
    """What the signature takes, by name.

    Args:
        images: `[B, *S, channels]`, or string `[B]`.
        agreement: what the signature takes.
        settings: how it is fed.
        largest: as for `prepare`.
        transform: makes the inputs of serialized tf.Examples, where there is one.
    """
    if transform is not None:
        return transform(images)
    if settings.input.kind == "image":
        images = prepare(images, agreement, settings.input.scale, largest)
        if agreement.input_shape is not None:
            images = tf.ensure_shape(images, agreement.input_shape)
    return {agreement.input_name: images}


def right_shape(
    output: tf.Tensor, masks: tf.Tensor, rank: int, kind: str, n_classes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The output where it has a prediction for each mask, else zeros in its place; and which of the two.

    A smaller batch would broadcast, and another rank fail somewhere far from here. An assertion would race with the
    ops that it is to guard, so who reads the scores has to look.
    """
    static = output.shape
    if static.rank is None:
        static = tf.TensorShape([None] * (rank + (1 if kind == "class_ids" else 2)))
    shape, batch = tf.shape(output), tf.shape(masks)[:1]
    fits = (tf.size(shape) == static.rank) & tf.reduce_all(shape[:1] == batch) & tf.reduce_all(shape > 0)
    classes = [static[-1] or n_classes] if static.rank == rank + 2 else []
    zeros = tf.zeros(tf.concat([batch, [1] * rank + classes], 0), output.dtype)
    checked = tf.cond(fits, lambda: output, lambda: zeros)
    checked.set_shape([None] * (1 + rank) + list(static[1 + rank :]))
    return checked, fits


def probabilities(output: tf.Tensor, settings: ModelSettings, rank: int, n_classes: int) -> tf.Tensor:
    """The signature's output as float `[B, *S, C]` in [0, 1], whatever it was.

    Class ids become one-hot: a prediction without doubt. The activation of logits is taken in float32.
    """
    if settings.output_kind == "class_ids":
        ids = output[..., 0] if output.shape.rank == rank + 2 else output
        return tf.one_hot(tf.cast(ids, tf.int32), n_classes, dtype=tf.float32)
    if output.shape.rank == rank + 1:
        output = output[..., tf.newaxis]
    output = tf.cast(output, tf.float32)
    if settings.output_kind == "softmax_logits":
        return tf.nn.softmax(output)
    if settings.output_kind == "sigmoid_logits":
        return tf.nn.sigmoid(output)
    return output


def at_mask_size(probs: tf.Tensor, masks: tf.Tensor, rank: int, method: str) -> tf.Tensor:
    """Probabilities resized to the mask's own size; a mask is never resized.

    Raises:
        tf.errors.InvalidArgumentError: for volumes whose sizes differ.
    """
    size = tf.shape(masks)[1 : 1 + rank]
    same = tf.reduce_all(tf.equal(tf.shape(probs)[1 : 1 + rank], size))
    if rank != 2:  # noqa: PLR2004
        check = tf.debugging.Assert(same, ["a volume's output has another size than its mask:", tf.shape(probs), size])
        with tf.control_dependencies([check]):
            return tf.identity(probs)
    return tf.cond(same, lambda: probs, lambda: _resized(probs, size, method))


def _count(pixels: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(tf.reshape(pixels, [batch, -1]), axis=1)


def _limits(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    flat = tf.cast(tf.reshape(values, [tf.shape(values)[0], -1]), tf.float32)
    return tf.reduce_min(flat, 1), tf.reduce_max(flat, 1)


def _spec(tensor: tf.Tensor) -> tf.TensorSpec:
    """Free batch and sizes; images and multi-label masks keep their channels, which models need to know."""
    shape = [None] * len(tensor.shape)
    if len(shape) > 3:  # noqa: PLR2004 - also a volume's class ids, whose width then makes a trace of its own
        shape[-1] = tensor.shape[-1]
    return tf.TensorSpec(shape, tensor.dtype)


def _resized(images: tf.Tensor, size: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    return tf.image.resize(images, size, method)


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
        each dtype and rank, not for each shape.
    """
    rank, n_classes = agreement.spatial_rank, len(labels.classes)

    @cache
    def largest_value(dtype: tf.DType) -> tf.Variable:
        return tf.Variable(float(dtype.max) if dtype.is_integer else 1.0, trainable=False)

    def score(images: tf.Tensor, masks: tf.Tensor, ignored: tf.Tensor | None) -> Scores:
        fed = inputs(images, agreement, settings, largest_value(images.dtype), transform)
        output = signature(**fed)[agreement.output_name]
        shape = tf.shape(output)
        output, fits = right_shape(output, masks, rank, settings.output_kind, n_classes)
        probs = probabilities(output, settings, rank, n_classes)
        method = "nearest" if settings.output_kind == "class_ids" else "bilinear"
        probs = at_mask_size(probs, masks, rank, method)
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
        specs = [_spec(tensor) for tensor in given]
        return traced(*specs)(*given)

    return call
