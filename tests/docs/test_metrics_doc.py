"""Every number in the tables of docs/reference/metrics.md."""

import re

import keras
import numpy as np
import pytest
from sklearn.metrics import f1_score

from dicebeam.components import dice, losses, metrics
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([ABCD]) \| `([01]{8})` \| `([01]{8})` \| (\S+) \|", TEXT, re.MULTILINE)
TRUTH, PREDICTED = (np.array([[int(c) for c in row[i]] for row in ROWS]) for i in (1, 2))
STATED = {name: float(score) for name, score in re.findall(r"^\| (.+?) \| (0\.\d{4}) \| .+\|$", TEXT, re.MULTILINE)}


def classes(masks):
    return np.stack([1 - masks, masks], -1).astype(np.float32)


def per_image(zero, empty_truth=None):
    """Dice of each image by its definition, with what 0/0 and an empty truth are."""
    out = []
    for y, p in zip(TRUTH, PREDICTED, strict=True):
        size = y.sum() + p.sum()
        value = 2 * (y & p).sum() / size if size else zero
        out.append(empty_truth if empty_truth is not None and not y.any() else value)
    return np.array(out, float)


def ours(average):
    metric = metrics.DiceCoefficient(2, average=average, include_background=False)
    metric.update_state(TRUTH, classes(PREDICTED))
    return metric.result()


def keras_dice(truth, predicted, **options):
    return 1 - keras.losses.Dice(**options)(truth.astype(np.float32), predicted.astype(np.float32))


def pooled():
    return 2 * (TRUTH & PREDICTED).sum() / (TRUTH.sum() + PREDICTED.sum())


SCORES = {
    "dicebeam, `samples`": lambda: ours("samples"),
    "dicebeam, `pooled`": lambda: ours("pooled"),
    "dicebeam, 1 - `losses.Dice`": lambda: 1 - losses.Dice()(TRUTH[..., None], PREDICTED[..., None] * 1.0),
    "Keras, 1 - `losses.Dice()`": lambda: keras_dice(TRUTH[..., None], PREDICTED[..., None]),
    "Keras, 1 - `losses.Dice()`, background as a second channel": lambda: keras_dice(
        classes(TRUTH), classes(PREDICTED)
    ),
    "Keras, 1 - `losses.Dice(axis=(1, 2))`": lambda: keras_dice(TRUTH[..., None], PREDICTED[..., None], axis=(1, 2)),
    "MONAI, `DiceMetric()` foreground": lambda: np.nanmean(per_image(np.nan, np.nan)),
    "MONAI, `DiceMetric(ignore_empty=False)` foreground": lambda: per_image(1.0).mean(),
    "torchmetrics, `dice_score(include_background=False)`": lambda: np.nanmean(per_image(np.nan)),
    "torchmetrics, `dice_score()`": lambda: np.mean(
        2 * (classes(TRUTH) * classes(PREDICTED)).sum((1, 2)) / (classes(TRUTH) + classes(PREDICTED)).sum((1, 2))
    ),
    "scikit-learn, `f1_score` of all pixels": lambda: f1_score(TRUTH.ravel(), PREDICTED.ravel()),
    "scikit-learn, mean of `f1_score` of each image": lambda: np.mean(
        [f1_score(y, p, zero_division=0) for y, p in zip(TRUTH, PREDICTED, strict=True)]
    ),
    "TFMA, `F1Score` at 0.5, a pixel an example": pooled,
}


def test_every_row_is_checked():
    assert STATED.keys() == SCORES.keys()


@pytest.mark.parametrize("name", SCORES)
def test_score_is_as_stated(name):
    assert float(SCORES[name]()) == pytest.approx(STATED[name], abs=5.1e-5)


def test_dice_of_each_image():
    stated = [{"1": 1.0, "2/3": 2 / 3, "0": 0.0, "undefined": np.nan}[row[3]] for row in ROWS]
    np.testing.assert_allclose(per_image(np.nan), stated)


def test_the_example_of_keras_pools_the_batch():
    truth = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], np.float32).reshape(2, 2, 2, 1)
    predicted = np.array([[0, 1, 0, 1], [0.4, 0, 0, 0.9]], np.float32).reshape(2, 2, 2, 1)
    assert float(keras.losses.Dice()(truth, predicted)) == pytest.approx(0.6164, abs=5e-5)
    each = dice.dice_loss(truth, predicted, reduction="none")[:, 0]
    np.testing.assert_allclose(each, [0.5, 0.7576], atol=5e-5)
    assert all(number in TEXT for number in ("0.6164", "0.5 and 0.7576"))


def test_tversky_of_keras_swaps_its_weights():
    truth, predicted = np.array([[[1.0], [0.0]]]), np.array([[[1.0], [1.0]]])
    theirs = keras.losses.Tversky(alpha=0.2, beta=0.8)(truth, predicted)
    assert float(theirs) == pytest.approx(0.4444, abs=5e-5)
    assert float(dice.tversky_loss(truth, predicted, alpha=0.2, beta=0.8)) == pytest.approx(0.1667, abs=5e-5)
    assert all(number in TEXT for number in ("0.4444", "0.1667"))
