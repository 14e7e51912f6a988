"""Local copies of remote models and transforms: made once for each machine and user, safely between processes."""

import shutil
import uuid
from pathlib import Path

from ...schemas.config.model import ModelSettings
from ...schemas.errors import StorageError
from ...schemas.transform import PARTS
from ..runtime import private_folder
from ..storage import filesystems
from . import fingerprints, transforms

MODEL, TRANSFORM = "model", "transform"
"""What is copied."""
_PARTS = {MODEL: ("",), TRANSFORM: PARTS}
_FINGERPRINTS = {MODEL: fingerprints.model_fingerprint, TRANSFORM: fingerprints.transform_fingerprint}


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


def load_transform(model: ModelSettings, fingerprint: str) -> transforms.Transform:
    """Load the transform that stands before a model; the settings must have one.

    Raises:
        ModelError: if it cannot be loaded.
    """
    path = model.input.transform or ""
    return transforms.load(local_copy(path, fingerprint, TRANSFORM), path)
