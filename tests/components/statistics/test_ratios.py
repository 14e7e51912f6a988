"""Ratios of counts against scikit-learn on pixels, and what undefined means."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from dicebeam.components import dice
from dicebeam.components.statistics import ratios

COUNTS = st.integers(0, 2**40)
ORACLES = {"dice": f1_score, "iou": jaccard_score, "precision": precision_score, "recall": recall_score}


def ratio(name, tp, fp, fn):
    arguments = {"dice": (tp, fp, fn), "iou": (tp, fp, fn), "precision": (tp, fp), "recall": (tp, fn)}[name]
    return getattr(ratios, name)(*arguments)


def counts(truth, prediction):
    return (truth & prediction).sum(), (~truth & prediction).sum(), (truth & ~prediction).sum()


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=40)
@given(pixels=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_a_ratio_is_what_scikit_learn_says(name, pixels):
    truth, prediction = np.array(pixels).T
    found = float(ratio(name, *counts(truth, prediction)))
    if np.isnan(found):  # then scikit-learn divides by zero, and gives what it is told
        assert [ORACLES[name](truth, prediction, zero_division=told) for told in (0, 1)] == [0, 1]
    else:
        assert found == pytest.approx(ORACLES[name](truth, prediction), rel=1e-12)


@pytest.mark.parametrize("name", ORACLES)
@given(tp=COUNTS, fp=COUNTS, fn=COUNTS)
def test_a_ratio_is_between_0_and_1_or_undefined(name, tp, fp, fn):
    value = float(ratio(name, tp, fp, fn))
    assert np.isnan(value) or 0 <= value <= 1


@pytest.mark.parametrize("name", ["dice", "iou"])
@given(tp=COUNTS, fp=COUNTS, fn=COUNTS)
def test_truth_and_prediction_may_be_exchanged(name, tp, fp, fn):
    np.testing.assert_equal(ratio(name, tp, fp, fn), ratio(name, tp, fn, fp))


@given(tp=COUNTS, fp=COUNTS, fn=st.integers(1, 2**40))
def test_dice_and_iou_tell_the_same(tp, fp, fn):
    iou = float(ratios.iou(tp, fp, fn))
    assert float(ratios.dice(tp, fp, fn)) == pytest.approx(2 * iou / (1 + iou), rel=1e-12)


@pytest.mark.parametrize("name", ORACLES)
def test_nothing_true_and_nothing_predicted_is_undefined(name):
    assert np.isnan(ratio(name, 0, 0, 0))


def test_nothing_predicted_has_no_precision_but_recall_0():
    assert np.isnan(ratios.precision(0, 0))
    assert ratios.recall(0, 5) == 0


def test_nothing_true_has_no_recall_but_precision_0():
    assert np.isnan(ratios.recall(0, 0))
    assert ratios.precision(0, 5) == 0


def test_arrays_are_taken_element_by_element():
    found = ratios.dice(np.array([[3, 0]]), np.array([[1, 0]]), np.array([[0, 0]]))
    np.testing.assert_equal(found, [[6 / 7, np.nan]])
    assert found.dtype == np.float64


def test_small_unsigned_counts_do_not_wrap_silently():
    tp = np.array([2**62], np.int64)
    assert ratios.iou(tp, np.array([0]), np.array([0]))[0] == 1


def test_a_division_by_zero_does_not_warn(recwarn):
    ratios.dice([0, 1], [0, 1], [0, 1])
    assert not recwarn.list


def test_soft_dice_of_two_empty_masks_is_1():
    assert ratios.soft_dice(0.0, 0, 0.0) == 1


@given(
    sums=st.tuples(COUNTS, COUNTS, COUNTS),
    # TensorFlow flushes subnormal numbers to 0; sums of float32 products, 1e-45 or more, are none in float64
    soft=st.tuples(*[st.floats(0, 1e6, allow_subnormal=False)] * 3),
    smooth=st.sampled_from([0, 1e-6, 1]),
)
@settings(deadline=None)
def test_tables_and_losses_have_one_ratio(sums, soft, smooth):
    tp, fp, fn = sums
    if tp + fp + fn:  # where nothing is counted the losses say 1, the tables NULL
        got = dice.dice_ratio(np.float64(tp), np.float64(2 * tp + fp + fn))
        assert float(got) == pytest.approx(float(ratios.dice(tp, fp, fn)), rel=1e-14)
    inter, actual, predicted = min(soft), max(soft), soft[0]
    if actual + predicted:
        got = dice.dice_ratio(np.float64(inter), np.float64(actual + predicted), smooth)
        assert float(got) == pytest.approx(float(ratios.soft_dice(inter, actual, predicted, smooth)), rel=1e-14)


def test_soft_dice_by_hand():
    assert ratios.soft_dice(1.5, 2, 2.0, smoothing=0) == pytest.approx(0.75)
    assert ratios.soft_dice(1.5, 2, 2.0, smoothing=1) == pytest.approx(4 / 5)


def test_soft_dice_of_a_sure_prediction_is_dice():
    tp, fp, fn = 7, 2, 3
    assert ratios.soft_dice(tp, tp + fn, tp + fp) == pytest.approx(float(ratios.dice(tp, fp, fn)), abs=1e-6)


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "state"),
    [(1, 0, 0, "present"), (0, 1, 1, "present"), (0, 0, 1, "missed"), (0, 1, 0, "false_alarm"), (0, 0, 0, "absent")],
)
def test_state(tp, fp, fn, state):
    assert ratios.STATES[int(ratios.state_codes(tp, fp, fn))] == state


def test_states_of_an_array():
    codes = ratios.state_codes(np.array([[1, 0], [0, 0]]), np.array([[0, 0], [4, 0]]), np.array([[0, 9], [0, 0]]))
    assert [[ratios.STATES[code] for code in row] for row in codes] == [
        ["present", "missed"],
        ["false_alarm", "absent"],
    ]


@pytest.mark.parametrize("size", [0.0, 5e-324, 1e-310])
def test_what_tensorflow_takes_for_nothing_is_empty_to_the_losses(size):
    """Whether NumPy's numbers come in or tensors: they used to be compared by NumPy and divided by TensorFlow."""
    assert float(dice.dice_ratio(np.float64(size / 2), np.float64(size))) == 1.0
    assert float(dice.dice_ratio(tf.constant(size / 2, tf.float64), tf.constant(size, tf.float64))) == 1.0
