"""Records read again by shard and byte offset: the same bytes, or words that say why not."""

import gzip

import pytest

from dicebeam.components.reading import record_reader, tfrecord
from dicebeam.components.storage import filesystems
from dicebeam.schemas.records import Lineage
from tests.support import builders

DATA = [b"one", b"two" * 100, b"", b"four"]


@pytest.fixture(params=["a.tfrecord", "a.tfrecord.gz"])
def shard(request, tmp_path):
    return builders.write_shard(tmp_path / request.param, DATA)


def places(shard):
    with filesystems.reading(str(shard)) as file:
        return [record.lineage for record in tfrecord.records(file, str(shard))]


def test_every_record_is_found_again_in_any_order(shard):
    wanted = places(shard)[::-1]
    found = record_reader.read_places([*wanted, wanted[0]])
    assert [found[place].data for place in wanted] == DATA[::-1]
    assert all(record.lineage == place for place, record in found.items())


def test_a_shard_that_is_gone_says_so(tmp_path):
    place = Lineage(str(tmp_path / "gone.tfrecord"), 0, 0)
    assert record_reader.read_places([place]) == {place: "the shard is not there any more"}


def test_a_place_beyond_the_end_says_that_the_shard_has_changed(shard):
    place = Lineage(str(shard), 9, 100_000)
    assert "has changed since it was scored" in record_reader.read_places([place])[place]


def test_a_place_inside_a_record_says_so_and_the_others_are_found(shard):
    first, second, *_ = places(shard)
    wrong = Lineage(str(shard), 1, second.byte_offset + 5)
    found = record_reader.read_places([first, wrong])
    assert found[first].data == b"one"
    assert found[wrong].startswith("there is no whole record at byte")


def test_a_gzip_file_cut_short_says_so(tmp_path):
    whole = gzip.compress(b"".join(map(tfrecord.frame, DATA)) * 50)
    path = tmp_path / "cut.tfrecord.gz"
    path.write_bytes(whole[: len(whole) // 2])
    place = Lineage(str(path), 199, 80_000)
    assert isinstance(record_reader.read_places([place])[place], str)


def test_a_file_that_cannot_be_opened_says_so(tmp_path):
    place = Lineage(str(tmp_path), 0, 0)
    assert record_reader.read_places([place]) == {place: "the shard cannot be read now"}


def test_no_places_read_nothing():
    assert record_reader.read_places([]) == {}
