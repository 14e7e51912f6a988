"""Intervals of values in 0 to 1: by hand, where little is known, and that each holds its value."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dicebeam.components.statistics import intervals

UNIT = st.floats(0, 1)


def one(value, replicates, n, trust=1.0):
    """The interval of one statistic of n samples."""
    low, high = intervals.interval(value, np.asarray(replicates, float), n - 1, [value / max(n, 1)], trust)
    return float(low), float(high)


@given(
    UNIT, st.lists(UNIT | st.just(np.nan), min_size=2, max_size=40), st.integers(2, 1000), st.sampled_from([0.75, 1.0])
)
def test_an_interval_holds_its_value_and_lies_in_0_to_1(value, replicates, n, trust):
    low, high = one(value, replicates, n, trust)
    if np.count_nonzero(~np.isnan(replicates)) < 2:
        assert math.isnan(low)
        assert math.isnan(high)
    else:
        assert 0 <= low <= value <= high <= 1


def test_by_hand():
    """Symmetric replicates of variance 0.0004 about 0.5, 100 samples: lost is 0.005, t of 99 degrees is 1.98422.

    Above 1.98422 * 0.02. Below, the variance is 0.0004 + 0.005^2 and the third moment -0.005^3.
    """
    low, high = one(0.5, 0.5 + 0.02 * np.array([-1, 1]) / math.sqrt(2), 100)
    assert high == pytest.approx(0.5 + 1.984217 * 0.02, abs=1e-7)
    variance = 0.0004 + 0.005**2
    shift = 1.984217**2 * 0.005**3 / variance / 2
    assert low == pytest.approx(0.5 - shift - math.sqrt(1.984217**2 * variance + shift**2), abs=1e-7)


def test_many_samples_have_the_interval_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    sample = rng.beta(8, 2, 5000)
    replicates = np.array([w @ sample / w.sum() for w in rng.poisson(1, (2000, 5000))])
    half = 1.96 * sample.std() / math.sqrt(5000)
    assert one(sample.mean(), replicates, 5000) == pytest.approx(
        (sample.mean() - half, sample.mean() + half), abs=half / 8
    )


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_samples_none_of_which_is_missed_leave_room_for_misses(n):
    """The exact limit of a rate of which n samples show none is 3.69 / n."""
    low, high = one(1.0, np.ones(100), n)
    assert high == 1
    assert 3.69 / n < 1 - low < 5.5 / n


@pytest.mark.parametrize("misses", [1, 2, 5])
def test_misses_have_about_the_exact_interval_of_a_rate(misses):
    """One more counts below, where the Poisson limits are those of Garwood."""
    n, rng = 200, np.random.default_rng(misses)
    sample = np.ones(n)
    sample[:misses] = 0
    weights = rng.poisson(1, (4000, n))
    low, high = one(sample.mean(), weights @ sample / weights.sum(1), n)
    assert (1 - low) * n == pytest.approx(stats.chi2.ppf(0.975, 2 * (misses + 1)) / 2, rel=0.25)
    assert (1 - high) * n < misses * 0.6


def test_fewer_samples_have_a_wider_interval():
    replicates = 0.5 + 0.02 * np.random.default_rng(0).standard_normal(500)
    widths = [high - low for low, high in (one(0.5, replicates, n) for n in (2, 3, 5, 10, 30, 100, 1000))]
    assert np.all(np.diff(widths) < 0)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_have_none(n):
    with np.errstate(all="raise"):
        assert np.isnan(one(0.5, np.linspace(0.4, 0.6, 10), n)).all()


@pytest.mark.parametrize("replicates", [[], [0.5], [np.nan] * 10])
def test_fewer_than_two_replicates_give_none(replicates):
    assert np.isnan(one(0.5, replicates, 5)).all()


def test_a_value_that_is_undefined_has_none():
    assert np.isnan(one(np.nan, np.linspace(0, 1, 9), 5)).all()


def test_the_upper_end_of_a_pooled_value_trusts_a_part_of_the_slope():
    replicates = 0.9 - 0.05 * np.random.default_rng(0).exponential(1, 2000)
    full, part = one(0.85, replicates, 50), one(0.85, replicates, 50, intervals.POOLED_TRUST)
    assert (full[0], full[1] < part[1]) == (part[0], True)


def test_each_statistic_has_its_own_degrees_and_losses():
    rng = np.random.default_rng(0)
    values, replicates = rng.random((3, 2)), rng.random((200, 3, 2))
    n, trust = np.array([[1, 2], [10, 100], [3, 5]]), [1.0, 0.5]
    low, high = intervals.interval(values, replicates, n - 1, (values / n)[..., None], trust)
    for place, each in np.ndenumerate(n):
        expected = one(values[place], replicates[:, *place], int(each), trust[place[1]])
        np.testing.assert_allclose((low[place], high[place]), expected, rtol=1e-12)


def test_of_a_mean_over_classes_each_class_can_lose_a_sample():
    replicates = 0.5 + 0.01 * np.random.default_rng(0).standard_normal(500)
    none, one_, both = (
        float(intervals.interval(0.5, replicates, 50, lost)[0]) for lost in ([0.0], [0.01], [0.01, 0.01])
    )
    assert none > one_ > both


def test_the_replicates_stay_as_they_are():
    values = np.array([0.3, 0.1, 0.2])
    one(0.2, values, 5)
    assert values.tolist() == [0.3, 0.1, 0.2]
