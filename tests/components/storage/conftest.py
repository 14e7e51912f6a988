"""A bucket of each kind, behind a server on this machine."""

from collections.abc import Iterator

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
