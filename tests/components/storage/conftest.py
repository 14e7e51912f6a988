"""A bucket of each kind, behind a server on this machine; a folder with and without hard links."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dicebeam.components.storage import filesystems, object_stores
from tests.support import buckets
from tests.support.buckets import Store


@pytest.fixture(scope="module", params=buckets.KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with buckets.made(request.param, tmp_path_factory.mktemp("buckets")) as store:
        yield store


@pytest.fixture
def store(made: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty bucket whose clients give up soon."""
    monkeypatch.setattr(object_stores, "RETRY_SECONDS", 3.0)
    for name in made.names():
        filesystems.delete(f"{made.root}/{name}")
    made.faults.seen.clear()
    return made


@pytest.fixture(params=["link", "no links"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder, also of a file system that has no hard links."""

    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refused)
    return tmp_path
