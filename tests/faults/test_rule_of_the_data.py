"""What becomes of a record is a rule of the data: the same tables whatever the order, threads, batches and kills.

The model fails on some images, gives NaN for others, and some records do not decode; whole shards of each are there, so
that whoever looked at what was scored before would decide by the order.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dicebeam.pipeline.plans import trial
from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from tests.support import builders
from tests.support.evaluating import table
from tests.support.paths import ROOT

CURSED, NO_NUMBER = 255, 254
KINDS = ["good", "cursed", "no number", "what?"]
SHARDS = ["cursed"] * 2 + ["mixed"] * 3 + ["no number", "good", "cursed", "what?", "mixed"]
RECORDS = 20
WEIGHTS = np.random.default_rng(3).normal(0, 2, (3, 3)).astype(np.float32)
GUARD_SECONDS = 240


def moody(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Fails on white images, gives NaN for those that are nearly white."""

    def are(value: int) -> tf.Tensor:
        return tf.reduce_all(tf.abs(images * 255 - value) < 0.1, [1, 2, 3])

    calm = tf.debugging.Assert(tf.logical_not(tf.reduce_any(are(CURSED))), ["cursed image"])
    with tf.control_dependencies([calm]):
        probs = tf.nn.softmax(images @ WEIGHTS)
    return {"probs": tf.where(are(NO_NUMBER)[:, None, None, None], np.nan, probs)}


