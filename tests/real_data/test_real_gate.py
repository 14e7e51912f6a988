"""The gate on real models, against SciPy's paired t test of their counts, which are those of the truth in CSV files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dicebeam.pipeline.nightly import verdict as gating
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.verdict import INCONCLUSIVE, PASS, REGRESSED
from tests.real_data.test_real_data import CAMVID, HIPPOCAMPUS, camvid
from tests.support import plain
from tests.support.evaluating import evaluate, table

pytestmark = pytest.mark.long  # four evaluations of real data

MARGIN = 0.01
SHARD = "test-00000-of-00004.tfrecord"
"""A quarter of the hippocampus slices."""


Night = tuple[Config, pd.DataFrame]


@pytest.fixture(scope="module")
def compared(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A subtle regression of CamVid (better poles and bicyclists, worse elsewhere), and Dice of both models by sample.

    Only where both have one. The counts are the run's own: those of the truth, but for near ties (test_real_data.py).
    """
    checks = [{"metric": "dice_mean", "class": name, "max_drop": MARGIN} for name in ("*", "foreground")]
    output = tmp_path_factory.mktemp("camvid")  # no class of CamVid is a background, so the foreground must be named
    settings = {**camvid(real_data, output, "v1"), "foreground": CAMVID, "gate": {"checks": checks}}
    found = {}
    for run_id, model in (("v1", "v1"), ("v3", "v3_noisy")):
        outcome = evaluate({**settings, "model": f"{real_data}/camvid/models/{model}"}, run_id)
        found[run_id] = plain.of_table(table(outcome, "samples"))
        plain.assert_few_moved(found[run_id], plain.of_truth(real_data / f"camvid/truth/{model}__test__ignore11.csv"))
    pairs = pd.DataFrame({"now": plain.dice(found["v3"]), "before": plain.dice(found["v1"])}).dropna()
    return Config.model_validate(settings), pairs.reset_index()


@pytest.fixture
def night(compared: Night) -> Config:
    return compared[0]


def test_differences_and_p_values_are_those_of_scipy(compared: Night) -> None:
    night, pairs = compared
    found = {check.class_name: check for check in gating.decide(night, "v3", "v1").verdict.checks}
    tests = {
        name: stats.ttest_rel(rows.now, rows.before)
        for name, (_, rows) in zip(CAMVID, pairs.groupby("class_id"), strict=True)
    }
    for name, test in tests.items():
        if name in ("fence", "pedestrian", "bicyclist"):  # absent in one run's samples and not in the other's
            continue
        rows = pairs[pairs.class_id == CAMVID.index(name)]
        check, interval = found[name], test.confidence_interval(0.95)
        assert check.n_pairs == len(rows)
        assert check.difference == pytest.approx((rows.now - rows.before).mean(), abs=1e-9)
        width = interval.high - interval.low
        assert (check.low, check.high) == pytest.approx((interval.low, interval.high), abs=0.1 * width)
    assert found["foreground"].n_pairs == min(found[name].n_pairs for name in CAMVID) == 206
    assert len(found) == len(CAMVID) + 1


def test_a_subtle_regression_is_found(night: Config) -> None:
    verdict = gating.decide(night, "v3", "v1").verdict
    by_class = {check.class_name: check.verdict for check in verdict.checks}
    assert (verdict.verdict, by_class["foreground"]) == (REGRESSED, REGRESSED)
    assert {by_class[name] for name in ("building", "pavement", "tree", "car", "pedestrian")} == {REGRESSED}
    assert {by_class[name] for name in ("pole", "bicyclist")} == {PASS}
    assert {name for name, each in by_class.items() if each == INCONCLUSIVE} <= {"sky", "road", "sign", "fence"}


def test_the_other_way_round_it_is_better(night: Config) -> None:
    verdict = gating.decide(night, "v1", "v3").verdict
    (foreground,) = [check for check in verdict.checks if check.class_name == "foreground"]
    assert (foreground.verdict, foreground.improved) == (PASS, True)


def cluster_robust_error(real_data: Path, class_id: int) -> float:
    """The standard error of the difference of two means, from the sums of its influence in each volume."""
    truth = real_data / "hippocampus/truth"
    samples = pd.read_csv(truth / "samples__test.csv").set_index("sample_id")
    volumes = samples[samples.shard == SHARD]["meta/volume"]
    influence = []
    for model in ("v1", "v2"):
        rows = pd.read_csv(truth / f"{model}__test.csv").set_index("sample_id")
        rows = rows[rows.class_id == class_id].loc[volumes.index]
        influence.append((rows.hard_dice - rows.hard_dice.mean()).fillna(0) / rows.hard_dice.count())
    by_volume = (influence[1] - influence[0]).groupby(volumes).sum()
    n = len(by_volume)
    return float(np.sqrt((by_volume**2).sum() * n / (n - 1)))


def test_slices_of_one_patient_are_resampled_together(real_data: Path, tmp_path: Path) -> None:
    """65 volumes, not 1,190 independent slices: the interval is that of the linearized difference, volume by volume."""
    settings = {
        "examples": f"{real_data}/hippocampus/tfrecord/{SHARD}",
        "model": f"{real_data}/hippocampus/models/v1",
        "output": str(tmp_path),
        "classes": HIPPOCAMPUS,
        "output_kind": "softmax_logits",
        "cluster": "meta/volume",
        "gate": {"checks": [{"metric": "dice_mean", "class": "anterior", "max_drop": MARGIN}]},
    }
    evaluate(settings, "v1")
    evaluate({**settings, "model": f"{real_data}/hippocampus/models/v2"}, "v2")
    config = Config.model_validate(settings)
    by_volume = gating.decide(config, "v2", "v1").verdict.checks[0]
    assert (by_volume.verdict, by_volume.n_pairs) == (REGRESSED, 65)
    error = cluster_robust_error(real_data, class_id=1)
    wide = stats.t.ppf(0.975, 64) * error
    half = (by_volume.high - by_volume.low) / 2
    assert half == pytest.approx(wide, rel=0.06)
