"""Every limit at exact equality holds."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.statistics import tolerance


@given(percent=st.integers(0, 100), hundreds=st.integers(1, 1000))
def test_a_fraction_at_its_limit_is_within_it(percent, hundreds):
    total = 100 * hundreds
    assert not tolerance.fraction_beyond(percent * hundreds, total, percent / 100)
    assert tolerance.fraction_beyond(percent * hundreds + 1, total, percent / 100)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**4))
def test_fractions_are_compared_exactly(count, total, limit):
    exact = Fraction(count, total) > Fraction(limit, 10**4)
    assert tolerance.fraction_beyond(count, total, limit / 10**4) is exact


@pytest.mark.parametrize("n", range(1, 101))
def test_a_mean_of_equal_values_is_not_beyond_that_value(n):
    mean = float(np.sum(np.full(n, 0.8)) / n)
    assert not tolerance.beyond(0.8, mean)
    assert not tolerance.beyond(mean, 0.8)


def test_what_is_beyond_by_more_than_rounding_is_beyond():
    assert tolerance.beyond(0.8 + 1e-9, 0.8)
    assert not tolerance.same(0.8, 0.8 + 1e-9)
    assert tolerance.same(0.1 + 0.2, 0.3)
