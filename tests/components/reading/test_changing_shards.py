"""A shard that is not what was listed, when it is opened or after its last record, is an error by name."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dicebeam.components.reading import find_shards, record_reader, split_shards, tfrecord
from dicebeam.components.storage import filesystems, listed_files, versions
from dicebeam.schemas.errors import StorageError
from dicebeam.schemas.files import StoredFile
from dicebeam.schemas.records import Failure
from dicebeam.schemas.shards import ByteRange, OpenShard, Shard, ShardRange
from tests.support import buckets

RECORDS = [bytes([i]) * 5000 for i in range(40)]
CHANGED = r"/a\.tfrecord\S* has changed since it was listed: .*\. Nothing of it is kept; let its writer end"


@pytest.fixture(params=["a.tfrecord", "a.tfrecord.gz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    data = b"".join(map(tfrecord.frame, RECORDS))
    path.write_bytes(gzip.compress(data, 0) if path.suffix == ".gz" else data)
    os.utime(path, ns=(10**18, 10**18))
    return path


def planned(path: Path) -> Shard:
    (shard,) = find_shards.find([str(path)])
    return shard


def put_in_place(path: Path, data: bytes, time: int | None = None) -> None:
    new = path.with_name("new")
    new.write_bytes(data)
    if time:
        os.utime(new, ns=(time, time))
    new.replace(path)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(data)
    os.utime(path)


CHANGES: dict[str, Callable[[Path], None]] = {
    "another in its place": lambda path: put_in_place(path, path.read_bytes()),
    "another of the same time": lambda path: put_in_place(path, path.read_bytes(), 10**18),
    "longer": lambda path: put_in_place(path, path.read_bytes() + b"1"),
    "appended": lambda path: path.open("ab").write(b"1"),  # type: ignore[func-returns-value]
    "truncated": lambda path: os.truncate(path, 100),
    "emptied": lambda path: os.truncate(path, 0),
    "rewritten": rewrite,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_shard_that_changed_before_it_is_opened(path: Path, change: str) -> None:
    shard = planned(path)
    CHANGES[change](path)
    with pytest.raises(StorageError, match=CHANGED):
        next(record_reader.read(shard))


@pytest.mark.parametrize("change", ["appended", "truncated", "emptied", "rewritten"])
@pytest.mark.parametrize("after", [1, 20, 39])
def test_a_shard_that_changes_while_it_is_read(path: Path, change: str, after: int) -> None:
    records = record_reader.read(planned(path))
    for _ in range(after):
        next(records)
    CHANGES[change](path)
    with pytest.raises(StorageError, match=CHANGED):
        list(records)


def test_what_is_put_in_the_place_of_an_open_shard_is_not_read(path: Path) -> None:
    records = record_reader.read(planned(path))
    first = next(records)
    put_in_place(path, b"another")
    assert [item.data for item in [first, *records] if not isinstance(item, Failure)] == RECORDS


def test_a_shard_that_is_gone(path: Path) -> None:
    shard = planned(path)
    path.unlink()
    with pytest.raises(StorageError, match=r"the shard \S+ cannot be read: .*No such file"):
        next(record_reader.read(shard))


@pytest.mark.parametrize("change", CHANGES)
def test_ranges_are_of_the_version_that_was_listed(path: Path, change: str) -> None:
    shard = planned(path)
    part = ShardRange(shard, ByteRange(0, 2 * 5016, 0, 1))
    assert part.file.version == shard.version != ""
    CHANGES[change](path)
    if path.suffix != ".gz":
        with pytest.raises(StorageError, match=CHANGED):
            split_shards.units(OpenShard(shard), 5016)
        with pytest.raises(StorageError, match=CHANGED):
            list(record_reader.read(part))


def test_a_healthy_shard_may_get_links_and_permissions(path: Path) -> None:
    records = record_reader.read(planned(path))
    next(records)
    os.link(path, path.with_name("link"))
    path.chmod(0o444)
    assert len(list(records)) == len(RECORDS) - 1


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("local/5/7/9", True),
        ("local/5/8/9", True),  # a link was made
        ("local/5/7/10", True),  # a network file system that numbers files as it likes
        ("local/5/8/10", False),
        ("local/6/7/9", False),
        ("", True),
        ("123", False),
    ],
)
def test_which_versions_are_the_same(now: str, expected: bool) -> None:
    assert versions.same("local/5/7/9", now) is versions.same(now, "local/5/7/9") is expected


def test_a_generation_or_a_tag_is_compared_as_it_is() -> None:
    assert versions.same("1/2/3/4", "1/2/3/4")
    assert not versions.same("1/2/3/4", "1/2/3/5")


@pytest.mark.parametrize("kind", buckets.KINDS)
def test_an_object_that_changes_before_and_while_it_is_read(kind: str, tmp_path: Path) -> None:
    data = b"".join(map(tfrecord.frame, RECORDS))
    other = b"".join(map(tfrecord.frame, RECORDS[::-1]))
    with buckets.made(kind, tmp_path) as store:
        store.use()
        store.write("a.tfrecord", data)
        (shard,) = find_shards.find([f"{store.root}/*.tfrecord"])
        assert shard.version
        assert len(list(record_reader.read(shard))) == len(RECORDS)
        records = record_reader.read(shard)
        next(records)
        store.write("a.tfrecord", other)
        with pytest.raises(StorageError, match=CHANGED):
            list(records)
        with pytest.raises(StorageError, match=CHANGED):
            list(record_reader.read(shard))
        (again,) = filesystems.match(f"{store.root}/a.tfrecord")
        with listed_files.reading(StoredFile(again.path, again.size_bytes, again.version)) as file:
            assert file.read() == other
        filesystems.delete(shard.path)
        with pytest.raises(StorageError, match="cannot be read: "):
            list(record_reader.read(shard))
