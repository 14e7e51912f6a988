"""One unit measured: every record in a block or a failure, whatever the blocks and ranges."""

import numpy as np
import pytest

from dicebeam.components.dataset import dataset_sums, measure_samples
from dicebeam.components.dataset.measure_samples import MeasureSettings
from dicebeam.components.decoding.decode_record import DecodeSettings
from dicebeam.components.reading import split_shards, tfrecord
from dicebeam.schemas.accounting import Committed
from dicebeam.schemas.config.features import PRESETS
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.records import Failure
from dicebeam.schemas.shards import Shard, ShardRange
from tests.support import builders

LABELS = LabelSettings(classes=("a", "b"))
SETTINGS = MeasureSettings(DecodeSettings(PRESETS["deeplab"], LABELS))


@pytest.fixture
def shard(tmp_path):
    """Seven records: the third is no tf.Example, the fifth has a wrong checksum, the sixth a mask of class 9."""
    rng = np.random.default_rng(5)
    records = [
        builders.sample(rng.integers(0, 256, (4, 3, 3), np.uint8), rng.integers(0, 2, (4, 3), np.uint8), f"s{i}")
        for i in range(7)
    ]
    records[2] = b"what?"
    records[5] = builders.sample(np.zeros((4, 3, 3), np.uint8), np.full((4, 3), 9), "s5")
    framed = [tfrecord.frame(record) for record in records]
    framed[4] = framed[4][:-5] + bytes([framed[4][-5] ^ 1]) + framed[4][-4:]
    path = tmp_path / "part-0"
    path.write_bytes(b"".join(framed))
    return Shard(str(path), path.stat().st_size)


def run(unit):
    found = list(measure_samples.measured(unit, SETTINGS))
    blocks = [dataset_sums.decode(item) for item in found if isinstance(item, bytes)]
    return blocks, [f for f in found if isinstance(f, Failure)], [c for c in found if isinstance(c, Committed)]


def test_every_record_is_in_a_block_or_a_failure(shard):
    blocks, failures, (unit,) = run(shard)
    assert [(f.lineage.record, f.stage, f.sample_id) for f in failures] == [
        (2, "read", None), (4, "read", None), (5, "mask", "s5")
    ]  # fmt: skip
    assert (unit.records, unit.scored, unit.failed, unit.cut_short) == (7, 4, 3, False)
    assert sum(block.slices["all"].n_samples for block in blocks) == 4


@pytest.mark.parametrize(
    ("samples", "values", "count"), [(1, 1 << 22, 4), (3, 1 << 22, 2), (1024, 1, 4), (4, 1 << 22, 1)]
)
def test_blocks_of_any_size_have_the_same_sums(shard, monkeypatch, samples, values, count):
    (whole,), _, _ = run(shard)
    monkeypatch.setattr(measure_samples, "BLOCK_SAMPLES", samples)
    monkeypatch.setattr(measure_samples, "BLOCK_VALUES", values)
    blocks, _, _ = run(shard)
    assert len(blocks) == count
    assert dataset_sums.encode(dataset_sums.merged(blocks, 2)) == dataset_sums.encode(dataset_sums.merged([whole], 2))


def test_a_block_is_small_whatever_the_images(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    path = builders.write_shard(
        tmp_path / "part-0", [builders.sample(image, np.zeros((300, 300)), f"s{i}") for i in range(5)]
    )
    (block,) = (
        item
        for item in measure_samples.measured(Shard(str(path), path.stat().st_size), SETTINGS)
        if isinstance(item, bytes)
    )
    assert len(block) < 10_000 < image.nbytes / 20


def test_ranges_of_a_shard_have_the_records_of_the_shard(shard):
    with open(shard.path, "rb") as file:  # noqa: PTH123
        ranges = split_shards.ranges(file, shard.size_bytes, 300)
    assert len(ranges) > 1
    parts = [run(ShardRange(shard, part)) for part in ranges]
    assert [f for _, failures, _ in parts for f in failures] == run(shard)[1]
    blocks = [block for found, _, _ in parts for block in found]
    expected = dataset_sums.merged(run(shard)[0], 2)
    assert dataset_sums.merged(blocks, 2).classes.tolist() == expected.classes.tolist()
    assert dataset_sums.merged(blocks, 2).digest == expected.digest


def test_a_shard_that_is_cut_short_says_so(shard, tmp_path):
    cut = tmp_path / "cut"
    cut.write_bytes(open(shard.path, "rb").read()[:-7])  # noqa: PTH123, SIM115
    _, failures, (unit,) = run(Shard(str(cut), cut.stat().st_size))
    assert failures[-1].ends_shard
    assert (unit.cut_short, unit.records) == (True, 7)


def test_a_shard_without_records(tmp_path):
    (tmp_path / "empty").touch()
    blocks, failures, (unit,) = run(Shard(str(tmp_path / "empty"), 0))
    assert (blocks, failures, unit.records) == ([], [], 0)
