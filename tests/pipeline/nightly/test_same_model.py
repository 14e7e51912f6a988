"""The same model on the same records, in other shards and another order: nothing has changed, at any margin."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from dicebeam.components.explore import demo
from dicebeam.components.gate.estimates import METRICS
from dicebeam.components.reading import tfrecord
from dicebeam.components.statistics import tolerance
from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.nightly import verdict
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.config.gate import rises
from dicebeam.schemas.verdict import INCONCLUSIVE, INVALID, PASS, SKIPPED
from tests.support.evaluating import evaluate

CHECKS = [
    {"metric": metric, "class": name, "slice": part, "max_rise" if rises(metric) else "max_drop": 0, "min_samples": 2}
    for metric in METRICS
    if "absent_as" not in metric
    for name in ("*", "foreground")
    for part in ("all", "site=*")
]


def reshard(folder: Path, shards: int) -> str:
    """The demo's records backwards, in so many shards."""
    paths = sorted(str(path) for path in (folder / "data").glob("*.tfrecord"))
    records = [record for path in paths for record in tf.data.TFRecordDataset(path).as_numpy_iterator()][::-1]
    (folder / "other").mkdir()
    for part in range(shards):
        data = b"".join(tfrecord.frame(record) for record in records[part::shards])
        (folder / "other" / f"part-{part}.tfrecord").write_bytes(data)
    return f"{folder}/other/*"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("same") / "demo"
    path = demo.make(str(folder), 60)
    evaluate(config_file.load(path), "before")
    evaluate(config_file.load(path, [f"examples={reshard(folder, 7)}", "batch_size=3"]), "now")
    return config_file.load(path, [f"gate.checks={json.dumps(CHECKS)}"])


def test_every_check_passes_and_none_is_better(config: Config) -> None:
    found = verdict.decide(config, "now", "before").verdict
    compared = [check for check in found.checks if check.difference is not None]
    assert len(compared) > 50
    assert {check.verdict for check in compared} == {PASS}
    assert not [check for check in compared if check.improved or check.difference]
    assert not {check.verdict for check in found.checks} - {PASS, SKIPPED, INCONCLUSIVE, INVALID}


def test_without_the_tolerance_rounding_would_be_a_change(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tolerance, "RELATIVE", 0.0)
    assert [check for check in verdict.decide(config, "now", "before").verdict.checks if check.difference]
