"""Whole evaluations of damaged shards: every record in the tables, or one clear error."""

import random
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from dicebeam.schemas.errors import DicebeamError, TablesError
from tests.fuzz import corpus, mutations
from tests.fuzz.driver import Target, fuzz
from tests.support import builders
from tests.support.evaluating import evaluate, table


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    return builders.save_model(folder / "m", lambda images: {"p": tf.nn.softmax(images)}, builders.images_spec())


def shard(rng: random.Random) -> bytes:
    records = [mutations.damaged_features(rng, r) if rng.random() < 0.3 else r for r in corpus.ENCODED_RECORDS]
    return mutations.damaged_shard(rng, records)


def test_damaged_shards_are_accounted_for(tmp_path: Path, model: str) -> None:
    config = {
        "examples": f"{tmp_path}/*.tfrecord", "model": model, "output": f"{tmp_path}/out", "classes": ["a", "b", "c"],
        "ignore_label": 255, "slices": ["site", ["site", "age"]], "max_failed_fraction": 1, "batch_size": 4,
        "max_pixels": 1 << 16,
    }  # fmt: skip

    def check(data: bytes, rng: random.Random) -> None:
        (tmp_path / "a.tfrecord").write_bytes(data)
        builders.write_shard(tmp_path / "whole.tfrecord", corpus.ENCODED_RECORDS[:2])
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        try:
            outcome = evaluate({**config, "batch_size": rng.choice((1, 4, 16))})
        except TablesError:
            raise  # tables that do not add up
        except DicebeamError:
            return
        row = outcome.row
        samples, failures = table(outcome, "samples"), table(outcome, "failures")
        assert row["records"] == row["scored"] + row["failed"]
        assert (len(samples), len(failures)) == (3 * row["scored"], row["failed"])
        assert not samples.duplicated(["shard", "record", "class_id"]).any()
        assert (samples.shard.str.endswith("whole.tfrecord")).sum() == 3 * 2
        found = sorted({*samples[samples.shard.str.endswith("a.tfrecord")].record, *failures.record})
        assert found == list(range(len(found)))

    fuzz(Target("evaluate", 4, 0.15), shard, check)
