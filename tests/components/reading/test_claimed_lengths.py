"""A record's claim of its length takes no memory that its bytes do not."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import pytest

from dicebeam.components.reading import record_reader, tfrecord
from dicebeam.components.storage import filesystems
from dicebeam.schemas.records import Failure, Lineage, Record
from dicebeam.schemas.shards import ByteRange, Shard, ShardRange

GOOD = [b"first", b"second" * 400]
BOUND = 16 << 20
"""Far more than the files have, and far less than the least that is claimed."""
CLAIMS = [1 << 27, 2**31 - 1, 2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 16, 2**64 - 1]


def claiming(length: int, left: bytes = b"x" * 500) -> bytes:
    header = struct.pack("<Q", length)
    return b"".join(map(tfrecord.frame, GOOD)) + header + struct.pack("<I", tfrecord.masked_crc(header)) + left


def peak(read: "object") -> int:
    tracemalloc.start()
    try:
        read()  # type: ignore[operator]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(params=["a.tfrecord", "a.tfrecord.gz"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def write(path: Path, data: bytes) -> Shard:
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return Shard(str(path), path.stat().st_size)


@pytest.mark.parametrize("length", CLAIMS)
def test_a_record_that_claims_more_than_there_is(tmp_path: Path, name: str, length: int) -> None:
    shard, found = write(tmp_path / name, claiming(length)), []
    assert peak(lambda: found.extend(record_reader.read(shard))) < BOUND
    assert [item.data for item in found if isinstance(item, Record)] == GOOD
    assert isinstance(found[-1], Failure)
    assert found[-1].error == ("truncated" if length < 2**31 else "length")
    assert found[-1].ends_shard
    if length < 2**31:
        assert f"should have {length} bytes and a checksum of 4, but the file ends after 500" in found[-1].message


@pytest.mark.parametrize("more", [0, 1, 3])
def test_a_checksum_that_is_cut_off_is_counted_too(tmp_path: Path, name: str, more: int) -> None:
    found = list(record_reader.read(write(tmp_path / name, claiming(500, b"x" * (500 + more)))))
    assert f"should have 500 bytes and a checksum of 4, but the file ends after {500 + more}" in found[-1].message


def test_a_record_of_a_range_that_claims_more(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tfrecord", claiming(1 << 30))
    start = len(tfrecord.frame(GOOD[0]))
    part, found = ShardRange(shard, ByteRange(start, shard.size_bytes, 1, 1)), []
    assert peak(lambda: found.extend(record_reader.read(part))) < BOUND
    assert [type(item) for item in found] == [Record, Failure]


def test_records_that_are_read_again_by_their_places(tmp_path: Path, name: str) -> None:
    shard = write(tmp_path / name, claiming(1 << 30))
    place, found = Lineage(shard.path, 2, sum(len(tfrecord.frame(data)) for data in GOOD)), {}
    assert peak(lambda: found.update(record_reader.read_places([place]))) < BOUND
    assert "no whole record" in str(found[place])


def test_a_large_record_of_a_gzip_file_is_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * (50 << 10)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(tfrecord.frame(data) + tfrecord.frame(b"next"), compresslevel=1))
    with filesystems.reading(str(path)) as file:
        assert [item.data for item in tfrecord.records(file, "s") if isinstance(item, Record)] == [data, b"next"]


def test_a_long_record_of_a_gzip_file_is_in_memory_once(tmp_path: Path) -> None:
    size, found = 64 << 20, []
    shard = write(tmp_path / "a.tfrecord.gz", tfrecord.frame(bytes(size)))
    assert peak(lambda: found.extend(record_reader.read(shard))) < size * 3 // 2
    assert [len(item.data) for item in found] == [size]
