"""Fingerprints: whether two runs used the same model."""

import hashlib

from components import filesystems
from schemas.errors import ModelError

_CHUNK = 16 << 20


def model_fingerprint(path: str) -> str:
    """SHA-256 over names and contents of every file in a SavedModel folder.

    Raises:
        ModelError: if there is nothing at the path, or it cannot be read.
    """
    root = filesystems.absolute(path).rstrip("/") + "/"
    digest = hashlib.sha256()
    try:
        files = filesystems.below(root, "**")
        for file in files:
            digest.update(f"{file.path[len(root) :]}\0{file.size_bytes}\0".encode())
            with filesystems.reading_stored(file.path) as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
    except OSError as error:
        msg = f"model {path}: cannot be read: {error}"
        raise ModelError(msg) from error
    if not files:
        msg = f"model {path}: expected a SavedModel folder, but there is nothing"
        raise ModelError(msg)
    return digest.hexdigest()
