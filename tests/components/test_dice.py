"""The Dice functions: hand-worked pictures, an oracle of another family, and properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from dicebeam.components import dice

LOSSES = [
    dice.dice_loss,
    dice.generalized_dice_loss,
    dice.tversky_loss,
    lambda *a, **k: dice.tversky_loss(*a, alpha=0.3, beta=0.7, gamma=0.75, **k),
    lambda *a, **k: dice.dice_loss(*a, squared=True, **k),
    dice.dice_cross_entropy_loss,
]
NAMES = ["dice", "generalized", "tversky", "focal_tversky", "squared", "dice_cross_entropy"]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
seeds = st.integers(0, 2**31)


def draw(seed, shape=(3, 4, 5), classes=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, shape), rng.dirichlet(np.ones(classes), shape)


def row(*pixels):
    """One sample, one row of pixels, one channel."""
    return tf.constant(pixels, tf.float32)[None, :, None]


def test_half_of_the_square_is_found():
    np.testing.assert_allclose(dice.dice_coefficient(row(1, 1, 0, 0), row(1, 0, 0, 0)), [[2 / 3]], rtol=1e-5)


def test_shifted_by_one_pixel():
    truth, prediction = row(0, 1, 1, 1, 0), row(0, 0, 1, 1, 1)
    np.testing.assert_allclose(dice.dice_coefficient(truth, prediction), [[2 / 3]], rtol=1e-5)


def test_half_probability_everywhere_on_half_a_mask():
    truth, prediction = row(1, 1, 0, 0), row(0.5, 0.5, 0.5, 0.5)
    np.testing.assert_allclose(dice.dice_coefficient(truth, prediction), [[0.5]], rtol=1e-5)
    squared = dice.dice_coefficient(truth, prediction, squared=True)
    np.testing.assert_allclose(squared, [[2 / 3]], rtol=1e-5)  # 2 * 1 / (2 + 1)


def test_smoothing_above_and_below():
    truth, prediction = row(1, 1, 0), row(1, 0, 0)
    same = dice.dice_coefficient(truth, prediction, smooth=1.0)
    np.testing.assert_allclose(same, [[3 / 4]], rtol=1e-6)
    below = dice.dice_coefficient(truth, prediction, smooth=0.0, smooth_denominator=1.0)
    np.testing.assert_allclose(below, [[2 / 4]], rtol=1e-6)


def test_tversky_alpha_weighs_false_positives():
    false_positive = dice.tversky_loss(row(1, 0), row(1, 1), alpha=0.2, beta=0.8, smooth=0.0)
    false_negative = dice.tversky_loss(row(1, 1), row(1, 0), alpha=0.2, beta=0.8, smooth=0.0)
    np.testing.assert_allclose(false_positive, 0.2 / 1.2, rtol=1e-6)
    np.testing.assert_allclose(false_negative, 0.8 / 1.8, rtol=1e-6)


def test_focal_tversky_is_a_power():
    plain = dice.tversky_loss(row(1, 1), row(1, 0))
    np.testing.assert_allclose(dice.tversky_loss(row(1, 1), row(1, 0), gamma=0.75), plain**0.75, rtol=1e-6)


def test_generalized_dice_of_one_pixel_and_three():
    truth = tf.constant([[0, 1, 1, 1]])
    prediction = tf.one_hot([[0, 1, 1, 0]], 2)
    # w = 1, 1/9: 1 - 2 (1 + 2/9) / (1 + 2 + 3/9 + 2/9)
    loss = dice.generalized_dice_loss(truth, prediction, smooth=0.0)
    np.testing.assert_allclose(loss, 1 - 2 * (11 / 9) / (32 / 9), rtol=1e-6)


def test_false_alarm_of_an_absent_class_costs_in_generalized_dice():
    truth = tf.zeros([1, 4], tf.int32)
    clean = dice.generalized_dice_loss(truth, tf.one_hot([[0, 0, 0, 0]], 2))
    alarm = dice.generalized_dice_loss(truth, tf.one_hot([[0, 0, 0, 1]], 2))
    assert float(clean) == pytest.approx(0, abs=1e-6)
    assert float(alarm) == pytest.approx(1 - 6 / 8, abs=1e-6)


def test_cross_entropy_part_is_that_of_keras():
    ids, probs = draw(0)
    logits = np.log(probs)
    loss = dice.dice_cross_entropy_loss(ids, logits, from_logits="softmax", dice_weight=0.0)
    expected = np.mean(keras.losses.sparse_categorical_crossentropy(ids, probs))
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_allclose(dice.dice_cross_entropy_loss(ids, probs, dice_weight=0.0), expected, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_on_hard_predictions_dice_is_the_f1_of_sklearn(seed):
    ids, probs = draw(seed)
    hard = probs.argmax(-1)
    got = dice.dice_coefficient(ids, tf.one_hot(hard, 3, dtype=tf.float64), smooth=0.0)
    for b in range(3):
        expected = f1_score(ids[b].ravel(), hard[b].ravel(), labels=[0, 1, 2], average=None, zero_division=1)
        np.testing.assert_allclose(got[b], expected, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_soft_is_hard_on_hard_predictions(seed):
    ids, probs = draw(seed)
    hard = tf.one_hot(probs.argmax(-1), 3, dtype=tf.float64)
    sums = dice.overlap(hard, ids, exclusive=True)
    size = tf.cast(sums.predicted + sums.actual, tf.float64)
    expected = dice.dice_ratio(tf.cast(sums.true_positives, tf.float64), size)
    np.testing.assert_allclose(dice.dice_coefficient(ids, hard, smooth=0.0), expected, rtol=1e-12)


@every_loss
@settings(max_examples=10, deadline=None)
@given(seeds)
def test_bounds_ids_and_batches(loss, seed):
    ids, probs = draw(seed)
    values = loss(ids, probs, reduction="none")
    assert values.shape[0] == 3
    assert np.all(values >= -1e-6)
    np.testing.assert_allclose(values, loss(tf.one_hot(ids, 3), probs, reduction="none"), rtol=1e-6)
    singles = [loss(ids[b : b + 1], probs[b : b + 1], reduction="none") for b in range(3)]
    np.testing.assert_allclose(values, tf.concat(singles, 0), rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, st.permutations(range(3)), st.permutations(range(3)))
def test_samples_and_classes_permute(seed, samples, classes):
    ids, probs = draw(seed)
    one_hot = np.eye(3)[ids]
    got = dice.dice_coefficient(one_hot[samples][..., classes], probs[samples][..., classes])
    np.testing.assert_allclose(got, dice.dice_coefficient(one_hot, probs).numpy()[samples][:, classes])


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_symmetric_in_truth_and_prediction(seed):
    truth, prediction = np.random.default_rng(seed).random((2, 2, 7, 3))
    for squared in (False, True):
        one = dice.dice_coefficient(truth, prediction, squared=squared)
        np.testing.assert_allclose(one, dice.dice_coefficient(prediction, truth, squared=squared))


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(0, 30))
def test_each_further_wrong_pixel_costs(seed, wrong):
    truth = np.random.default_rng(seed).integers(0, 2, (1, 32, 1)).astype(float)
    truth[0, 0] = 1
    order = np.random.default_rng(seed + 1).permutation(np.arange(1, 32))
    fewer, more = truth.copy(), truth.copy()
    fewer[0, order[:wrong]] = 1 - fewer[0, order[:wrong]]
    more[0, order[: wrong + 1]] = 1 - more[0, order[: wrong + 1]]
    assert float(dice.dice_loss(truth, more)) > float(dice.dice_loss(truth, fewer))


def test_volumes_are_pixels():
    ids, probs = draw(1, (2, 3, 4, 5))
    flat = dice.dice_coefficient(ids.reshape(2, -1), probs.reshape(2, -1, 3))
    np.testing.assert_allclose(dice.dice_coefficient(ids, probs), flat)


def test_background_left_out():
    ids, probs = draw(2)
    whole = dice.dice_coefficient(ids, probs)
    np.testing.assert_allclose(dice.dice_coefficient(ids, probs, include_background=False), whole[:, 1:])


def test_reductions_and_weights():
    ids, probs = draw(3)
    values = dice.dice_loss(ids, probs, reduction="none").numpy()
    weights = np.outer([1, 0, 2], [0.5, 1, 3])
    options = {"sample_weight": [1.0, 0.0, 2.0], "class_weights": [0.5, 1.0, 3.0]}
    got = {r: dice.dice_loss(ids, probs, reduction=r, **options).numpy() for r in ("none", "sum", "mean")}
    np.testing.assert_allclose(got["none"], values * weights)
    np.testing.assert_allclose(got["sum"], (values * weights).sum())
    np.testing.assert_allclose(got["mean"], (values * weights).sum() / weights.sum())


def test_weights_of_zero_give_zero():
    ids, probs = draw(3)
    assert float(dice.dice_loss(ids, probs, sample_weight=[0.0, 0.0, 0.0])) == 0


@every_loss
def test_ignored_pixels_do_not_count_whatever_they_hold(loss):
    ids, probs = draw(4, (2, 30))
    ids[:, ::3] = 255
    kept = np.arange(30) % 3 != 0
    expected = loss(ids[:, kept], np.log(probs[:, kept]), from_logits="softmax")
    logits = np.log(probs)
    logits[:, ::3] = np.nan
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        got = loss(ids, logits, from_logits="softmax", ignore_labels=[255])
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    gradient = tape.gradient(got, logits).numpy()
    assert np.all(gradient[:, ::3] == 0)
    assert np.all(np.isfinite(gradient))


def test_one_channel_with_and_without_its_axis():
    rng = np.random.default_rng(5)
    ids, logits = rng.integers(0, 2, (2, 4, 4)), rng.normal(size=(2, 4, 4))
    expected = dice.dice_loss(ids[..., None].astype(float), logits[..., None], from_logits="sigmoid")
    for truth, pred, axis in (
        (ids, logits[..., None], True),
        (ids, logits, False),
        (ids * 1.0, logits, False),
    ):
        got = dice.dice_loss(truth, pred, from_logits="sigmoid", class_axis=axis)
        np.testing.assert_allclose(got, expected)


@every_loss
@pytest.mark.parametrize("jit", [False, True])
def test_in_a_function_of_unknown_shape(loss, jit):
    ids, probs = draw(6)
    signature = [
        tf.TensorSpec([None, None, None], tf.int64),
        tf.TensorSpec([None, None, None, 3], tf.float64),
    ]
    function = tf.function(loss, input_signature=signature, jit_compile=jit, autograph=False)
    np.testing.assert_allclose(function(ids, probs), loss(ids, probs), rtol=1e-6)
