"""Keras losses over the functions of `dice`: one value a sample, which Keras weights and reduces.

`model.compile(loss=losses.DiceCrossEntropy(from_logits="softmax"))`. Unlike `keras.losses.Dice`, whose sums
run over the batch unless `axis` is given, Dice is taken of each sample and class, and averaged then.

Targets are class ids `[B, *S]` or classes `[B, *S, C]`. Keras hands targets over as floats, so ids are those
without a class axis. `sample_weight` is `[B]`. The keywords are those of the functions.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from . import dice
from .kernels.inputs import FromLogits, InputOptions, whole_ids
from .kernels.reductions import class_mean


class _PerSample(keras.losses.Loss):
    """What the losses share: how inputs are read, and a config that holds every keyword."""

    def __init__(  # noqa: PLR0913 one keyword for each published choice
        self,
        *,
        from_logits: FromLogits = False,
        class_axis: bool = True,
        ignore_labels: Sequence[int] = (),
        debug: bool = False,
        include_background: bool = True,
        smooth: float = 1e-6,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.inputs: InputOptions = {
            "from_logits": from_logits,
            "class_axis": class_axis,
            "ignore_labels": list(ignore_labels),
            "debug": debug,
        }
        self.options: dict[str, Any] = {"include_background": include_background, "smooth": smooth}

    def get_config(self) -> dict[str, Any]:
        """Every keyword, so that the loss can be rebuilt."""
        return {**super().get_config(), **self.inputs, **self.options}

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The loss of each sample, `[B]`."""
        return self.per_sample(whole_ids(y_true, y_pred, self.inputs), y_pred)

    def per_sample(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """As `call`, ids being integers."""
        raise NotImplementedError


class _PerClass(_PerSample):
    """A loss of each class, of which the weighted mean is taken."""

    def __init__(self, *, class_weights: Sequence[float] | None = None, **common: Any) -> None:  # noqa: ANN401
        super().__init__(**common)
        self.class_weights = None if class_weights is None else list(class_weights)

    def get_config(self) -> dict[str, Any]:
        """Every keyword, so that the loss can be rebuilt."""
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable(package="dicebeam")
class Dice(_PerClass):
    """1 - soft Dice: `dice.dice_loss`."""

    def __init__(
        self,
        *,
        squared: bool = False,
        smooth_denominator: float | None = None,
        name: str | None = "dice",
        **common: Any,  # noqa: ANN401
    ) -> None:
        """Take the keywords of the function, and `name`, `reduction` and `dtype` as Keras does."""
        super().__init__(name=name, **common)
        self.options |= {"squared": squared, "smooth_denominator": smooth_denominator}

    def per_sample(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The mean over the classes, `[B]`."""
        values = dice.dice_loss(y_true, y_pred, reduction="none", **self.options, **self.inputs)
        return class_mean(values, self.class_weights)


@keras.saving.register_keras_serializable(package="dicebeam")
class Tversky(_PerClass):
    """Tversky and focal Tversky: `dice.tversky_loss`; alpha weighs false positives, beta false negatives."""

    def __init__(
        self,
        *,
        alpha: float = 0.5,
        beta: float = 0.5,
        gamma: float = 1.0,
        name: str | None = "tversky",
        **common: Any,  # noqa: ANN401
    ) -> None:
        """Take the keywords of the function, and `name`, `reduction` and `dtype` as Keras does."""
        super().__init__(name=name, **common)
        self.options |= {"alpha": alpha, "beta": beta, "gamma": gamma}

    def per_sample(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The mean over the classes, `[B]`."""
        values = dice.tversky_loss(y_true, y_pred, reduction="none", **self.options, **self.inputs)
        return class_mean(values, self.class_weights)


@keras.saving.register_keras_serializable(package="dicebeam")
class GeneralizedDice(_PerSample):
    """Dice of the classes together, rare ones weighing more: `dice.generalized_dice_loss`."""

    def __init__(
        self,
        *,
        class_power: float = 2.0,
        name: str | None = "generalized_dice",
        **common: Any,  # noqa: ANN401
    ) -> None:
        """Take the keywords of the function, and `name`, `reduction` and `dtype` as Keras does."""
        super().__init__(name=name, **common)
        self.options["class_power"] = class_power

    def per_sample(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One value a sample, `[B]`."""
        return dice.generalized_dice_loss(y_true, y_pred, reduction="none", **self.options, **self.inputs)


@keras.saving.register_keras_serializable(package="dicebeam")
class DiceCrossEntropy(_PerClass):
    """Weighted sum of Dice loss and cross-entropy: `dice.dice_cross_entropy_loss`."""

    def __init__(
        self,
        *,
        dice_weight: float = 1.0,
        cross_entropy_weight: float = 1.0,
        squared: bool = False,
        name: str | None = "dice_cross_entropy",
        **common: Any,  # noqa: ANN401
    ) -> None:
        """Take the keywords of the function, and `name`, `reduction` and `dtype` as Keras does."""
        super().__init__(name=name, **common)
        self.options |= {
            "dice_weight": dice_weight,
            "cross_entropy_weight": cross_entropy_weight,
            "squared": squared,
        }

    def per_sample(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One value a sample, `[B]`."""
        return dice.dice_cross_entropy_loss(
            y_true, y_pred, reduction="none", class_weights=self.class_weights, **self.options, **self.inputs
        )
