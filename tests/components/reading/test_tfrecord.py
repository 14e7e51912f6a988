"""TFRecord framing: offsets and checksums, against TensorFlow's writer and reader, and damage of every kind."""

import gzip
import io
import struct

import google_crc32c
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.reading import tfrecord
from dicebeam.components.storage import filesystems
from dicebeam.schemas.records import Failure, Record
from tests.support.builders import write_shard

DATA = [b"first", b"", b"third" * 50]


def read(data):
    return list(tfrecord.records(io.BytesIO(data), "s"))


def read_file(path):
    with filesystems.reading(str(path)) as file:
        return list(tfrecord.records(file, str(path)))


def whole(records=DATA):
    return b"".join(tfrecord.frame(r) for r in records)


def outcomes(items):
    return [item.data if isinstance(item, Record) else item.error for item in items]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_records_have_index_offset_and_end():
    first, second, third = read(whole())
    assert [r.data for r in (first, second, third)] == DATA
    assert [(r.lineage.shard, r.lineage.record, r.lineage.byte_offset) for r in (first, second, third)] == [
        ("s", 0, 0),
        ("s", 1, 12 + 5 + 4),
        ("s", 2, 12 + 5 + 4 + 16),
    ]
    assert (first.end, third.end) == (second.lineage.byte_offset, len(whole()))


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_offsets_are_where_the_length_stands(payloads):
    data = whole(payloads)
    for record, payload in zip(read(data), payloads, strict=True):
        at = record.lineage.byte_offset
        assert struct.unpack_from("<Q", data, at)[0] == len(payload)
        assert data[at + 12 : record.end - 4] == payload


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_what_tensorflow_writes_is_read(tmp_path, compression):
    path = tmp_path / ("a.tfrecord.gz" if compression else "a.tfrecord")
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for payload in DATA:
            writer.write(payload)
    assert outcomes(read_file(path)) == DATA


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord.gz"])
def test_what_frame_writes_tensorflow_reads(tmp_path, name):
    path = write_shard(tmp_path / name, DATA)
    dataset = tf.data.TFRecordDataset(str(path), "GZIP" if name.endswith("gz") else "")
    assert [r.numpy() for r in dataset] == DATA


def test_masked_crc_is_the_documented_formula():
    crc = google_crc32c.value(b"data")
    assert tfrecord.masked_crc(b"data") == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32


def test_an_empty_file_has_no_records():
    assert read(b"") == []


# damage


def test_damaged_data_is_one_failure_and_the_next_record_follows():
    items = read(flipped(whole(), 12))
    assert outcomes(items) == ["data_checksum", DATA[1], DATA[2]]
    assert "checksum of the data (5 bytes) does not match" in items[0].message
    assert [item.lineage.record for item in items] == [0, 1, 2]
    assert items[1].lineage.byte_offset == 21


def test_a_damaged_data_checksum():
    assert outcomes(read(flipped(whole(), 12 + 5))) == ["data_checksum", DATA[1], DATA[2]]


@pytest.mark.parametrize("at", [21, 28, 29, 32], ids=["length", "high byte", "crc", "crc end"])
def test_a_damaged_length_ends_the_shard(at):
    items = read(flipped(whole(), at))
    assert outcomes(items) == [DATA[0], "length_checksum"]
    assert (items[1].lineage.record, items[1].lineage.byte_offset, items[1].stage) == (1, 21, "read")
    assert "Nothing after byte 21 of the shard could be read" in items[1].message


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (21 + 1, "begins with 12 bytes of length and checksum, but only 1 are left"),
        (21 + 11, "but only 11 are left"),
        (21 + 12, "should have 0 bytes and a checksum of 4, but the file ends after 0"),
        (21 + 15, "but the file ends after 3"),
        (37 + 12, "should have 250 bytes and a checksum of 4, but the file ends after 0"),
        (37 + 100, "but the file ends after 88"),
        (37 + 12 + 250, "but the file ends after 250"),
        (37 + 12 + 253, "but the file ends after 253"),
    ],
)
def test_a_truncated_shard(keep, message):
    *good, last = read(whole()[:keep])
    assert [r.data for r in good] == DATA[: len(good)]
    assert (last.error, last.lineage.record) == ("truncated", len(good))
    assert message in last.message


@given(st.integers(1, len(whole()) - 1))
def test_wherever_it_is_cut_whole_records_are_read(keep):
    items = read(whole()[:keep])
    ends = [21, 37, len(whole())]
    n = sum(end <= keep for end in ends)
    assert outcomes(items)[:n] == DATA[:n]
    assert outcomes(items)[n:] == ([] if keep in ends else ["truncated"])


