"""Masks of 4096 x 4096: float32 alone cannot count these, and equal pixels round in one direction."""

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components import dice
from dicebeam.components.kernels import overlap_tiles
from dicebeam.components.kernels.pixel_sums import sum_pixels

SIDE = 4096


@pytest.mark.parametrize("value", [0.1, 0.7, 1e-6])
def test_constant_probability_over_16_million_pixels(value):
    probs = tf.stack([tf.fill([1, SIDE, SIDE], value), tf.fill([1, SIDE, SIDE], 1 - value)], -1)
    sums = dice.overlap(probs, tf.zeros([1, SIDE, SIDE], tf.uint8), exclusive=True)
    exact = np.float64(np.float32(value)) * SIDE**2
    assert overlap_tiles.tile_rows(2) * overlap_tiles.ROW <= SIDE**2  # tiled, in whole tiles
    np.testing.assert_allclose(sums.soft_intersection[0, 0], exact, rtol=1e-6)
    np.testing.assert_allclose(sums.soft_predicted[0, 0], exact, rtol=1e-6)
    np.testing.assert_allclose(sums.soft_predicted_sq[0, 0], exact * np.float64(np.float32(value)), rtol=1e-6)


def test_counts_beyond_2_to_the_24_are_exact():
    probs = tf.ones([1, SIDE, SIDE + 1, 1])
    sums = dice.overlap(probs, tf.zeros([1, SIDE, SIDE + 1], tf.uint8), exclusive=True)
    for count in sums[:3]:
        np.testing.assert_array_equal(count, [[SIDE * (SIDE + 1)]])


def test_thresholded_sums_over_16_million_pixels():
    probs = tf.fill([1, SIDE, SIDE, 1], 0.7)
    sums = dice.overlap(probs, tf.ones([1, SIDE, SIDE, 1], tf.bool), exclusive=False)
    np.testing.assert_allclose(sums.soft_intersection, [[np.float64(np.float32(0.7)) * SIDE**2]], rtol=1e-6)
    np.testing.assert_array_equal(sums.true_positives, [[SIDE**2]])


@pytest.mark.parametrize("classes", [1, 3])
def test_equal_pixels_do_not_lose_digits(classes):
    probs = tf.fill([1, 1 << 20, classes], 0.1)  # each addition rounds in the same direction
    total = sum_pixels(probs, tf.float64)
    np.testing.assert_allclose(total, np.full((1, classes), float(np.float32(0.1)) * (1 << 20)), rtol=1e-6)
