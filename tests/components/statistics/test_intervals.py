"""Percentile intervals, expanded for few samples, against the formula written anew."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dicebeam.components.statistics import intervals

N_NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def levels(n):
    low = 0.5 * math.erfc(float(stats.t.isf(0.025, n - 1)) * math.sqrt(n / (n - 1)) / math.sqrt(2))
    return low, 1 - low


@given(N_NUMBERS, st.integers(2, 10_000))
def test_limits_are_percentiles_of_the_replicates(values, n):
    low, high = intervals.interval(np.array(values), n)
    expected = np.quantile(values, levels(n), method="linear")
    np.testing.assert_allclose((low, high), expected, rtol=1e-9, atol=1e-6)


def test_by_hand():
    """101 replicates from 0 to 1, ten samples: t of 9 degrees is 2.26216, and Phi(-2.38452) is 0.008551."""
    low, high = intervals.interval(np.linspace(1, 0, 101), 10)
    assert (float(low), float(high)) == pytest.approx((0.008551, 1 - 0.008551), abs=2e-6)


def test_many_samples_have_the_plain_percentile_interval():
    low, high = intervals.interval(np.arange(1001.0), 10_000_000)
    assert (float(low), float(high)) == pytest.approx((25, 975), abs=1e-3)


def test_fewer_samples_have_a_wider_interval():
    tails = intervals.tail(np.array([2, 3, 5, 10, 30, 100, 1000]))
    assert np.all(np.diff(tails) > 0)
    assert np.all(tails < 0.025)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_have_none(n):
    with np.errstate(all="raise"):
        assert np.isnan(intervals.interval(np.arange(10.0), n)).all()


def test_undefined_replicates_are_left_out():
    values = np.array([5.0, np.nan, 1.0, 3.0, np.nan, 2.0])
    both = intervals.interval(values, 7), intervals.interval(values[~np.isnan(values)], 7)
    np.testing.assert_array_equal(*both)


def test_no_replicate_is_defined():
    assert np.isnan(intervals.interval(np.full(10, np.nan), 5)).all()


def test_one_replicate_is_both_limits():
    assert np.array(intervals.interval(np.array([3.0]), 5)).tolist() == [3, 3]


def test_no_replicates_at_all():
    low, high = intervals.interval(np.empty((0, 3)), 5)
    assert low.shape == high.shape == (3,)
    assert np.isnan([low, high]).all()


def test_each_statistic_has_its_own_number_of_samples():
    values = np.random.default_rng(0).random((200, 3, 2))
    n = np.array([[1, 2], [10, 100], [0, 5]])
    low, high = intervals.interval(values, n)
    for place, each in np.ndenumerate(n):
        expected = intervals.interval(values[:, *place], each)
        np.testing.assert_array_equal((low[place], high[place]), expected)


def test_one_number_of_samples_is_for_all():
    values = np.random.default_rng(0).random((50, 4))
    np.testing.assert_array_equal(intervals.interval(values, 9), intervals.interval(values, np.full(4, 9)))


def test_the_replicates_stay_as_they_are():
    values = np.array([3.0, 1.0, 2.0])
    intervals.interval(values, 5)
    assert values.tolist() == [3, 1, 2]


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    sample = rng.beta(8, 2, 2000)
    replicates = np.array([w @ sample / w.sum() for w in rng.poisson(1, (4000, 2000))])
    low, high = intervals.interval(replicates, 2000)
    half = 1.96 * sample.std() / math.sqrt(2000)
    assert (float(low), float(high)) == pytest.approx((sample.mean() - half, sample.mean() + half), abs=half / 8)
