"""Of several writers of one name exactly one creates the file, which is whole, on a disk and in buckets."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dicebeam.components.storage import exclusive_files, object_stores
from dicebeam.schemas.errors import StorageError
from tests.support.buckets import Store, uploads

WRITERS = 12


def race(path: str) -> list[bytes]:
    """What the winners have written, of writers that start together."""
    texts = [b"%d" % number * 3 for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(lambda data: exclusive_files.create(path, data), texts))
    return [data for data, winner in zip(texts, won, strict=True) if winner]


def test_a_file_is_created_once(disk: Path) -> None:
    assert exclusive_files.create(f"{disk}/a/b/f", b"one") is True
    assert exclusive_files.create(f"{disk}/a/b/f", b"two") is False
    assert [path.name for path in (disk / "a/b").iterdir()] == ["f"]
    assert (disk / "a/b/f").read_bytes() == b"one"


def test_exactly_one_of_many_writers_wins(disk: Path) -> None:
    for number in range(20):
        (winner,) = race(f"{disk}/f{number}")
        assert (disk / f"f{number}").read_bytes() == winner
    assert len(list(disk.iterdir())) == 20


def test_a_link_whose_answer_was_lost_is_known_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def link(source: Any, target: Any) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", link)
    assert exclusive_files.create(f"{tmp_path}/f", b"one") is True


@pytest.mark.parametrize("name", ["link", "fsync"])
def test_what_fails_leaves_nothing(disk: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, full)
    with pytest.raises(StorageError, match=r"/f cannot be written: No space left on device; free space there"):
        exclusive_files.create(f"{disk}/f", b"one")
    assert list(disk.iterdir()) == []


def test_an_object_is_created_once(store: Store) -> None:
    assert exclusive_files.create(f"{store.root}/a/f", b"one") is True
    assert exclusive_files.create(f"{store.root}/a/f", b"two") is False
    assert store.names() == ["a/f"]
    assert store.data("a/f") == b"one"


def test_exactly_one_of_many_writers_of_an_object_wins(store: Store) -> None:
    (winner,) = race(f"{store.root}/f")
    assert store.data("f") == winner


def test_an_object_whose_answer_was_lost_is_known_by_its_bytes(store: Store) -> None:
    store.write("f", b"mine")
    assert exclusive_files.create(f"{store.root}/f", b"mine") is True


def test_an_object_is_tried_again(store: Store) -> None:
    with store.faults.answering(uploads, times=2):
        assert exclusive_files.create(f"{store.root}/f", b"one") is True
    assert store.faults.hits == 2


def test_a_bucket_that_fails_is_one_error(store: Store) -> None:
    with store.faults.answering(uploads), pytest.raises(StorageError, match=r"/f cannot be written: .*; see that the"):
        exclusive_files.create(f"{store.root}/f", b"one")
    assert store.names() == []


def test_a_store_that_refuses_while_another_writes_is_asked_again(
    remote: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, busy = object_stores.put_if_absent, iter([False, False])
    monkeypatch.setattr(object_stores, "put_if_absent", lambda *given: next(busy, None) is None and real(*given))
    monkeypatch.setattr(exclusive_files, "_PAUSE_SECONDS", 0.0)
    assert exclusive_files.create("s3://bucket/f", b"one") is True
    assert remote == {"s3://bucket/f": b"one"}


@pytest.mark.usefixtures("remote")
def test_a_store_that_contradicts_itself_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_stores, "put_if_absent", lambda *_: False)
    monkeypatch.setattr(exclusive_files, "_PAUSE_SECONDS", 0.0)
    with pytest.raises(StorageError, match="s3://bucket/f cannot be written: the store says that such an object is th"):
        exclusive_files.create("s3://bucket/f", b"one")