@pytest.mark.parametrize("length", [2**31, 2**40, 2**64 - 1])
def test_a_huge_length_is_not_believed(length):
    header = struct.pack("<Q", length)
    items = read(header + struct.pack("<I", tfrecord.masked_crc(header)) + b"x" * 100)
    assert outcomes(items) == ["length"]
    assert f"the record claims {length} bytes; a tf.Example has at most 2147483647" in items[0].message


def test_text_is_no_tfrecord():
    (failure,) = read(b"this is no TFRecord at all")
    assert failure.error == "length_checksum"
    assert "not a TFRecord, or damaged here. Nothing" in failure.message


def test_gzip_under_a_plain_name_is_recognized(tmp_path):
    (tmp_path / "a.tfrecord").write_bytes(gzip.compress(whole()))
    (failure,) = read_file(tmp_path / "a.tfrecord")
    assert failure.error == "length_checksum"
    assert "it looks like gzip, whose name must end in .gz" in failure.message


def test_a_plain_file_named_gz(tmp_path):
    (tmp_path / "a.gz").write_bytes(whole())
    (failure,) = read_file(tmp_path / "a.gz")
    assert failure.error == "BadGzipFile"
    assert "decompressing failed: Not a gzipped file" in failure.message


def test_gzip_offsets_count_uncompressed_bytes(tmp_path):
    items = read_file(write_shard(tmp_path / "a.gz", DATA))
    assert [r.lineage.byte_offset for r in items] == [0, 21, 37]


NOISE = [bytes((i * j * 7919) % 251 for j in range(3000)) for i in range(1, 200)]


def test_a_gzip_file_that_was_cut_gives_what_is_whole(tmp_path):
    packed = gzip.compress(whole(NOISE))
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) // 2])
    *good, last = read_file(tmp_path / "a.gz")
    assert len(good) > 10
    assert [r.data for r in good] == NOISE[: len(good)]
    assert (last.error, last.lineage.record) == ("EOFError", len(good))
    assert "Compressed file ended before the end-of-stream marker" in last.message


def test_a_gzip_file_without_its_last_bytes_is_not_taken_for_whole(tmp_path):
    packed = gzip.compress(whole())
    (tmp_path / "a.gz").write_bytes(packed[:-4])
    assert outcomes(read_file(tmp_path / "a.gz")) == [*DATA, "EOFError"]


def test_a_gzip_file_with_a_wrong_checksum_is_noticed(tmp_path):
    packed = gzip.compress(whole())
    (tmp_path / "a.gz").write_bytes(packed[:-8] + b"\0\0\0\0" + packed[-4:])
    assert outcomes(read_file(tmp_path / "a.gz")) == [*DATA, "BadGzipFile"]


def test_gzip_in_several_members(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"".join(gzip.compress(tfrecord.frame(r)) for r in DATA))
    assert outcomes(read_file(tmp_path / "a.gz")) == DATA


@settings(max_examples=200)
@given(st.integers(0, len(whole()) - 1), st.binary(min_size=1, max_size=5))
def test_no_damage_goes_unnoticed(at, noise):
    data = whole()
    damaged = (data[:at] + noise + data[at + len(noise) :])[: len(data)]
    items = read(damaged)
    assert damaged == data or any(isinstance(item, Failure) for item in items)
    assert all(item.data in DATA for item in items if isinstance(item, Record))
    assert [item.lineage.record for item in items] == list(range(len(items)))


class _Failing(io.BytesIO):
    def read(self, size=-1):
        if self.tell() > 0:
            raise OSError("503 Service Unavailable")
        return super().read(size)


def test_storage_that_fails_is_not_the_records_fault():
    with pytest.raises(OSError, match="503 Service Unavailable"):
        list(tfrecord.records(_Failing(tfrecord.frame(b"a")), "s"))


def test_only_the_failure_that_ends_a_shard_says_so():
    data = bytearray(tfrecord.frame(b"abc") + tfrecord.frame(b"def"))
    data[12] ^= 1
    damaged, whole = tfrecord.records(io.BytesIO(bytes(data)), "s")
    assert not damaged.ends_shard
    assert whole.data == b"def"
    (cut,) = tfrecord.records(io.BytesIO(bytes(data)[:20][:15]), "s")
    assert cut.ends_shard
