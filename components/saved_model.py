"""A SavedModel on a worker: a local copy where it is remote, and loaded once the GPU's memory is left to others."""

import os
import shutil
import stat
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from components import filesystems, fingerprints
from components.signatures import Agreement
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


def local_copy(path: str, fingerprint: str) -> str:
    """A local folder with the model; a remote one is copied once for each machine and user, safely between processes.

    Raises:
        StorageError: if it cannot be copied, or is not the model of the fingerprint any more.
    """
    if not filesystems.is_remote(path):
        return path
    cache = Path(tempfile.gettempdir()) / f"dicebeam-models-{os.getuid()}"
    _make_own(cache)
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


def _make_own(cache: Path) -> None:
    """A folder that nobody else can put a model into: a SavedModel may read and write files."""
    cache.mkdir(mode=0o700, exist_ok=True)
    found = cache.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        msg = f"expected {cache} to be a folder that this user alone can write to; remove it, or set TMPDIR"
        raise StorageError(msg)


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
    """
    _grow_gpu_memory()
    try:
        return tf.saved_model.load(local_copy(settings.model.path, settings.model_fingerprint))
    except (OSError, tf.errors.OpError, ValueError) as error:
        msg = f"model {settings.model.path}: expected a SavedModel, but it cannot be loaded: {error}"
        raise ModelError(msg) from error


def _grow_gpu_memory() -> None:
    """Leave the GPU's memory to others until it is used; possible before the first GPU op only."""
    for gpu in tf.config.list_physical_devices("GPU"):
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, enable=True)
