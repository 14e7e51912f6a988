"""Fingerprints: whether two runs used the same model, and the same transform.

Every file below the folder counts, whatever its name, `assets/.vocab` too. Only what Finder leaves in any folder that
it shows, `.DS_Store` and `._*`, is no part of a model: it may come and go.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...schemas.errors import ModelError
from ...schemas.files import StoredFile
from ...schemas.transform import GRAPH, PARTS
from ..storage import filesystems

MODEL_GRAPH = "saved_model.pb"
_CHUNK = 16 << 20
_FINDER, _FINDER_BEGINS = ".DS_Store", "._"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What was read of a SavedModel folder in one pass: `graph` are the bytes of its graph file that were hashed."""

    fingerprint: str
    graph: bytes


def model_fingerprint(path: str, called: str | None = None) -> str:
    """SHA-256 over names and contents of every file in a SavedModel folder.

    Args:
        path: of the folder.
        called: what messages call it, where the folder is a copy.

    Raises:
        ModelError: if there is nothing at the path, or it cannot be read.
    """
    return _fingerprint(f"model {called or path}", path, ("",), "expected a SavedModel folder")


def read_model(path: str) -> ModelFiles:
    """The fingerprint of a SavedModel folder, and the graph that it is of, so that both are of the same bytes.

    Raises:
        ModelError: if there is no SavedModel at the path, or it cannot be read.
    """
    try:
        with filesystems.reading_stored(f"{path.rstrip('/')}/{MODEL_GRAPH}"):
            pass  # before all that is below a wrong folder is read
    except OSError as error:
        raise no_model(path, error) from error
    graph: list[bytes] = []

    def keep(name: str, chunk: bytes) -> None:
        if name == MODEL_GRAPH:
            graph.append(chunk)

    found = _fingerprint(f"model {path}", path, ("",), "expected a SavedModel folder", keep)
    return ModelFiles(found, b"".join(graph))


def no_model(path: str, why: Exception) -> ModelError:
    """The error of a folder that is no SavedModel."""
    return ModelError(f"expected a SavedModel folder (with saved_model.pb) at {path!r}, but it cannot be read: {why}")


def transform_fingerprint(path: str, called: str | None = None) -> str:
    """SHA-256 over names and contents of every file that decides what a transform does.

    These are the graph and the raw metadata; what else tensorflow-transform and TFX leave in the folder is not read.

    Args:
        path: of the folder.
        called: what messages call it, where the folder is a copy.

    Raises:
        ModelError: if there is no graph at the path, or it cannot be read.
    """
    return _fingerprint(
        f"transform {called or path}", path, PARTS, f"expected the folder {GRAPH}/ of a tensorflow-transform graph"
    )


def files_of(root: str, part: str) -> list[StoredFile]:
    """The files below a part of a folder that are in its fingerprint, sorted by path.

    Args:
        root: the folder.
        part: its part, `""` for all of it.
    """
    found = filesystems.below(f"{root.rstrip('/')}/{part}", "**", dotted=True)
    return [file for file in found if not _of_finder(file.path.rpartition("/")[2])]


def _of_finder(name: str) -> bool:
    return name == _FINDER or name.startswith(_FINDER_BEGINS)


def _fingerprint(
    what: str,
    path: str,
    parts: Sequence[str],
    expected: str,
    each: Callable[[str, bytes], None] = lambda _name, _chunk: None,
) -> str:
    """The fingerprint; `each` is given every chunk of every file, with the file's name below the folder."""
    root = filesystems.absolute(path).rstrip("/") + "/"
    digest = hashlib.sha256()
    try:
        found = [files_of(root, part) for part in parts]
        for file in (file for files in found for file in files):
            name = file.path[len(root) :]
            digest.update(f"{name}\0{file.size_bytes}\0".encode(errors="surrogateescape"))
            with filesystems.reading_stored(file.path) as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
                    each(name, chunk)
    except OSError as error:
        msg = f"{what}: cannot be read: {error}"
        raise ModelError(msg) from error
    if not found[0]:
        msg = f"{what}: {expected}, but there is nothing"
        raise ModelError(msg)
    return digest.hexdigest()
