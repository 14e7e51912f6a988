"""One graph, the same numbers on every engine: each table of each is held against those of in_memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dicebeam.components.reading import tfrecord
from dicebeam.pipeline.commands import terminal
from dicebeam.pipeline.plans import summary_plan
from dicebeam.pipeline.runner import run
from dicebeam.pipeline.runner.run import Outcome
from dicebeam.schemas.config.config import Config
from tests.engines import servers
from tests.engines.same_tables import assert_same, tables_of
from tests.support import builders
from tests.support.evaluating import evaluate

SHARDS, GUARD_SECONDS = 6, 280
SITES, OTHER_SLICES = ["north", "south", "süd/=\n"], ["scanner", ["scanner", "site"]]


def three_classes(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images * 5.0)}


def records(part: int, rng: np.random.Generator) -> list[bytes]:
    """Seven samples of a shard; its third record is no tf.Example, and the mask of its fifth is not of its size."""
    made = []
    for i in range(7):
        mask = rng.integers(0, 3, (5, 9) if i == 4 else (6, 5))
        more = {"site": SITES[i % 3], "scanner": f"s{part % 2}", "age": 20.0 + 10 * i, "patient": f"p{(part + i) % 5}"}
        made.append(builders.sample(rng.integers(0, 256, (6, 5, 3), np.uint8), mask, f"{part}-{i}.png", **more))
    made[2] = b"what?"
    return made


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Shards with bad records, one that ends too early, and an empty one; slices, bins and clusters."""
    folder, rng = tmp_path_factory.mktemp("engines"), np.random.default_rng(7)
    for part in range(SHARDS):
        builders.write_shard(folder / "data" / f"part-{part}", records(part, rng))
    damaged = bytearray(b"".join(map(tfrecord.frame, records(SHARDS, rng))))
    damaged[40] ^= 1  # a data checksum
    (folder / "data" / "part-damaged").write_bytes(damaged[:-5])
    (folder / "data" / "part-empty").write_bytes(b"")
    return {
        "examples": f"{folder}/data/*",
        "model": builders.save_model(folder / "model", three_classes, builders.images_spec()),
        "classes": ["sky", "land", "sea"],
        "slices": ["site", {"feature": "age", "edges": [40, 60]}, ["site", "scanner"]],
        "cluster": "patient",
        "bootstrap": {"replicates": 40},
        "max_failed_fraction": 0.6,
        "output": str(folder / "expected"),
    }


def summarize(settings: dict[str, Any], flags: list[str]) -> Outcome:
    config = Config.model_validate({**settings, "slices": OTHER_SLICES})
    return run.execute(summary_plan.make_plan(config, "r1", flags))


@pytest.fixture(scope="module")
def expected(settings: dict[str, Any]) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The tables of in_memory, as evaluated and as summarized again with other slices."""
    evaluated = tables_of(evaluate(settings, "r1"))
    return evaluated, tables_of(summarize(settings, []))


def command(config: Path, flags: list[str]) -> "subprocess.CompletedProcess[str]":
    whole = [sys.executable, "-m", "dicebeam", "evaluate", str(config), "--run-id", "r1", "--", *flags]
    return subprocess.run(
        whole,
        cwd=servers.ROOT,
        env=servers.environment(),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


def test_the_oracle_is_worth_comparing_with(expected: tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]) -> None:
    evaluated, again = expected
    assert len(evaluated["samples"]) > 60
    assert set(evaluated["failures"]["stage"]) == {"read", "decode"}
    assert evaluated["failures"]["error"].nunique() >= 3
    assert evaluated["slices"]["slice"].nunique() > 8
    assert len(evaluated["replicates"]) > 0
    assert set(again["slices"]["slice"]) != set(evaluated["slices"]["slice"])


def test_an_engine_gives_the_tables_of_in_memory(
    engine: list[str],
    settings: dict[str, Any],
    expected: tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]],
    tmp_path: Path,
) -> None:
    """Evaluated, gone on with after shards were lost, and summarized; and what is said is what in_memory says."""
    evaluated, again = expected
    mine = {**settings, "output": f"{tmp_path}/out"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(mine))
    done = command(config, engine)
    assert done.returncode == terminal.INVALID, done.stderr  # the last shard ends too early
    assert done.stderr.splitlines()[0].startswith(f"dicebeam: run r1: {SHARDS + 2} shards, ")
    assert all(line.startswith("dicebeam: ") for line in done.stderr.splitlines()), done.stderr
    outcome = run.outcome(run_of(mine))
    assert_same(tables_of(outcome), evaluated)

    kept, *lost = sorted(Path(outcome.run.folder("samples")).glob("*.parquet"))
    for path in lost[::2]:
        path.unlink()
    before = kept.stat().st_mtime_ns
    resumed = evaluate(mine, "r1", engine)
    assert_same(tables_of(resumed), evaluated)
    assert kept.stat().st_mtime_ns == before
    assert_same(tables_of(summarize(mine, engine)), again)
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def run_of(settings: dict[str, Any]) -> Any:
    return summary_plan.make_plan(Config.model_validate(settings), "r1", []).run
