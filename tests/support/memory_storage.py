"""Buckets in memory in the place of real ones: no folders, and an object appears as a whole."""

import io
from typing import Any

import pytest

from dicebeam.components.storage import globs, object_stores
from dicebeam.components.storage.object_stores import Stored

WRITTEN = 1_800_000_000.0
"""When everything was written, Unix time."""


def install(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Put them there; gives what is in every bucket, by path."""
    files: dict[str, bytes] = {}

    def put(file: Any, path: str) -> None:
        file.seek(0)
        files[path] = file.read()

    def put_if_absent(data: bytes, path: str) -> bool:
        return files.setdefault(path, data) is data

    def put_new(file: Any, path: str) -> bool:
        file.seek(0)
        return path not in files and files.setdefault(path, data := file.read()) is data

    def listed(pattern: str, *, dotted: bool = False) -> list[Stored]:
        wanted = globs.parts(pattern, dotted=dotted)
        found = [(path, data) for path, data in sorted(files.items()) if globs.fits(wanted, path.split("/"))]
        return [Stored(path, len(data), WRITTEN) for path, data in found]

    def opened(path: str) -> io.BytesIO:
        if path not in files:
            raise FileNotFoundError(path)
        return io.BytesIO(files[path])

    def rename(source: str, destination: str) -> None:
        files[destination] = files.pop(source)

    monkeypatch.setattr(object_stores, "put", put)
    monkeypatch.setattr(object_stores, "put_if_absent", put_if_absent)
    monkeypatch.setattr(object_stores, "put_new", put_new)
    monkeypatch.setattr(object_stores, "listed", listed)
    monkeypatch.setattr(object_stores, "opened", opened)
    monkeypatch.setattr(object_stores, "exists", files.__contains__)
    monkeypatch.setattr(object_stores, "delete", lambda path: files.pop(path, None))
    monkeypatch.setattr(object_stores, "rename", rename)
    return files
