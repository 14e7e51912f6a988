"""Fingerprints: whether two runs used the same model, and the same transform."""

import hashlib
from collections.abc import Sequence

from ...schemas.errors import ModelError
from ...schemas.transform import GRAPH, PARTS
from ..storage import filesystems

_CHUNK = 16 << 20


def model_fingerprint(path: str) -> str:
    """SHA-256 over names and contents of every file in a SavedModel folder.

    Raises:
        ModelError: if there is nothing at the path, or it cannot be read.
    """
    return _fingerprint(f"model {path}", path, ("",), "expected a SavedModel folder")


def transform_fingerprint(path: str) -> str:
    """SHA-256 over names and contents of every file that decides what a transform does.

    These are the graph and the raw metadata; what else tensorflow-transform and TFX leave in the folder is not read.

    Raises:
        ModelError: if there is no graph at the path, or it cannot be read.
    """
    return _fingerprint(
        f"transform {path}", path, PARTS, f"expected the folder {GRAPH}/ of a tensorflow-transform graph"
    )


def _fingerprint(what: str, path: str, parts: Sequence[str], expected: str) -> str:
    root = filesystems.absolute(path).rstrip("/") + "/"
    digest = hashlib.sha256()
    try:
        found = [filesystems.below(f"{root}{part}", "**") for part in parts]
        for file in (file for files in found for file in files):
            digest.update(f"{file.path[len(root) :]}\0{file.size_bytes}\0".encode())
            with filesystems.reading_stored(file.path) as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
    except OSError as error:
        msg = f"{what}: cannot be read: {error}"
        raise ModelError(msg) from error
    if not found[0]:
        msg = f"{what}: {expected}, but there is nothing"
        raise ModelError(msg)
    return digest.hexdigest()
