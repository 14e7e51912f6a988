"""Histograms in steps of 1e-4, against NumPy over the values themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dicebeam.components.statistics import histograms

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.5, 0.00005, 0.99995]), min_size=1, max_size=200)


def of(values):
    return histograms.histogram(np.array(values, float)[:, None])


@pytest.mark.parametrize(
    ("value", "code"),
    [(0.0, 0), (1.0, 10_000), (0.5, 5000), (0.00004, 0), (0.00006, 1), (0.99994, 9999), (0.99996, 10_000)],
)
def test_the_nearest_step(value, code):
    assert histograms.codes(np.array([value])).tolist() == [code]
    assert np.flatnonzero(of([value])[0]).tolist() == [code]


def test_counts_equal_numpy():
    values = np.random.default_rng(0).random((500, 3))
    edges = (np.arange(histograms.STEPS + 2) - 0.5) / histograms.STEPS
    expected = [np.histogram(column, edges)[0] for column in values.T]
    np.testing.assert_array_equal(histograms.histogram(values), expected)


def test_each_class_leaves_out_its_own_undefined_values():
    found = histograms.histogram(np.array([[0.0, np.nan], [np.nan, 1.0], [0.0, 1.0]]))
    assert found[:, [0, -1]].tolist() == [[2, 0], [0, 2]]
    assert found.sum() == 4


@pytest.mark.parametrize("values", [np.empty((0, 2)), np.full((3, 2), np.nan)])
def test_nothing_to_count(values):
    found = histograms.histogram(values)
    assert (found.shape, found.sum(), found.dtype) == ((2, histograms.STEPS + 1), 0, np.int64)


@given(VALUES, VALUES)
def test_histograms_add_up(left, right):
    np.testing.assert_array_equal(of(left) + of(right), of(left + right))


@settings(deadline=None)
@given(VALUES)
def test_a_quantile_errs_by_half_a_step_at_most(values):
    found = histograms.quantiles(of(values), LEVELS)[:, 0]
    exact = np.quantile(values, LEVELS, method="inverted_cdf")
    assert np.abs(found - exact).max() <= 5e-5 + 1e-15


@given(arrays.arrays(np.int64, (2, 5), elements=st.integers(0, 4)))
def test_quantiles_of_counted_steps_are_exact(counts):
    wide = np.zeros((2, histograms.STEPS + 1), np.int64)
    wide[:, [0, 17, 5000, 9999, 10_000]] = counts
    for found, row in zip(histograms.quantiles(wide, LEVELS).T, wide, strict=True):
        values = np.repeat(np.arange(histograms.STEPS + 1) / histograms.STEPS, row)
        if values.size:
            np.testing.assert_array_equal(found, np.quantile(values, LEVELS, method="inverted_cdf"))
        else:
            assert np.isnan(found).all()


@pytest.mark.parametrize("percent", [5, 25, 50, 75, 95])
def test_a_rank_is_not_rounded_up_by_floating_point(percent):
    """0.05 of 140 values are 7, and not 7.000000000000001."""
    n = np.arange(1, 2_000_001)
    np.testing.assert_array_equal(np.ceil(percent / 100 * n), -(-n * percent // 100))
    assert histograms.quantiles(of(np.arange(140) / 140), [0.05])[0, 0] == round(6 / 140, 4)


def test_a_class_without_values_has_no_quantile():
    found = histograms.quantiles(histograms.histogram(np.array([[0.5, np.nan]])), [0.5])
    np.testing.assert_array_equal(found, [[0.5, np.nan]])


@given(VALUES)
def test_bins_hold_two_hundred_steps(values):
    codes = np.rint(np.array(values) * 10_000).astype(int)
    expected = np.bincount(np.minimum(codes // 200, 49), minlength=50)
    np.testing.assert_array_equal(histograms.bins(of(values))[0], expected)


@pytest.mark.parametrize(("value", "place"), [(0.0, 0), (0.0199, 0), (0.02, 1), (0.98, 49), (0.9799, 48), (1.0, 49)])
def test_a_limit_is_in_the_upper_bin_and_one_in_the_last(value, place):
    assert np.flatnonzero(histograms.bins(of([value]))[0]).tolist() == [place]
