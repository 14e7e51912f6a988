"""A SavedModel on a worker, and the transform before it, loaded once; the GPU's memory is left to others first."""

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from ...schemas.config.devices import DeviceSettings
from ...schemas.config.labels import LabelSettings
from ...schemas.config.limits import BATCH_TIMEOUT_SECONDS
from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError
from ..runtime import gpus
from . import local_copies, model_faults, transforms
from .agreement import Agreement
from .local_copies import load_transform


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What the scoring stage needs. The fingerprints are of what must be loaded, on whichever worker."""

    model: ModelSettings
    labels: LabelSettings
    agreement: Agreement
    model_fingerprint: str
    batch_timeout_seconds: float = BATCH_TIMEOUT_SECONDS
    transform_fingerprint: str | None = None
    devices: DeviceSettings = field(default_factory=DeviceSettings)


def load(settings: ScoreSettings) -> Any:  # noqa: ANN401 - TensorFlow's loaded object has no type
    """Load the SavedModel that the fingerprint is of.

    Raises:
        ModelError: if it cannot be loaded.
        StorageError: if another one is there now.
        DeviceError: if a GPU is required and there is none.
    """
    gpus.prepare(settings.devices)
    try:
        path, fingerprint = settings.model.path, settings.model_fingerprint
        return local_copies.load(path, fingerprint, local_copies.MODEL, tf.saved_model.load)
    except (OSError, tf.errors.OpError, ValueError) as error:
        said = model_faults.in_one_line(error)
        msg = f"model {settings.model.path}: expected a SavedModel, but it cannot be loaded: {said}"
        raise ModelError(msg) from error


def load_inputs(settings: ScoreSettings) -> transforms.Apply | None:
    """What makes a signature's inputs, by name, of serialized tf.Examples; None where there is no transform.

    Raises:
        ModelError: if the transform cannot be loaded.
        StorageError: if another one is there now.
    """
    if settings.transform_fingerprint is None:
        return None
    fed = dict(settings.agreement.fed)
    transform = load_transform(settings.model, settings.transform_fingerprint)
    features = transforms.function_of(transform, sorted(set(fed.values())))

    def inputs(serialized: tf.Tensor) -> transforms.Features:
        found = features(serialized)
        return {name: found[feature] for name, feature in fed.items()}

    return inputs
