"""Keras metrics over the counts of `dice.overlap`, the same sums that the evaluation stores."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from . import dice
from .kernels.inputs import FromLogits, InputOptions, prepare, whole_ids


@keras.saving.register_keras_serializable(package="dicebeam")
class DiceCoefficient(keras.metrics.Metric):
    """Hard Dice 2 TP / (2 TP + FP + FN) of each class, averaged over samples or pooled over pixels.

    Counts are int64: float32 cannot count past 2^24. A sample in whose truth and prediction a class is absent
    stays out of the mean of that class, and a class absent everywhere out of the mean over the classes; where
    nothing is left, the result is NaN.

    Args:
        classes: C, of y_pred; 1 for one sigmoid channel.
        average: "samples": mean over the samples of Dice; "pooled": Dice of the sums over all samples.
        threshold: None: the prediction is the argmax. Else every channel on its own, where p > threshold.
        include_background: False leaves class 0 out.
        per_class: the result is a dict from `<name>_<class>` to the Dice of the class, not their mean.
        from_logits: False, "sigmoid" or "softmax", as in `kernels.inputs.prepare`, as are the next two.
        class_axis: False for y_pred `[B, *S]` of one sigmoid channel.
        ignore_labels: ids whose pixels do not count.
        name: of the metric, the default is "dice".
        dtype: of the result.

    `update_state` takes class ids `[B, *S]`, or classes `[B, *S, C]`, true where over 0.5; and
    `sample_weight` `[B]`, which weighs the Dice of a sample, or, where pooled, its counts.

    Raises:
        ValueError: no threshold and one class; an unknown average; inputs that `prepare` refuses.
    """

    def __init__(  # noqa: PLR0913 one keyword for each published choice
        self,
        classes: int,
        *,
        average: Literal["samples", "pooled"] = "samples",
        threshold: float | None = None,
        include_background: bool = True,
        per_class: bool = False,
        from_logits: FromLogits = False,
        class_axis: bool = True,
        ignore_labels: Sequence[int] = (),
        name: str = "dice",
        dtype: str | None = None,
    ) -> None:
        """Check and add the state."""
        super().__init__(name=name, dtype=dtype)
        if average not in {"samples", "pooled"}:
            raise ValueError(f"Expected average 'samples' or 'pooled', but got {average!r}.")
        if classes == 1 and threshold is None:
            raise ValueError("Expected a threshold for one class, but got None: its argmax is always 0.")
        if classes == 1 and not include_background:
            raise ValueError("Expected two classes or more beside include_background=False, but got one.")
        self.classes, self.average, self.threshold = classes, average, threshold
        self.include_background, self.per_class = include_background, per_class
        self.inputs: InputOptions = {
            "from_logits": from_logits,
            "class_axis": class_axis,
            "ignore_labels": list(ignore_labels),
        }
        self._add_state()

    def _add_state(self) -> None:
        def add(name: str, shape: tuple[int, ...], dtype: str) -> keras.Variable:
            return self.add_variable(shape, "zeros", dtype=dtype, name=name)

        if self.average == "pooled":
            # Rows: true positives; pixels of prediction and truth. Weighted samples are not whole pixels.
            self.pixels = add("pixels", (2, self.classes), "int64")
            self.weighted_pixels = add("weighted_pixels", (2, self.classes), "float64")
        else:
            self.total = add("total", (self.classes,), "float64")
            self.weight = add("weight", (self.classes,), "float64")

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Add a batch."""
        pixels = prepare(whole_ids(y_true, y_pred, self.inputs), y_pred, **self.inputs)
        sums = dice.overlap(
            tf.ensure_shape(pixels.probabilities, [None, None, self.classes]),
            pixels.truth > 0.5,  # noqa: PLR2004
            exclusive=self.threshold is None,
            valid=pixels.valid,
            threshold=0.5 if self.threshold is None else self.threshold,
        )
        weights = None if sample_weight is None else tf.reshape(tf.cast(sample_weight, tf.float64), [-1, 1])
        if self.average == "pooled":
            self._add_pixels(sums, weights)
        else:
            self._add_samples(sums, weights)

    def _add_pixels(self, sums: dice.Overlap, weights: tf.Tensor | None) -> None:
        pixels = tf.stack([sums.true_positives, sums.predicted + sums.actual])
        if weights is None:
            self.pixels.assign_add(tf.reduce_sum(pixels, 1))
        else:
            self.weighted_pixels.assign_add(tf.reduce_sum(tf.cast(pixels, tf.float64) * weights, 1))

    def _add_samples(self, sums: dice.Overlap, weights: tf.Tensor | None) -> None:
        size = tf.cast(sums.predicted + sums.actual, tf.float64)
        kept = tf.cast(size > 0, tf.float64) * (1.0 if weights is None else weights)
        ratio = dice.dice_ratio(tf.cast(sums.true_positives, tf.float64), size)
        self.total.assign_add(tf.reduce_sum(ratio * kept, 0))
        self.weight.assign_add(tf.reduce_sum(kept, 0))

    def result(self) -> tf.Tensor | dict[str, tf.Tensor]:
        """Mean over the classes, or the dict of them."""
        if self.average == "pooled":
            hits, below = tf.unstack(tf.cast(self.pixels.value, tf.float64) + self.weighted_pixels.value)
            values = dice.dice_ratio(hits, below)
        else:
            below = tf.convert_to_tensor(self.weight.value)
            values = tf.math.divide_no_nan(tf.convert_to_tensor(self.total.value), below)
        defined = below > 0
        values = tf.where(defined, values, float("nan"))
        first = 0 if self.include_background else 1
        if self.per_class:
            return {f"{self.name}_{c}": tf.cast(values[c], self.dtype) for c in range(first, self.classes)}
        values, count = values[first:], tf.reduce_sum(tf.cast(defined[first:], tf.float64))
        total = tf.reduce_sum(tf.where(defined[first:], values, 0.0))
        return tf.cast(tf.where(count > 0, total / tf.maximum(count, 1.0), float("nan")), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Every keyword, so that the metric can be rebuilt."""
        names = ("classes", "average", "threshold", "include_background", "per_class")
        return {**super().get_config(), **self.inputs, **{name: getattr(self, name) for name in names}}
