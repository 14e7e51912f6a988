"""A loaded model that predicts single samples again, as masks: what scoring counts, made visible."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas.config.labels import LabelSettings
from ...schemas.errors import SampleError
from ...schemas.records import Sample
from ..runtime import time_limit
from . import model_faults, prediction, saved_model
from .saved_model import ScoreSettings


@dataclass(frozen=True, slots=True)
class Predicted:
    """The hard prediction of one sample.

    hard: class ids `[*S]` where classes exclude each other, else bool `[*S, channels]`.
    scored: the class ids that have a channel.
    """

    hard: NDArray[Any]
    scored: tuple[int, ...]

    def of(self, class_id: int) -> NDArray[np.bool_]:
        """The pixels `[*S]` that are predicted to be of a class."""
        if self.hard.dtype != bool:
            return np.asarray(self.hard == class_id)
        return np.asarray(self.hard[..., self.scored.index(class_id)])


def truth(sample: Sample, class_id: int) -> NDArray[np.bool_]:
    """The pixels `[*S]` that are of a class."""
    if sample.mask.dtype == bool:
        return np.asarray(sample.mask[..., class_id])
    return np.asarray(sample.mask == class_id)


def ignored(sample: Sample, labels: LabelSettings) -> NDArray[np.bool_]:
    """The pixels `[*S]` that do not count."""
    if sample.mask.dtype == bool:
        return sample.ignored if sample.ignored is not None else np.zeros(sample.mask.shape[:-1], bool)
    return np.asarray(sample.mask == labels.ignored)


class Predictor:
    """A SavedModel, loaded once, that predicts one sample at a time."""

    def __init__(self, settings: ScoreSettings) -> None:
        """Load the model, and the transform before it where there is one.

        Raises:
            ModelError: if one of them cannot be loaded.
        """
        self._loaded = saved_model.load(settings)  # the signature's function holds the variables only weakly
        self._settings = settings
        agreement, classes = settings.agreement, settings.labels.classes
        signature, transform = self._loaded.signatures[agreement.signature], saved_model.load_inputs(settings)
        self._predict = prediction.predict_function(signature, agreement, settings.model, len(classes), transform)

    def predict(self, sample: Sample) -> Predicted:
        """The prediction of a sample at the size of its mask.

        Raises:
            SampleError: if the model fails on it, or gives no result in time.
        """
        seconds = self._settings.batch_timeout_seconds
        try:
            return time_limit.call(lambda: self._predicted(sample), seconds)
        except TimeoutError:
            msg = f"the model gave no result within batch_timeout_seconds, {seconds:g} s"
            raise SampleError(msg, stage=model_faults.STAGE) from None
        except (tf.errors.OpError, ValueError, MemoryError) as error:
            raise SampleError(f"the model failed: {model_faults.reason(error)}", stage=model_faults.STAGE) from error

    def _predicted(self, sample: Sample) -> Predicted:
        settings, agreement = self._settings.model, self._settings.agreement
        times = agreement.batch or 1
        images = tf.constant(np.stack([sample.image] * times)) if _is_array(sample) else tf.constant([sample.image])
        if not _is_array(sample):
            images = tf.repeat(images, times)
        masks = tf.constant(np.stack([sample.mask] * times))
        largest = tf.constant(float(images.dtype.max) if images.dtype.is_integer else 1.0, tf.float32)
        predicted = self._predict(images, masks, largest)
        if not predicted.fits:
            raise ValueError("its output does not have the shape of a prediction for this sample")
        found = predicted.probs[0].numpy()
        if settings.exclusive:
            return Predicted(np.argmax(found, axis=-1), agreement.scored)
        return Predicted(found > settings.threshold, agreement.scored)


def _is_array(sample: Sample) -> bool:
    return not isinstance(sample.image, bytes)
