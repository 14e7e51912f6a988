"""The batches of a unit are the same, whether its records are decoded in threads or, of a small shard, at once."""

import threading
from pathlib import Path

import numpy as np
import pytest

from dicebeam.components.reading import read_samples
from dicebeam.components.reading.read_samples import ReadSettings
from dicebeam.schemas.records import Batch, Failure, Record, Sample
from dicebeam.schemas.shards import Shard
from tests.support import builders


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    path = builders.write_shard(tmp_path / "val.tfrecord", [bytes([i]) * 9 for i in range(7)])
    return Shard(str(path), path.stat().st_size)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the threads that decode; the fourth record cannot be decoded."""
    names: set[str] = set()

    def decode(record: Record, _: object) -> Sample | Failure:
        names.add(threading.current_thread().name)
        if record.data[0] == 3:
            return Failure(record.lineage, None, "decode", "SampleError", "no image")
        pixels = np.full((2, 2, 1), record.data[0], np.uint8)
        return Sample(record.lineage, f"{record.data[0]}", (), pixels, pixels[..., 0], None, ())

    monkeypatch.setattr(read_samples, "decode", decode)
    return names


def said(batches: list[Batch]) -> list[object]:
    return [
        (batch.index, [each.sample_id for each in batch.samples], batch.failures, batch.progress) for batch in batches
    ]


def test_a_small_shard_is_decoded_without_threads_to_the_same_batches(
    shard: Shard, threads: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = said(list(read_samples.unit_batches(shard, ReadSettings(None, batch_size=2))))
    assert threads == {threading.current_thread().name}
    threads.clear()
    monkeypatch.setattr(read_samples, "SMALL_BYTES", 0)
    assert said(list(read_samples.unit_batches(shard, ReadSettings(None, batch_size=2)))) == small
    assert all(name.startswith("dicebeam-decode") for name in threads)


def test_a_shard_that_is_cut_gives_the_same_batches(
    shard: Shard, threads: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(shard.path).write_bytes(Path(shard.path).read_bytes()[:60])
    shard = Shard(shard.path, 60)
    small = said(list(read_samples.unit_batches(shard, ReadSettings(None, batch_size=2))))
    monkeypatch.setattr(read_samples, "SMALL_BYTES", 0)
    assert said(list(read_samples.unit_batches(shard, ReadSettings(None, batch_size=2)))) == small
    assert len(threads) > 1
