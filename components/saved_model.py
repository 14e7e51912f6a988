"""A SavedModel on a worker: a local copy where it is remote, and loaded once the GPU's memory is left to others."""

import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from components import filesystems, fingerprints, gpus, own_folder
from components.signatures import Agreement
from schemas.devices import DeviceSettings
from schemas.errors import ModelError, StorageError
from schemas.labels import LabelSettings
from schemas.limits import BATCH_TIMEOUT_SECONDS
from schemas.model import ModelSettings


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What the scoring stage needs. `model_fingerprint` names the local copy of a remote model."""

    model: ModelSettings
    labels: LabelSettings
    agreement: Agreement
    model_fingerprint: str
    batch_timeout_seconds: float = BATCH_TIMEOUT_SECONDS
    devices: DeviceSettings = field(default_factory=DeviceSettings)


def local_copy(path: str, fingerprint: str) -> str:
    """A local folder with the model; a remote one is copied once for each machine and user, safely between processes.

    Raises:
        StorageError: if it cannot be copied, or is not the model of the fingerprint any more.
    """
    if not filesystems.is_remote(path):
        return path
    cache = own_folder.make("dicebeam-models")  # a SavedModel may read and write files
    target = cache / fingerprint
    if not target.is_dir():
        partial = cache / f".{fingerprint}.{uuid.uuid4().hex[:12]}"
        try:
            _copy(path, partial, fingerprint)
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first otherwise
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return str(target)


def _copy(path: str, partial: Path, fingerprint: str) -> None:
    filesystems.copy_folder(path, partial)
    if (found := fingerprints.model_fingerprint(str(partial))) != fingerprint:
        msg = (
            f"model {path}: expected the one that the run was planned with, of fingerprint {fingerprint[:12]}, but got "
            f"{found[:12]}: it was changed meanwhile. Evaluate the new one with another --run-id"
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
