"""Mistakes are named; the message is part of the contract."""

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components import dice

IDS, PROBS = tf.zeros([2, 4, 4], tf.int32), tf.fill([2, 4, 4, 3], 1 / 3)

MISTAKES = {
    "another number of classes": (tf.zeros([2, 4, 4, 5]), PROBS, {}, r"same shape.*\(2, 4, 4, 5\)"),
    "another size": (tf.zeros([2, 4, 5], tf.int32), PROBS, {}, r"\(2, 4, 4\) \(class ids\).*\(2, 4, 5\)"),
    "ids with an axis of 1": (IDS[..., None], PROBS, {}, r"Expected 3 classes.*squeeze it"),
    "would broadcast": (tf.zeros([2, 4, 4, 1]), tf.zeros([2, 4, 4]), {}, r"but got \(2, 4, 4, 1\)"),
    "would broadcast the other way": (tf.zeros([2, 4, 4]), tf.zeros([2, 4, 4, 1]), {}, "integer class ids"),
    "axis where there is none": (
        IDS[..., None],
        tf.zeros([2, 4, 4]),
        {"class_axis": False},
        "would broadcast",
    ),
    "float ids": (tf.zeros([2, 4, 4]), PROBS, {}, "Expected integer class ids.*but got float32"),
    "integer probabilities": (IDS, tf.zeros([2, 4, 4, 3], tf.int32), {}, "floating type, but got int32"),
    "no class axis": (tf.zeros([2], tf.int32), tf.zeros([2]), {}, r"shape \[batch, ..., classes\]"),
    "unnamed activation": (IDS, PROBS, {"from_logits": True}, "'sigmoid' or 'softmax', but got True"),
    "softmax of one": (IDS, PROBS[..., :1], {"from_logits": "softmax"}, "softmax, but got one"),
    "logits as probabilities": (IDS, PROBS * 9 - 1, {}, r"y_pred in \[0, 1\].*from_logits.*from 2 to 2"),
    "targets beyond 1": (PROBS * 6, PROBS, {}, r"y_true in \[0, 1\].*from 2 to 2"),
    "ids out of range": (tf.add(IDS, [3, 0, 7, 0]), PROBS, {}, r"got 3, 7 with 3 classes"),
    "255 of one channel": (IDS + 255, PROBS[..., :1], {}, r"got 255 with 2 classes"),
    "negative ids": (IDS - 1, PROBS, {}, r"got -1"),
    "ignored classes": (PROBS, PROBS, {"ignore_labels": [255]}, "beside ignore_labels"),
    "background of one": (PROBS[..., :1], PROBS[..., :1], {"include_background": False}, "but got one"),
    "unknown reduction": (IDS, PROBS, {"reduction": "average"}, "'mean', but got 'average'"),
}


@pytest.mark.parametrize(("y_true", "y_pred", "options", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        dice.dice_loss(y_true, y_pred, **options)


def test_unknown_keyword():
    with pytest.raises(TypeError, match="ignore_label"):
        dice.dice_loss(IDS, PROBS, ignore_label=255)


def test_unknown_rank():
    function = tf.function(dice.dice_loss, input_signature=[tf.TensorSpec(None), tf.TensorSpec(None)])
    with pytest.raises(ValueError, match="known rank"):
        function.get_concrete_function()


def test_ids_out_of_range_in_a_graph():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"class ids.*\[-4\].*\[9\]"):
        tf.function(dice.dice_loss)(tf.add(IDS, [-4, 0, 9, 1]), PROBS)


@pytest.mark.parametrize("y_true", [IDS, tf.one_hot(IDS, 3)])
def test_probabilities_out_of_range_in_a_graph_are_a_debug_check(y_true):
    assert np.isfinite(tf.function(dice.dice_loss)(y_true, PROBS * 9))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"y_pred in \[0, 1\]"):
        tf.function(dice.dice_loss)(y_true, PROBS * 9, debug=True)


def test_nan_is_not_a_probability():
    with pytest.raises(ValueError, match="nan"):
        dice.dice_loss(IDS, PROBS * np.nan)


def test_rounding_of_a_softmax_is_forgiven():
    dice.dice_loss(IDS, tf.one_hot(IDS, 3) * (1 + 1e-6))


@pytest.mark.parametrize("dtype", [tf.uint8, tf.uint16, tf.int32, tf.int64])
def test_types_of_ids(dtype):
    expected = dice.dice_loss(tf.one_hot(IDS, 3), PROBS)
    np.testing.assert_allclose(dice.dice_loss(tf.cast(IDS, dtype), PROBS), expected)


def test_bool_targets():
    np.testing.assert_allclose(dice.dice_loss(tf.one_hot(IDS, 3) > 0, PROBS), dice.dice_loss(IDS, PROBS))
