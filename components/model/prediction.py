"""From images to probabilities at the masks' size: the chain that is scored, and that pictures are made of.

images -> dtype, scale, size -> signature -> activation -> the mask's own size
tf.Examples -> transform -------^
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ...schemas.config.model import ModelSettings
from .agreement import Agreement
from .transforms import Apply


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
        tf.errors.InvalidArgumentError: for values that the input cannot hold: a cast to integers would wrap them, and
            one to floats make them infinite.
    """
    dtype = tf.dtypes.as_dtype(agreement.input_dtype)
    source = images.dtype
    if agreement.size is not None and agreement.spatial_rank == 2:  # noqa: PLR2004
        images = _resized(tf.cast(images, tf.float32), tf.constant(agreement.size))
    if source.is_integer and dtype.is_floating and scale != "none":
        images = tf.cast(images, tf.float32) / largest
        if scale == "signed":
            images = images * 2.0 - 1.0
    return _cast(images, dtype, source)


def _cast(images: tf.Tensor, dtype: tf.DType, source: tf.DType) -> tf.Tensor:
    """Images, once of the dtype `source`, in another dtype: exact, or the nearest value where that is a float's."""
    given = images.dtype
    if dtype.is_integer and given.is_floating:
        images = tf.round(images)
    cast = tf.cast(images, dtype)
    if given in (tf.bool, dtype):
        return cast
    if dtype.is_floating:
        fits = tf.math.is_finite(cast) | ~_finite(images) if float(given.max) > float(dtype.max) else None
    elif given.is_floating:  # dtype.max itself may be no such float, but the number after it is a power of two
        fits = _finite(images) & (images >= float(dtype.min)) & (images < float(dtype.max + 1))
    else:  # limits outside of the other dtype would wrap in it, and nothing is beyond them
        fits = images >= dtype.min if given.min < dtype.min else None
        if given.max > dtype.max:
            fits = (images <= dtype.max) & (True if fits is None else fits)
    if fits is not None:
        text = f"the images are {source.name} and hold values that an input of {dtype.name} cannot"
        tf.debugging.Assert(tf.reduce_all(fits), [text])
    return cast


def _finite(values: tf.Tensor) -> tf.Tensor:
    return tf.math.is_finite(values) if values.dtype.is_floating else tf.ones_like(values, tf.bool)


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
    # volumes are never resized, so that zeros in the place of one have the size of its mask
    spatial = [1] * rank if rank == 2 else tf.shape(masks)[1 : 1 + rank]  # noqa: PLR2004
    zeros = tf.zeros(tf.concat([batch, spatial, classes], 0), output.dtype)
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


def _resized(images: tf.Tensor, size: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    return tf.image.resize(images, size, method)


class Prediction(NamedTuple):
    """What the model says of a batch.

    probs: float `[B, *S, C]` at the size of the masks. output: of the model, zeros where it does not fit.
    fits: whether it had a prediction for each mask; the rest means nothing where it had not.
    shape: of the output as the model gave it, `[rank]`.
    """

    probs: tf.Tensor
    output: tf.Tensor
    fits: tf.Tensor
    shape: tf.Tensor


Predict = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Prediction]
"""A function of images (`[B, *S, channels]` of any dtype, or string `[B]`), masks, and `largest` as for `prepare`."""


def predict_function(
    signature: Callable[..., dict[str, tf.Tensor]],
    agreement: Agreement,
    settings: ModelSettings,
    n_classes: int,
    transform: Apply | None,
) -> Predict:
    """The whole chain for one signature."""
    rank = agreement.spatial_rank

    def predict(images: tf.Tensor, masks: tf.Tensor, largest: tf.Tensor) -> Prediction:
        fed = inputs(images, agreement, settings, largest, transform)
        given = signature(**fed)[agreement.output_name]
        output, fits = right_shape(given, masks, rank, settings.output_kind, n_classes)
        probs = probabilities(output, settings, rank, n_classes)
        method = "nearest" if settings.output_kind == "class_ids" else "bilinear"
        return Prediction(at_mask_size(probs, masks, rank, method), output, fits, tf.shape(given))

    return predict
