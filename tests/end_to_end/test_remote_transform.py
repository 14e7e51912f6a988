"""Data that are analyzed in a bucket, and runs with the transform that this leaves there."""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dicebeam.components.runs import analysis_files
from dicebeam.components.runs.run_files import Run
from dicebeam.pipeline.plans import analysis_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from tests.end_to_end.test_remote import TABLES, assert_tables, comparable
from tests.support import buckets, builders
from tests.support.buckets import Store
from tests.support.evaluating import evaluate, table

pytestmark = pytest.mark.skipif(
    not os.environ.get("DICEBEAM_ENGINES"), reason="whole runs in buckets take minutes: make test-engines runs them"
)

DATASET_TABLES = ["dataset_channels", "dataset_classes", "dataset_slices", "dataset_sizes", "dataset_failures"]
PROCESSES = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]


def even(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Probabilities that are others for images that are not z-scores."""
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Eight records of two sizes in two shards; one of them is bad."""
    folder, rng = tmp_path_factory.mktemp("remote-transform"), np.random.default_rng(6)
    for part in range(2):
        size = (6 + part, 5)
        records = [
            builders.sample(rng.integers(40, 200, (*size, 3), np.uint8), rng.integers(0, 2, size), f"{part}-{i}")
            for i in range(4)
        ]
        builders.write_shard(folder / f"in/data/part-{part}", [*records[:3], records[3] if part else b"what?"])
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    return {
        "examples": f"{folder}/in/data/part-*",
        "model": builders.save_model(folder / "in/model", even, spec),
        "output": f"{folder}/out",
        "classes": ["a", "b"],
        "max_failed_fraction": 0.5,
        "batch_size": 2,
    }


def analyze(settings: dict[str, Any], flags: list[str]) -> Run:
    with analysis_plan.planned(Config.model_validate(settings), "data", flags) as plan:
        run.finish(plan)
    return plan.run


def with_transform(settings: dict[str, Any], place: Run) -> dict[str, Any]:
    return {**settings, "input": {"transform": analysis_files.transform_folder(place)}}


@pytest.fixture(scope="module")
def analyzed(local: dict[str, Any]) -> Run:
    return analyze(local, [])


@pytest.fixture(scope="module")
def whole(local: dict[str, Any], analyzed: Run) -> dict[str, pd.DataFrame]:
    """What a run on this disk gives, which depends on the transform."""
    outcome = evaluate(with_transform(local, analyzed), "r1")
    return {name: comparable(table(outcome, name)) for name in TABLES}


@pytest.fixture(scope="module", params=buckets.KINDS)
def store(
    request: pytest.FixtureRequest, local: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A bucket with the examples and the model."""
    with buckets.made(request.param, tmp_path_factory.mktemp("bucket")) as store:
        store.upload(Path(local["model"]).parent, "in")
        yield store


@pytest.fixture(scope="module")
def remote(store: Store, local: dict[str, Any]) -> dict[str, Any]:
    places = {"examples": f"{store.root}/in/data/part-*", "model": f"{store.root}/in/model"}
    return {**local, **places, "output": f"{store.root}/out"}


@pytest.fixture(scope="module")
def analyzed_there(store: Store, remote: dict[str, Any]) -> Run:
    return analyze(remote, store.flags)


def test_the_statistics_are_those_of_a_local_analysis(store: Store, analyzed: Run, analyzed_there: Run) -> None:
    for name in DATASET_TABLES:
        (path,) = [each for each in store.names() if each.startswith(f"out/{name}/")]
        ours = pq.read_table(BytesIO(store.data(path))).to_pandas()
        theirs = pd.concat(pd.read_parquet(each) for each in Path(analyzed.folder(name)).glob("*.parquet"))
        pd.testing.assert_frame_equal(*(comparable(each.reset_index(drop=True)) for each in (ours, theirs)))
    assert analyzed_there.output == f"{store.root}/out"
    assert not [each for each in store.names() if ".tmp" in each]


@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["one-process", "processes"])
def test_the_transform_of_a_bucket_gives_the_tables_of_a_local_run(
    store: Store, remote: dict[str, Any], analyzed_there: Run, whole: dict[str, pd.DataFrame], flags: list[str]
) -> None:
    settings = with_transform({**remote, "output": f"{store.root}/scored-{len(flags)}"}, analyzed_there)
    assert settings["input"]["transform"].startswith(store.root)
    outcome = evaluate(settings, "r1", [*store.flags, *flags])
    own = outcome.row["transform_fingerprint"]  # TensorFlow writes the same graph in other bytes each time
    assert own not in (None, whole["runs"]["transform_fingerprint"][0])
    assert_tables(store, settings, {**whole, "runs": whole["runs"].assign(transform_fingerprint=own)}, rtol=1e-12)
