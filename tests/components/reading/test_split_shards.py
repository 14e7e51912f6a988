"""Where a shard is cut: at headers, by following them, with nothing lost and nothing believed that is not sound."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.reading import record_reader, split_shards, tfrecord
from dicebeam.schemas.errors import StorageError, TablesError
from dicebeam.schemas.records import Failure, Record
from dicebeam.schemas.shards import ByteRange, OpenShard, Shard, ShardRange

PAYLOADS = [b"a" * 20] * 10
FRAME = 20 + 16


def shard_of(payloads):
    return b"".join(tfrecord.frame(payload) for payload in payloads)


WHOLE = shard_of(PAYLOADS)


def cut(data, split_bytes):
    return split_shards.ranges(io.BytesIO(data), len(data), split_bytes)


def read(data, part):
    return list(tfrecord.records_of_range(io.BytesIO(data), "s", part, len(data)))


def unsplit(data):
    return list(tfrecord.records(io.BytesIO(data), "s"))


def spans(found):
    return [(part.start, part.end, part.first_record) for part in found]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


payloads = st.lists(st.binary(max_size=200), max_size=40)


@given(payloads, st.integers(1, 3000))
def test_ranges_tile_the_file_and_every_record_is_in_exactly_one(records, split_bytes):
    data = shard_of(records)
    found = cut(data, split_bytes)
    assert [part.start for part in found] == [0, *(part.end for part in found[:-1])]
    assert found[-1].end == len(data)
    assert [item for part in found for item in read(data, part)] == unsplit(data)
    assert all(part.split_bytes == split_bytes for part in found)


@given(payloads, st.integers(1, 3000))
def test_a_range_begins_with_the_first_record_at_its_share_of_the_bytes(records, split_bytes):
    data = shard_of(records)
    headers = [item.lineage.byte_offset for item in unsplit(data)]
    count = -(-len(data) // split_bytes)
    shares = [place * len(data) // count for place in range(1, count)]
    wanted = {min((at for at in headers if at >= share), default=None) for share in shares}
    assert [part.start for part in cut(data, split_bytes)][1:] == sorted(wanted - {None, 0})


@given(payloads, st.integers(1, 500), st.integers(0, 10_000), st.binary(min_size=1, max_size=4), st.booleans())
def test_damage_and_cuts_give_the_same_items_as_an_unsplit_shard(records, split_bytes, at, noise, cut_off):
    data = shard_of(records)
    at = min(at, len(data))
    data = data[:at] if cut_off else (data[:at] + noise + data[at + len(noise) :])[: len(data)]
    found = cut(data, split_bytes)
    assert [item for part in found for item in read(data, part)] == unsplit(data)
    assert (found[0].start, found[-1].end) == (0, len(data))


def test_ten_records_in_three_ranges():
    assert spans(cut(WHOLE, 120)) == [(0, 4 * FRAME, 0), (4 * FRAME, 7 * FRAME, 4), (7 * FRAME, 10 * FRAME, 7)]


@pytest.mark.parametrize("split_bytes", [360, 361, 1 << 40])
def test_a_shard_of_the_size_or_smaller_is_one_range(split_bytes):
    assert spans(cut(WHOLE, split_bytes)) == [(0, 360, 0)]


def test_a_range_has_at_least_one_record():
    assert [part.start for part in cut(WHOLE, 1)] == list(range(0, 360, FRAME))


def test_one_large_record_among_small_ones_is_not_cut():
    data = shard_of([b"x" * 1000, b"y"])
    assert spans(cut(data, 100)) == [(0, 1016, 0), (1016, len(data), 1)]


def test_an_empty_file_is_one_empty_range():
    assert spans(cut(b"", 10)) == [(0, 0, 0)]


def test_the_number_of_ranges_is_bounded(monkeypatch):
    monkeypatch.setattr(split_shards, "MAX_RANGES", 3)
    assert len(cut(WHOLE, 1)) == 3


def test_a_broken_header_ends_the_index_and_the_last_range_reaches_to_the_end():
    data = flipped(WHOLE, 5 * FRAME)
    found = cut(data, 72)
    assert spans(found) == [(0, 72, 0), (72, 144, 2), (144, 360, 4)]
    items = read(data, found[-1])
    assert [item.lineage.record for item in items] == [4, 5]
    assert items[-1].ends_shard
    assert "Nothing after byte 180 of the shard could be read" in items[-1].message


def test_a_record_that_the_file_cuts_off_begins_no_range():
    found = cut(WHOLE[:-1], 40)
    assert found[-1].start == 8 * FRAME
    assert [item.error for item in read(WHOLE[:-1], found[-1]) if isinstance(item, Failure)] == ["truncated"]


def test_damaged_data_at_a_border_costs_one_record():
    data = flipped(flipped(WHOLE, 4 * FRAME + 12), 4 * FRAME - 5)  # first byte of one range, last of that before
    items = [item for part in cut(data, 120) for item in read(data, part)]
    assert [item.lineage.record for item in items if isinstance(item, Failure)] == [3, 4]
    assert [item.error for item in items if isinstance(item, Failure)] == ["data_checksum"] * 2
    assert sum(isinstance(item, Record) for item in items) == 8


def test_records_within_the_data_of_a_record_are_no_border():
    inner = shard_of([b"z"] * 30)
    data = shard_of([inner, inner, b"end"])
    assert {part.start for part in cut(data, 50)} <= {item.lineage.byte_offset for item in unsplit(data)}


class Counting(io.BytesIO):
    """Notes what is read."""

    taken = 0

    def read(self, size=-1):
        found = super().read(size)
        self.taken += len(found)
        return found


def test_only_headers_are_read_and_none_after_the_last_border():
    data = shard_of([b"x" * 10_000] * 100)
    file = Counting(data)
    assert len(split_shards.ranges(file, len(data), len(data) // 2)) == 2
    assert file.taken == 51 * tfrecord.HEADER_BYTES


# a range that is not what it was


@pytest.mark.parametrize(
    "change",
    [
        lambda data: flipped(data, FRAME),
        lambda data: data[:100],
        lambda _: b"",
        lambda _: shard_of([b"b" * 21] * 10),
    ],
    ids=["header", "cut", "empty", "other records"],
)
def test_a_shard_that_has_changed_since_it_was_indexed_is_refused(change):
    part = cut(WHOLE, 120)[0]
    with pytest.raises(StorageError, match="s has changed since it was indexed: expected whole records from byte 0 t"):
        list(tfrecord.records_of_range(io.BytesIO(change(WHOLE)), "s", part, len(WHOLE)))


def test_a_shard_that_has_shrunk_to_whole_records_is_refused():
    with pytest.raises(StorageError, match="has changed since it was indexed"):
        list(tfrecord.records_of_range(io.BytesIO(WHOLE[:-FRAME]), "s", cut(WHOLE, 120)[-1], len(WHOLE)))


# the stage


def opened(tmp_path, data, scored=(), name="a.tfrecord"):
    (tmp_path / name).write_bytes(data)
    return OpenShard(Shard(str(tmp_path / name), len(data)), tuple(scored))


def test_units_of_a_large_shard(tmp_path):
    found = split_shards.units(opened(tmp_path, WHOLE), 120)
    assert [unit.range for unit in found] == cut(WHOLE, 120)
    assert all(isinstance(unit, ShardRange) and unit.size_bytes == 360 for unit in found)


@pytest.mark.parametrize(("data", "split_bytes"), [(WHOLE, 360), (b"", 1), (b"no TFRecord at all", 3)])
def test_what_is_not_cut_is_a_whole_shard(tmp_path, data, split_bytes):
    one = opened(tmp_path, data)
    assert split_shards.units(one, split_bytes) == [one.shard]


def test_gzip_is_never_cut_nor_opened(tmp_path):
    gone = OpenShard(Shard(str(tmp_path / "a.tfrecord.gz"), 1 << 40))
    assert split_shards.units(gone, 1) == [gone.shard]


def test_a_shard_that_was_begun_goes_on_with_its_ranges_whatever_the_setting(tmp_path):
    ranges = cut(WHOLE, 120)
    for setting in (1, 120, 1 << 40):
        (left,) = split_shards.units(opened(tmp_path, WHOLE, [ranges[0], ranges[2]]), setting)
        assert left.range == ranges[1]


@pytest.mark.parametrize("strange", [ByteRange(0, 144, 1, 120), ByteRange(0, 100, 0, 120), ByteRange(0, 144, 0, 100)])
def test_a_shard_that_was_begun_and_is_another_now_is_refused(tmp_path, strange):
    expected = r"a.tfrecord has changed since it was begun: bytes 0 to 1\d\d were scored from record [01] on, and there"
    with pytest.raises(TablesError, match=expected):
        split_shards.units(opened(tmp_path, WHOLE, [strange]), 120)


def test_a_large_shard_that_is_gone_ends_the_run(tmp_path):
    with pytest.raises(StorageError, match=r"gone cannot be read: .* run again with the same --run-id"):
        split_shards.units(OpenShard(Shard(str(tmp_path / "gone"), 1000)), 10)


def test_a_shard_in_an_object_store_is_cut_and_read_alike(remote):
    remote["gs://b/a.tfrecord"] = WHOLE
    shard = Shard("gs://b/a.tfrecord", len(WHOLE))
    found = split_shards.units(OpenShard(shard), 120)
    assert [unit.range for unit in found] == cut(WHOLE, 120)
    items = [item for unit in found for item in record_reader.read(unit)]
    assert items == list(record_reader.read(shard))
    assert [item.lineage.record for item in items] == list(range(10))


def test_a_length_that_is_not_believed_ends_the_index():
    header = struct.pack("<Q", 1 << 40)
    data = WHOLE[:FRAME] + header + struct.pack("<I", tfrecord.masked_crc(header)) + WHOLE
    assert spans(cut(data, 20)) == [(0, len(data), 0)]
