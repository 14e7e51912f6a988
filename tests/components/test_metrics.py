"""The Dice metric: counts beyond float32, both averages, undefined classes."""

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from dicebeam.components import metrics

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 3, (6, 5, 5))
PROBS = RNG.dirichlet(np.ones(3), IDS.shape).astype(np.float32)


def scored(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return metric.result()


def f1(ids, hard):
    return f1_score(ids.ravel(), hard.ravel(), labels=[0, 1, 2], average=None)


def test_samples_is_the_mean_of_f1():
    expected = np.mean([f1(IDS[b], PROBS[b].argmax(-1)) for b in range(6)])
    got = scored(metrics.DiceCoefficient(3), (IDS[:2], PROBS[:2]), (IDS[2:], PROBS[2:]))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_pooled_is_f1_of_all_pixels_per_class():
    metric = metrics.DiceCoefficient(3, average="pooled", per_class=True, include_background=False)
    got = scored(metric, (IDS[:2], PROBS[:2]), (IDS[2:], PROBS[2:]))
    expected = f1(IDS, PROBS.argmax(-1))
    assert {k: float(v) for k, v in got.items()} == pytest.approx({"dice_1": expected[1], "dice_2": expected[2]})


def test_counts_go_on_beyond_2_to_the_24():
    metric = metrics.DiceCoefficient(1, average="pooled", threshold=0.5, dtype="float64")
    metric.pixels.assign([[2**24], [2**25]])
    one = np.ones([1, 1, 1], np.float32)
    metric.update_state(one, one)
    metric.update_state(one, 0 * one)
    np.testing.assert_array_equal(metric.pixels, [[2**24 + 1], [2**25 + 3]])
    assert float(metric.result()) == 2 * (2**24 + 1) / (2**25 + 3)


@pytest.mark.parametrize("average", ["samples", "pooled"])
def test_weight_2_is_the_sample_twice_and_0_is_none(average):
    weighted = metrics.DiceCoefficient(3, average=average)
    weighted.update_state(IDS[:3], PROBS[:3], sample_weight=[2.0, 0.0, 1.0])
    repeated = scored(metrics.DiceCoefficient(3, average=average), (IDS[[0, 0, 2]], PROBS[[0, 0, 2]]))
    np.testing.assert_allclose(weighted.result(), repeated, rtol=1e-6)


def test_absent_class_stays_out_and_nothing_is_nan():
    metric = metrics.DiceCoefficient(3, per_class=True)
    assert all(np.isnan(v) for v in metric.result().values())
    got = scored(metric, (np.zeros([1, 4], int), np.eye(3)[[[0, 0, 1, 1]]]))
    np.testing.assert_allclose([got["dice_0"], got["dice_1"], got["dice_2"]], [2 / 3, 0, np.nan], rtol=1e-6)
    assert np.isnan(metrics.DiceCoefficient(3).result())


def test_ignored_pixels_and_logits():
    ids = np.where(RNG.random(IDS.shape) < 0.3, 255, IDS)
    metric = metrics.DiceCoefficient(3, average="pooled", ignore_labels=[255], from_logits="softmax")
    kept = ids != 255
    expected = f1(IDS[kept], PROBS.argmax(-1)[kept]).mean()
    np.testing.assert_allclose(scored(metric, (ids, np.log(PROBS))), expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [True, False])
def test_one_sigmoid_channel(axis):
    truth, logits = np.array([[0, 1, 1, 0]]), np.array([[-1.0, 2.0, -1.0, 0.1]])
    metric = metrics.DiceCoefficient(1, threshold=0.5, from_logits="sigmoid", class_axis=axis)
    got = scored(metric, (truth, logits[..., None] if axis else logits))
    np.testing.assert_allclose(got, 0.5)


def test_reset():
    metric = metrics.DiceCoefficient(3)
    metric.update_state(IDS, PROBS)
    metric.reset_state()
    assert np.isnan(metric.result())


def test_config_round_trip():
    made = metrics.DiceCoefficient(3, average="pooled", threshold=0.4, per_class=True, ignore_labels=[9], name="d")
    again = keras.metrics.deserialize(keras.metrics.serialize(made))
    assert again.get_config() == made.get_config()
    assert (again.threshold, again.per_class, again.name) == (0.4, True, "d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 3, "average": "micro"}, "'pooled', but got 'micro'"),
        ({"classes": 1}, "Expected a threshold"),
        ({"classes": 1, "threshold": 0.5, "include_background": False}, "two classes or more"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.DiceCoefficient(**options)
