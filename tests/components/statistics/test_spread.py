"""Moments, slopes and reaches, by hand, against Wilson's interval, and against weights that are tilted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dicebeam.components.statistics import bootstrap, spread
from dicebeam.components.statistics.hashing import id_hashes

ORDINARY = st.floats(1e-3, 10)


def test_moments_by_hand():
    """Of 1, 2, 6: the mean is 3, squares 4 + 1 + 9, cubes -8 - 1 + 27."""
    variance, third = spread.moments(np.array([1.0, 2.0, 6.0]), 3)
    assert (float(variance), float(third)) == pytest.approx((7, 6))


@pytest.mark.parametrize("n", [10, 30, 200])
def test_the_variance_is_that_of_n_minus_1(n):
    """Without n / (n - 1): so many draws as there are by chance widen it already."""
    values = np.random.default_rng(n).beta(8, 2, n)
    weights = bootstrap.weights(id_hashes(str(i).encode() for i in range(n)), 40_000, 0).astype(float)
    variance, _ = spread.moments(weights.T @ values / weights.sum(0), n - 1)
    assert float(variance) == pytest.approx(values.var(ddof=1) / n, rel=0.035)


def test_undefined_replicates_are_left_out():
    values = np.array([5.0, np.nan, 1.0, 3.0, np.nan, 2.0])
    assert spread.moments(values, 6) == spread.moments(values[~np.isnan(values)], 6)


@pytest.mark.parametrize(("values", "degrees"), [([1.0, 2.0], 0), ([1.0], 5), ([np.nan, 1.0], 5), ([], 5)])
def test_what_has_no_spread_has_no_moments(values, degrees):
    with np.errstate(all="raise"):
        assert np.isnan(spread.moments(np.array(values), degrees)).all()


def test_each_statistic_has_degrees_of_its_own():
    values = np.random.default_rng(0).random((200, 3, 2))
    degrees = np.array([[0, 1], [9, 99], [4, 1]])
    found = spread.moments(values, degrees)
    for place, each in np.ndenumerate(degrees):
        expected = spread.moments(values[:, *place], each)
        np.testing.assert_allclose([part[place] for part in found], expected, rtol=1e-12)


def test_what_does_not_vary_has_no_slope():
    assert spread.slope([0.0, 2.0], [1.0, 1.0]).tolist() == [0, 0.5]


@given(ORDINARY, ORDINARY, st.floats(-10, 10))
def test_a_reach_solves_its_equation(t, variance, outward):
    found = float(spread.reach(t, variance, outward))
    assert found > 0
    assert found**2 == pytest.approx(t**2 * (variance + outward * found), rel=1e-6)


@given(ORDINARY, ORDINARY)
def test_without_a_slope_it_is_t_standard_errors(t, variance):
    assert float(spread.reach(t, variance, 0.0)) == pytest.approx(t * np.sqrt(variance))


@pytest.mark.parametrize(("n", "hits"), [(1000, 970), (300, 290), (2000, 1000)])
def test_the_ends_of_a_proportion_are_wilsons(n, hits):
    p = hits / n
    variance, third = p * (1 - p) / n, p * (1 - p) * (1 - 2 * p) / n**2
    z, slope = stats.norm.ppf(0.975), spread.slope(variance, third)
    found = p - spread.reach(z, variance, -slope), p + spread.reach(z, variance, slope)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert found == pytest.approx(tuple(expected), abs=6 / n**1.5)


def test_the_slope_is_that_of_samples_with_other_weights():
    """Weights exp(c x) move the mean; the variance moves with it by third / variance."""
    values = 1 - np.random.default_rng(0).exponential(0.1, 60)

    def of(tilt):
        weights = np.exp(tilt * values)
        mean = weights @ values / weights.sum()
        return mean, weights @ (values - mean) ** 2 / weights.sum() / len(values)

    (low, var_low), (high, var_high) = of(-1e-3), of(1e-3)
    drawn = bootstrap.weights(id_hashes(str(i).encode() for i in range(60)), 20_000, 0).astype(float)
    slope = float(spread.slope(*spread.moments(drawn.T @ values / drawn.sum(0), 59)))
    assert slope == pytest.approx((var_high - var_low) / (high - low), rel=0.35)


def test_a_slope_that_chance_would_give_is_none():
    """The standard error of a skewness of 1,000 draws is 0.0775."""
    assert spread.certain_slope(4.0, 8 * 0.15, 1000) == 0
    assert spread.certain_slope(4.0, -8 * 0.5, 1000) == pytest.approx(-2 * (0.5 - 2 * np.sqrt(0.006)))


def test_degrees_of_a_mean_by_hand():
    """(1 + 4)^2 / (1 / 10 + 16 / 5) = 7.5757."""
    assert spread.degrees_of_mean(np.array([1.0, 4.0]), np.array([10.0, 5.0])) == pytest.approx(25 / 3.3)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 500)), min_size=1, max_size=6))
def test_degrees_of_a_mean_lie_between_the_least_and_the_most(parts):
    variances, degrees = np.array(parts).T
    found = spread.degrees_of_mean(variances, degrees)
    assert degrees.min() * (1 - 1e-9) <= found <= degrees.max()


def test_a_class_that_varies_alone_has_its_own_degrees():
    assert spread.degrees_of_mean(np.array([0.0, 3.0]), np.array([500.0, 2.0])) == pytest.approx(2)