def moody_and_slow(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """The same, so slowly that a kill comes in the middle of a run."""
    work = tf.while_loop(lambda i, _: i < 20, lambda i, x: (i + 1, x @ x / 300.0), [0, tf.ones([300, 300])])[1]
    return {"probs": moody(images)["probs"] + 0.0 * work[0, 0]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return builders.save_model(tmp_path_factory.mktemp("model") / "moody", moody, builders.images_spec())


def record(kind: str, name: str, rng: np.random.Generator) -> bytes:
    if kind == "what?":
        return f"what is {name}?".encode()
    image = rng.integers(0, 200, (6, 5, 3), np.uint8)
    filled = {"cursed": CURSED, "no number": NO_NUMBER}.get(kind)
    return builders.sample(image if filled is None else np.full_like(image, filled), rng.integers(0, 3, (6, 5)), name)


def data(folder: Path, order: np.random.Generator | None = None) -> Path:
    """Shards of one kind, and of all; `order` shuffles the records of each, and the shards' names."""
    names = [f"part-{part:02}" for part in range(len(SHARDS))]
    if order is not None:
        order.shuffle(names)
    for part, kind in enumerate(SHARDS):
        rng = np.random.default_rng(part)
        kinds = [KINDS[i % 4] if kind == "mixed" else kind for i in range(RECORDS)]
        records = [record(each, f"{part}-{i}", rng) for i, each in enumerate(kinds)]
        if order is not None:
            order.shuffle(records)
        builders.write_shard(folder / "data" / names[part], records)
    return folder


def config(folder: Path, model: str, **more: Any) -> dict[str, Any]:
    base = {"examples": f"{folder}/data/*", "model": model, "output": f"{folder}/out", "max_failed_fraction": 0.9}
    return {**base, "classes": ["a", "b", "c"], "foreground": ["b", "c"], **more}


def evaluated(settings: dict[str, Any], *flags: str) -> dict[str, pd.DataFrame]:
    plan = make_plan(Config.model_validate(settings), "r1", flags)
    with trial.tried(plan, pytest.fail):
        outcome = run.execute(plan)
    return tables(outcome)


def tables(outcome: run.Outcome) -> dict[str, pd.DataFrame]:
    """Tables by sample id, without what says where a record was."""
    samples, failures, classes = (table(outcome, name) for name in ("samples", "failures", "classes"))
    where = ["shard", "record", "byte_offset"]
    words = failures.message.str.replace(r"what is .*", "what?", regex=True)
    failures = failures.assign(message=words).drop(columns=where).fillna("")
    columns = sorted(set(failures) & {"sample_id", "stage", "error", "message"})
    return {
        "samples": samples.drop(columns=where).sort_values(["sample_id", "class_id"], ignore_index=True),
        "failures": failures[columns].sort_values(columns, ignore_index=True),
        "classes": classes,
        "runs": pd.DataFrame([{key: outcome.row[key] for key in ("records", "scored", "failed", "status", "digest")}]),
    }


def assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    """Integers bit for bit; doubles but for the last bits, which depend on the batch."""
    assert sorted(found) == sorted(expected)
    for name, frame in found.items():
        pd.testing.assert_frame_equal(frame, expected[name], rtol=1e-5, atol=1e-9)
    whole = found["samples"].select_dtypes("integer")
    pd.testing.assert_frame_equal(whole, expected["samples"][whole.columns], check_exact=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model: str) -> dict[str, pd.DataFrame]:
    found = evaluated(config(data(tmp_path_factory.mktemp("undisturbed")), model, batch_size=16))
    mixed, good = SHARDS.count("mixed") * RECORDS // 4, SHARDS.count("good") * RECORDS
    (row,) = found["runs"].to_dict("records")
    assert (row["records"], row["scored"]) == (len(SHARDS) * RECORDS, mixed + good)
    return found


@pytest.mark.parametrize("batch_size", [32])
def test_batches_of_any_size_with_threads_and_in_another_order(
    model: str, tmp_path: Path, undisturbed: dict[str, pd.DataFrame], batch_size: int
) -> None:
    settings = config(data(tmp_path, np.random.default_rng(batch_size)), model, batch_size=batch_size)
    flags = ["--direct_running_mode=multi_threading", "--direct_num_workers=4"]
    assert_same(evaluated(settings, *flags), undisturbed)


@pytest.mark.long
@pytest.mark.parametrize("batch_size", [1, 16, 32])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("order", [None, 1, 2])
def test_every_combination(
    model: str, tmp_path: Path, undisturbed: dict[str, pd.DataFrame], batch_size: int, workers: int, order: int | None
) -> None:
    shuffled = None if order is None else np.random.default_rng(order)
    settings = config(data(tmp_path, shuffled), model, batch_size=batch_size)
    flags = ["--direct_running_mode=multi_threading", f"--direct_num_workers={workers}"]
    assert_same(evaluated(settings, *flags), undisturbed)


# kills


def command(folder: Path, settings: dict[str, Any]) -> list[str]:
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return [sys.executable, "-m", "dicebeam", "evaluate", str(path), "--run-id", "r1"]


def finished(arguments: list[str]) -> int:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, timeout=GUARD_SECONDS, check=False).returncode


def killed_after(files: int, arguments: list[str], output: Path) -> None:
    """Kill a run as soon as it has committed so many files."""
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + GUARD_SECONDS
    while len(list(output.rglob("samples/*/*/*.parquet"))) < files:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < until
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(GUARD_SECONDS)


@pytest.mark.long
@pytest.mark.parametrize(("files", "budget", "code"), [(1, 0.9, 0), (2, 0.5, 5), (5, 0.9, 0), (7, 0.5, 5)])
def test_killed_and_resumed_it_ends_as_undisturbed(
    tmp_path: Path, undisturbed: dict[str, pd.DataFrame], files: int, budget: float, code: int
) -> None:
    slow = builders.save_model(tmp_path / "slow", moody_and_slow, builders.images_spec())
    settings = config(data(tmp_path), slow, max_failed_fraction=budget)
    arguments = command(tmp_path, settings)
    killed_after(files, arguments, tmp_path / "out")
    assert not list(tmp_path.rglob("out/runs/*/*/*.parquet"))
    assert finished(arguments) == code
    plan = make_plan(Config.model_validate(settings), "r1", [])
    found = tables(run.outcome(plan.run))
    expected = {**undisturbed, "runs": undisturbed["runs"].assign(status="done" if not code else "over_failure_budget")}
    assert_same(found, expected)
