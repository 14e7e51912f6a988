"""Finite values and gradients where the formulas have none."""

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components import dice
from tests.components.test_dice import every_loss

TRUTHS = {"empty": 0.0, "full": 1.0}
LOGITS = [-1e4, -50.0, 0.0, 50.0, 1e4]


def with_gradient(loss, truth, prediction, **options):
    prediction = tf.convert_to_tensor(prediction)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss(truth, prediction, **options)
    return value.numpy(), tape.gradient(value, prediction).numpy()


@every_loss
@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("logit", LOGITS)
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32])
def test_sigmoid_of_extreme_logits(loss, truth, logit, dtype):
    value, gradient = with_gradient(
        loss,
        tf.fill([1, 8, 8, 1], truth),
        tf.cast(tf.fill([1, 8, 8, 1], logit), dtype),
        from_logits="sigmoid",
    )
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient.astype(np.float32)))
    assert value.dtype == np.float32


@every_loss
@pytest.mark.parametrize("right", [True, False], ids=["perfect", "opposite"])
def test_softmax_of_extreme_logits(loss, right):
    ids = tf.constant([[0, 1, 2, 1]])
    logits = 2e4 * tf.one_hot(ids if right else (ids + 1) % 3, 3) - 1e4
    value, gradient = with_gradient(loss, ids, logits, from_logits="softmax")
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    if right:
        assert value == pytest.approx(0, abs=1e-6)


@every_loss
@pytest.mark.parametrize("smooth", [0.0, 1e-6, 1.0])
def test_empty_and_empty_costs_nothing_and_pulls_nowhere(loss, smooth):
    if loss is dice.dice_cross_entropy_loss:
        pytest.skip("its cross-entropy has a gradient at 0")
    value, gradient = with_gradient(loss, tf.zeros([1, 4, 4, 1]), tf.zeros([1, 4, 4, 1]), smooth=smooth)
    assert value == 0
    assert np.all(gradient == 0)


def test_empty_truth_and_a_false_alarm_costs_everything():
    assert float(dice.dice_loss(tf.zeros([1, 4, 1]), tf.ones([1, 4, 1]))) == pytest.approx(1, abs=1e-6)


@every_loss
@pytest.mark.parametrize("activation", [False, "sigmoid", "softmax"])
def test_gradient_against_finite_differences(loss, activation):
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(3), (2, 70))
    start = rng.uniform(0.1, 0.9, (2, 70, 3)) if not activation else rng.normal(size=(2, 70, 3))
    _, gradient = with_gradient(loss, truth, start, from_logits=activation)
    step = 1e-6
    for place in [(0, 0, 0), (0, 69, 2), (1, 33, 1)]:
        nudge = np.zeros_like(start)
        nudge[place] = step
        ends = [float(loss(truth, start + sign * nudge, from_logits=activation)) for sign in (1, -1)]
        np.testing.assert_allclose(gradient[place], (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("squared", [False, True])
def test_gradient_by_the_targets_too(squared):
    rng = np.random.default_rng(1)
    truth, probs = tf.constant(rng.random((1, 70, 2))), tf.constant(rng.random((1, 70, 2)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([truth, probs])
        one, other = (dice.dice_loss(a, b, squared=squared) for a, b in ((truth, probs), (probs, truth)))
    np.testing.assert_allclose(tape.gradient(one, truth), tape.gradient(other, truth), rtol=1e-9)


@pytest.mark.parametrize("squared", [False, True])
def test_loss_over_16_million_pixels(squared):
    probs = tf.fill([1, 4096, 4096, 1], 0.1)
    value, gradient = with_gradient(dice.dice_loss, tf.ones([1, 4096, 4096, 1]), probs, squared=squared)
    exact = 0.2 / 1.01 if squared else 0.2 / 1.1
    assert 1 - value == pytest.approx(exact, rel=1e-6)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_reductions_are_wide(dtype):
    value = dice.dice_loss(tf.ones([1, 300, 300, 1]), tf.fill([1, 300, 300, 1], tf.cast(0.5, dtype)))
    assert value.dtype == (tf.float64 if dtype == tf.float64 else tf.float32)
    assert float(value) == pytest.approx(1 / 3, rel=1e-6)


@every_loss
def test_no_samples_and_no_pixels(loss):
    assert float(loss(tf.zeros([0, 4, 2]), tf.zeros([0, 4, 2]))) == 0
    assert float(loss(tf.zeros([1, 0, 2]), tf.zeros([1, 0, 2]))) == 0


def test_second_derivative():
    truth, probs = tf.constant([[[1.0], [0.0]]], tf.float64), tf.constant([[[0.5], [0.5]]], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(probs)
        with tf.GradientTape() as inner:
            inner.watch(probs)
            loss = dice.dice_loss(truth, probs, smooth=0.0)
        slope = inner.gradient(loss, probs)[0, 0, 0]
    # 1 - 2 a / (1 + a + b): d/da = -2 (1 + b) / (1 + a + b)^2, and d2/da2 = 4 (1 + b) / (1 + a + b)^3
    np.testing.assert_allclose(slope, -3 / 4)
    np.testing.assert_allclose(outer.gradient(slope, probs)[0, 0, 0], 6 / 8)
