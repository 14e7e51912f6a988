"""A file has no name that a reader sees until it is given one that no file has, on a disk and in buckets."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from dicebeam.components.storage import exclusive_files, object_stores
from dicebeam.components.storage.new_files import NewFile
from dicebeam.schemas.errors import StorageError
from tests.support.buckets import Store, uploads


def written(path: str, data: bytes) -> NewFile:
    made = NewFile(path)
    made.file.write(data)
    made.finish()
    return made


def test_the_first_of_two_writers_keeps_the_name(disk: Path) -> None:
    one, two = written(f"{disk}/a/f", b"one"), written(f"{disk}/a/f", b"two")
    assert [path.suffix for path in (disk / "a").iterdir()] == [".tmp", ".tmp"]
    assert (two.commit(f"{disk}/a/f"), one.commit(f"{disk}/a/f")) == (True, False)
    for each in (one, two):
        each.close()
    assert [path.name for path in (disk / "a").iterdir()] == ["f"]
    assert (disk / "a/f").read_bytes() == b"two"


def test_a_name_that_was_deleted_is_given_again(tmp_path: Path) -> None:
    made = written(f"{tmp_path}/f", b"one")
    for _ in range(2):
        assert made.commit(f"{tmp_path}/g") is True
        (tmp_path / "g").unlink()
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_what_fails_leaves_nothing(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    made = NewFile(f"{disk}/f")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"/f cannot be written: No space left on device; free space there"):
        made.finish()
    made.close()
    assert list(disk.iterdir()) == []


# buckets


def test_the_first_of_two_uploads_stays(store: Store) -> None:
    one, two = written(f"{store.root}/a/f", b"one"), written(f"{store.root}/a/f", b"two")
    assert store.names() == []
    assert (two.commit(f"{store.root}/a/f"), one.commit(f"{store.root}/a/f")) == (True, False)
    assert (store.names(), store.data("a/f")) == (["a/f"], b"two")


def test_an_upload_in_parts_keeps_what_is_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("S3_WHOLE_BYTES", 5 << 20), ("S3_PART_BYTES", 5 << 20), ("GS_CHUNK_BYTES", 1 << 20)):
        monkeypatch.setattr(object_stores, name, size)
    large = os.urandom(12 << 20)
    made = written(f"{store.root}/f", large)
    assert made.commit(f"{store.root}/f") is True
    assert store.data("f") == large
    assert written(f"{store.root}/f", large[::-1]).commit(f"{store.root}/f") is False
    assert store.data("f") == large
    assert store.unfinished() == []


def test_an_upload_that_fails_is_one_error_and_leaves_nothing(store: Store) -> None:
    made = written(f"{store.root}/f", b"one")
    with store.faults.answering(uploads), pytest.raises(StorageError, match=r"/f cannot be written: .*; see that the"):
        made.commit(f"{store.root}/f")
    assert (store.names(), store.unfinished()) == ([], [])


def test_an_upload_is_tried_again(store: Store) -> None:
    with store.faults.answering(uploads, times=1):
        assert written(f"{store.root}/f", b"one").commit(f"{store.root}/f") is True
    assert store.faults.hits == 1


def test_a_store_that_refuses_while_another_writes_is_asked_again(
    remote: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, busy = object_stores.put_new, iter([False, False])
    monkeypatch.setattr(object_stores, "put_new", lambda *given: next(busy, None) is None and real(*given))
    monkeypatch.setattr(exclusive_files, "_PAUSE_SECONDS", 0.0)
    assert written("s3://bucket/f", b"one").commit("s3://bucket/f") is True
    assert remote == {"s3://bucket/f": b"one"}
