"""Targets and predictions of every accepted form, checked and brought to one form."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

import tensorflow as tf

FromLogits = Literal[False, "sigmoid", "softmax"]


class InputOptions(TypedDict, total=False):
    """The keywords of `prepare`, which says what they mean."""

    from_logits: FromLogits
    class_axis: bool
    ignore_labels: Sequence[int]
    debug: bool


class Pixels(NamedTuple):
    """Truth and prediction of the same pixels, float32 or float64.

    truth, probabilities  `[B, N, C]`; 0 where not valid
    logits                `[B, N, C]`, or None if probabilities were given
    valid                 bool `[B, N]`, the pixels that count, or None for all
    """

    truth: tf.Tensor
    probabilities: tf.Tensor
    logits: tf.Tensor | None
    valid: tf.Tensor | None


def prepare(
    y_true: tf.Tensor,
    y_pred: tf.Tensor,
    *,
    from_logits: FromLogits = False,
    class_axis: bool = True,
    ignore_labels: Sequence[int] = (),
    debug: bool = False,
) -> Pixels:
    """Check and flatten.

    Args:
        y_true: class ids, integer `[B, *S]`; or one-hot, multi-hot or soft `[B, *S, C]` in [0, 1]. Where C
            is 1, id 1 is the class of the channel and 0 is not.
        y_pred: float `[B, *S, C]`, probabilities, or logits of which `from_logits` names the activation.
        from_logits: False, "sigmoid" or "softmax".
        class_axis: False for one sigmoid channel without its axis: both arguments are `[B, *S]`, y_true ids
            or floats.
        ignore_labels: ids whose pixels do not count.
        debug: also check in graphs that probabilities and soft targets lie in [0, 1]; in eager mode this is
            always checked. XLA drops checks.

    Raises:
        ValueError: the shapes, types or the activation do not fit; and, in eager mode, ids or values out of
            range. In a graph those are a `tf.errors.InvalidArgumentError` when it runs.
    """
    if from_logits not in {False, "sigmoid", "softmax"}:
        raise ValueError(f"Expected from_logits False, 'sigmoid' or 'softmax', but got {from_logits!r}.")
    y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
    if not class_axis:
        _same_shape(y_true, y_pred)
        y_true, y_pred = y_true if y_true.dtype.is_integer else y_true[..., None], y_pred[..., None]
    has_ids = _has_ids(y_true, y_pred)
    if from_logits == "softmax" and y_pred.shape[-1] == 1:
        raise ValueError("Expected two classes or more for a softmax, but got one: it is 1 everywhere.")
    if ignore_labels and not has_ids:
        raise ValueError("Expected integer class ids in y_true beside ignore_labels, but got classes.")
    shape = tf.shape(y_pred)
    flat = [shape[0], tf.reduce_prod(shape[1:-1]), shape[-1]]
    values = tf.reshape(tf.cast(y_pred, _wide(y_pred.dtype)), flat)
    truth, valid = _truth(y_true, flat, ignore_labels, values.dtype, has_ids=has_ids)
    if not has_ids:
        truth = _within_unit(truth, "y_true", debug=debug)
    if not from_logits:
        return Pixels(truth, _within_unit(_keep(values, valid), "y_pred", debug=debug), None, valid)
    # Masked before the activation too: a NaN in a pixel that does not count must not reach the gradient.
    values = _keep(values, valid)
    probs = tf.sigmoid(values) if from_logits == "sigmoid" else tf.nn.softmax(values)
    return Pixels(truth, _keep(probs, valid), values, valid)


def whole_ids(y_true: tf.Tensor, y_pred: tf.Tensor, inputs: InputOptions) -> tf.Tensor:
    """Class ids of which Keras has made floats, as integers again; other targets as they are.

    A fraction is no id: it becomes -1, which `prepare` refuses.
    """
    y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
    class_axis = inputs.get("class_axis", True)
    are_ids = y_true.shape.rank == y_pred.shape.rank - 1 if class_axis else inputs.get("ignore_labels")
    if not (are_ids and y_true.dtype.is_floating):
        return y_true
    return tf.cast(tf.where(y_true == tf.floor(y_true), y_true, -1), tf.int32)


def _keep(values: tf.Tensor, valid: tf.Tensor | None) -> tf.Tensor:
    return values if valid is None else tf.where(valid[..., None], values, tf.zeros([], values.dtype))


def _wide(dtype: tf.DType) -> tf.DType:
    if not dtype.is_floating:
        raise ValueError(f"Expected y_pred of a floating type, but got {dtype.name}.")
    return tf.float64 if dtype == tf.float64 else tf.float32


def _same_shape(y_true: tf.Tensor, y_pred: tf.Tensor) -> None:
    if not y_true.shape.is_compatible_with(y_pred.shape):
        raise ValueError(
            f"Expected y_true and y_pred of the same shape, but got {y_true.shape} and {y_pred.shape}, which "
            "would broadcast or disagree."
        )


def _has_ids(y_true: tf.Tensor, y_pred: tf.Tensor) -> bool:
    """Whether y_true are class ids; refuses what is neither ids nor classes of y_pred."""
    if y_true.shape.rank is None or y_pred.shape.rank is None:
        raise ValueError("Expected y_true and y_pred of known rank.")
    if y_pred.shape.rank < 2:  # noqa: PLR2004
        raise ValueError(f"Expected y_pred of shape [batch, ..., classes], but got {y_pred.shape}.")
    if y_true.shape.rank == y_pred.shape.rank:
        if y_true.shape[-1] == 1 and y_pred.shape[-1] not in {1, None}:
            raise ValueError(
                f"Expected {y_pred.shape[-1]} classes in y_true, but got shape {y_true.shape}: class ids "
                "have no class axis, squeeze it."
            )
        _same_shape(y_true, y_pred)
        return False
    if not y_true.shape.is_compatible_with(y_pred.shape[:-1]):
        raise ValueError(
            f"Expected y_true of shape {y_pred.shape[:-1]} (class ids) or {y_pred.shape}, but got {y_true.shape}."
        )
    if not (y_true.dtype.is_integer or y_true.dtype == tf.bool):
        raise ValueError(
            f"Expected integer class ids in y_true of shape {y_true.shape} beside y_pred of shape "
            f"{y_pred.shape}, but got {y_true.dtype.name}."
        )
    return True


def _truth(
    y_true: tf.Tensor, flat: list[tf.Tensor], ignored: Sequence[int], dtype: tf.DType, *, has_ids: bool
) -> tuple[tf.Tensor, tf.Tensor | None]:
    if not has_ids:
        return tf.reshape(tf.cast(y_true, dtype), flat), None
    ids = tf.reshape(tf.cast(y_true, tf.int64), flat[:2])
    valid = None
    for label in ignored:
        valid = ids != label if valid is None else valid & (ids != label)
    ids = _known(ids, valid, tf.cast(tf.maximum(flat[2], 2), tf.int64))
    # One channel is class 1.
    classes = tf.range(flat[2]) + tf.cast(flat[2] == 1, tf.int32)
    hot = tf.cast(tf.cast(ids, tf.int32)[..., None] == classes, dtype)
    return _keep(hot, valid), valid


def _known(ids: tf.Tensor, valid: tf.Tensor | None, classes: tf.Tensor) -> tf.Tensor:
    """Ids, checked; those that do not count are free."""
    strange = (ids < 0) | (ids >= classes)
    if valid is not None:
        strange &= valid
    message = "Expected class ids in 0..classes-1, or ignored ones, but got"
    if tf.executing_eagerly():
        if tf.reduce_any(strange):
            found = sorted(set(tf.boolean_mask(ids, strange).numpy().tolist()))
            raise ValueError(f"{message} {', '.join(map(str, found[:10]))} with {classes} classes.")
        return ids
    low = tf.reduce_min(tf.where(strange, ids, tf.int64.max))
    high = tf.reduce_max(tf.where(strange, ids, tf.int64.min))
    within = tf.debugging.Assert(~tf.reduce_any(strange), [message, low, "to", high])
    with tf.control_dependencies([within]):
        return tf.identity(ids)


def _within_unit(values: tf.Tensor, name: str, *, debug: bool) -> tf.Tensor:
    """Values, checked: a softmax may exceed 1 by its rounding."""
    eager = tf.executing_eagerly()
    if not (eager or debug):
        return values
    low, high = tf.reduce_min(values), tf.reduce_max(values)
    message = f"Expected {name} in [0, 1] (of logits, name the activation in from_logits), but got values"
    # An empty array has the extremes inf and -inf, which pass; NaN does not.
    within = (low >= 0) & (high <= 1 + 1e-5)
    if eager:
        if not within:
            raise ValueError(f"{message} from {float(low):g} to {float(high):g}.")
        return values
    with tf.control_dependencies([tf.debugging.Assert(within, [message, "from", low, "to", high])]):
        return tf.identity(values)
