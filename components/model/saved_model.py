"""A SavedModel on a worker, and the transform before it: local copies of what is remote, loaded once.

The GPU's memory is left to others first.
"""

import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from ...schemas.config.devices import DeviceSettings
from ...schemas.config.labels import LabelSettings
from ...schemas.config.limits import BATCH_TIMEOUT_SECONDS
from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError, StorageError
from ...schemas.transform import PARTS
from ..runtime import gpus, private_folder
from ..storage import filesystems
from . import fingerprints, transforms
from .signatures import Agreement

MODEL, TRANSFORM = "model", "transform"
"""What is copied."""
_PARTS = {MODEL: ("",), TRANSFORM: PARTS}
_FINGERPRINTS = {MODEL: fingerprints.model_fingerprint, TRANSFORM: fingerprints.transform_fingerprint}


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What the scoring stage needs. The fingerprints name the local copies of what is remote."""

    model: ModelSettings
    labels: LabelSettings
    agreement: Agreement
    model_fingerprint: str
    batch_timeout_seconds: float = BATCH_TIMEOUT_SECONDS
    transform_fingerprint: str | None = None
    devices: DeviceSettings = field(default_factory=DeviceSettings)


def local_copy(path: str, fingerprint: str, what: str = MODEL) -> str:
    """A local folder with the model; a remote one is copied once for each machine and user, safely between processes.

    Args:
        path: of the model, or of the transform.
        fingerprint: of what is to be there.
        what: MODEL, or TRANSFORM.

    Raises:
        StorageError: if it cannot be copied, or is not what the fingerprint is of any more.
    """
    if not filesystems.is_remote(path):
        return path
    cache = private_folder.make("dicebeam-models")  # a SavedModel may read and write files
    target = cache / fingerprint
    if not target.is_dir():
        partial = cache / f".{fingerprint}.{uuid.uuid4().hex[:12]}"
        try:
            _copy(path, partial, fingerprint, what)
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first otherwise
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return str(target)


def _copy(path: str, partial: Path, fingerprint: str, what: str) -> None:
    for part in _PARTS[what]:
        filesystems.copy_folder(f"{path.rstrip('/')}/{part}" if part else path, partial / part)
    if (found := _FINGERPRINTS[what](str(partial))) != fingerprint:
        msg = (
            f"{what} {path}: expected the one that the run was planned with, of fingerprint {fingerprint[:12]}, but "
            f"got {found[:12]}: it was changed meanwhile. Evaluate the new one with another --run-id"
        )
        raise StorageError(msg)


def load(settings: ScoreSettings) -> Any:  # noqa: ANN401 - TensorFlow's loaded object has no type
    """Load the SavedModel.

    Raises:
        ModelError: if it cannot be loaded.
        DeviceError: if a GPU is required and there is none.
    """
    gpus.prepare(settings.devices)
    try:
        return tf.saved_model.load(local_copy(settings.model.path, settings.model_fingerprint))
    except (OSError, tf.errors.OpError, ValueError) as error:
        msg = f"model {settings.model.path}: expected a SavedModel, but it cannot be loaded: {error}"
        raise ModelError(msg) from error


def load_inputs(settings: ScoreSettings) -> transforms.Apply | None:
    """What makes a signature's inputs, by name, of serialized tf.Examples; None where there is no transform.

    Raises:
        ModelError: if the transform cannot be loaded.
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


def load_transform(model: ModelSettings, fingerprint: str) -> transforms.Transform:
    """Load the transform that stands before a model; the settings must have one.

    Raises:
        ModelError: if it cannot be loaded.
    """
    path = model.input.transform or ""
    return transforms.load(local_copy(path, fingerprint, TRANSFORM), path)
