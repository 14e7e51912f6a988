"""Shards that vanish or change between plan, reading and attempts: an error, and never a smaller run that is done."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.reading import tfrecord
from dicebeam.pipeline.plans import evaluation_plan, summary_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import StorageError, TablesError
from tests.support import builders
from tests.support.evaluating import evaluate, table

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    def call(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probs": tf.nn.softmax(images @ np.eye(3, dtype=np.float32) * 3)}

    return builders.save_model(tmp_path_factory.mktemp("model") / "m", call, builders.images_spec())


def write(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample = [
        builders.sample(
            np.full((8, 8, 3), rng.integers(0, 256, 3), np.uint8), rng.integers(0, 3, (8, 8)).astype(np.uint8), f"{i}"
        )
        for i in range(4)
    ]
    path.parent.mkdir(exist_ok=True)
    builders.write_shard(path, sample)


@pytest.fixture
def config(tmp_path: Path, model: str) -> dict[str, Any]:
    for seed, name in enumerate(NAMES):
        write(shard(tmp_path, name), seed)
    base = {"examples": f"{tmp_path}/data/*.tfrecord", "model": model, "output": f"{tmp_path}/out", "batch_size": 2}
    return {**base, "classes": ["x", "y", "z"], "max_failed_fraction": 1.0}


def shard(folder: Path, name: str) -> Path:
    return folder / "data" / f"{name}.tfrecord"


def committed(folder: Path) -> list[str]:
    return sorted(path.name[0] for path in folder.glob("out/samples/**/*.parquet"))


def plan(config: dict[str, Any]) -> evaluation_plan.Plan:
    return evaluation_plan.make_plan(Config.model_validate(config), "r1", ())


def another_of_its_size(path: Path) -> None:
    data = bytearray(path.read_bytes())
    first = tfrecord.frame(bytes(data[12:-4][: int.from_bytes(data[:8], "little")][::-1]))
    data[: len(first)] = first
    new = path.with_name("new")
    new.write_bytes(data)
    new.replace(path)


def changing(path: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a shard as soon as its first record is read."""
    real = tfrecord.records

    def records(file: Any, name: str, *where: Any, **more: Any) -> Iterator[Any]:
        for place, item in enumerate(real(file, name, *where, **more)):
            if name == str(path) and place == 0:
                change(path)
            yield item

    monkeypatch.setattr(tfrecord, "records", records)


def test_a_shard_that_vanishes_after_the_plan_makes_no_smaller_run(config: dict[str, Any], tmp_path: Path) -> None:
    planned, gone = plan(config), shard(tmp_path, "b")
    kept = shutil.move(gone, tmp_path / "kept")
    with pytest.raises(StorageError, match="the examples have changed since the run was planned: expected 3 shards"):
        run.execute(planned)
    refused = rf"'r1' was begun with 3 shards, of which `examples` does not match 1 any more: {gone}\. Put them back"
    with pytest.raises(TablesError, match=refused):
        evaluate(config, "r1")
    shutil.move(kept, gone)
    outcome = evaluate(config, "r1")
    assert (outcome.row["status"], outcome.row["shards"]) == ("done", 3)
    gone.unlink()
    with pytest.raises(TablesError, match=refused):
        summary_plan.make_plan(Config.model_validate(config), "r1", ())


def test_a_shard_that_is_replaced_after_the_plan_is_not_scored(config: dict[str, Any], tmp_path: Path) -> None:
    planned = plan(config)
    another_of_its_size(shard(tmp_path, "b"))
    with pytest.raises(StorageError, match="the examples have changed since the run was planned"):
        run.execute(planned)
    assert committed(tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize("change", ["appended", "truncated", "rewritten"])
def test_nothing_of_a_shard_that_changes_while_it_is_scored_is_kept(
    config: dict[str, Any], tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shard(tmp_path, "b")
    changes: dict[str, Callable[[Path], None]] = {
        "appended": lambda path: path.open("ab").write(b"1") and None,
        "truncated": lambda path: os.truncate(path, 100),
        "rewritten": os.utime,
    }
    with monkeypatch.context() as patch:
        changing(path, changes[change], patch)
        with pytest.raises(StorageError, match=r"/b\.tfrecord has changed since it was listed: "):
            evaluate(config, "r1")
    assert "b" not in committed(tmp_path)
    outcome = evaluate(config, "r1")
    assert (outcome.row["status"], outcome.row["shards"], committed(tmp_path)) == ("done", 3, NAMES)


@pytest.fixture
def begun(config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run that has scored some shards, and ended by an error in the last one."""
    with monkeypatch.context() as patch:
        changing(shard(tmp_path, "c"), os.utime, patch)
        with pytest.raises(StorageError, match=r"/c\.tfrecord has changed since it was listed: "):
            evaluate(config, "r1")
    assert committed(tmp_path)
    assert "c" not in committed(tmp_path)
    return config


def copy_in_its_place(path: Path) -> None:
    shutil.copy(path, path.with_name("new"))
    path.with_name("new").replace(path)


@pytest.mark.long
@pytest.mark.parametrize("change", [os.utime, copy_in_its_place])
def test_a_shard_that_was_touched_between_attempts_is_the_same(
    begun: dict[str, Any], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    done = committed(tmp_path)
    for name in NAMES:
        change(shard(tmp_path, name))
    outcome = evaluate(begun, "r1")
    assert outcome.row["status"] == "done"
    whole = evaluate(begun, "r2")
    columns = ["sample_id", "shard", "record", "class_id", "true_positives"]
    assert table(outcome, "samples")[columns].equals(table(whole, "samples")[columns])
    assert set(done) < set(NAMES)


def in_its_place_with_its_time(path: Path) -> None:
    before, copy = path.stat(), path.with_name("copy")
    shutil.copy(path, copy)
    another_of_its_size(copy)
    path.write_bytes(copy.read_bytes())
    copy.unlink()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    "change", [another_of_its_size, pytest.param(in_its_place_with_its_time, marks=pytest.mark.long)]
)
def test_a_shard_of_which_another_stands_between_attempts_is_refused(
    begun: dict[str, Any], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    name = committed(tmp_path)[0]
    change(shard(tmp_path, name))
    with pytest.raises(
        TablesError, match=rf"/{name}\.tfrecord was written anew since it was scored, with as many bytes"
    ):
        evaluate(begun, "r1")


@pytest.mark.long
def test_a_run_may_get_more_shards(config: dict[str, Any], tmp_path: Path) -> None:
    evaluate(config, "r1")
    write(shard(tmp_path, "d"), 9)
    assert evaluate(config, "r1").row["shards"] == 4
    shard(tmp_path, "d").unlink()
    with pytest.raises(TablesError, match=r"was begun with 4 shards, .* match 1 any more: \S+/d\.tfrecord"):
        evaluate(config, "r1")


@pytest.mark.long
def test_links_to_shards_change_no_number(config: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data" / "all").symlink_to(".")
    (tmp_path / "data" / "0.tfrecord").symlink_to("b.tfrecord")
    planned = plan({**config, "examples": f"{tmp_path}/data/**/*.tfrecord"})
    assert (len(planned.shards), planned.left_out) == (3, 2)
    outcome = run.execute(planned)
    assert (outcome.row["shards"], outcome.row["duplicate_ids"]) == (3, evaluate(config, "r2").row["duplicate_ids"])
