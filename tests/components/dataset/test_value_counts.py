"""Counts of values, against Counter and NumPy over the values themselves."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dicebeam.components.dataset import value_counts

NARROW = [np.bool_, np.int8, np.uint8, np.int16, np.uint16]
INTEGERS = st.sampled_from(NARROW).flatmap(lambda kind: arrays.arrays(kind, st.integers(0, 60)))
FLOATS = arrays.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)


def as_dict(counts):
    return dict(zip(counts.values.tolist(), counts.counts.tolist(), strict=True))


@given(INTEGERS)
def test_every_value_of_narrow_integers_is_counted(values):
    assert value_counts.is_exact(values.dtype)
    assert as_dict(value_counts.of_integers(values)) == Counter(values.astype(int).tolist())


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_bytes_are_counted_in_any_order_of_memory(values):
    expected = np.bincount(values.ravel(), minlength=256)
    np.testing.assert_array_equal(value_counts.of_bytes(values.T), expected)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32, np.float16, np.float32, np.float64])
def test_wide_integers_and_floats_are_not_counted_one_by_one(kind):
    assert not value_counts.is_exact(np.dtype(kind))


@given(st.lists(INTEGERS, max_size=5))
def test_counts_merge_in_any_order(parts):
    counts = [value_counts.of_integers(part) for part in parts]
    expected = Counter(int(value) for part in parts for value in part)
    assert as_dict(value_counts.merged(counts)) == as_dict(value_counts.merged(counts[::-1])) == expected
    assert value_counts.merged(counts).values.tolist() == sorted(expected)


@given(FLOATS)
def test_a_larger_number_is_in_no_lower_bucket(values):
    ordered = np.sort(values)
    assert (np.diff(value_counts.float_keys(ordered)) >= 0).all()


@given(FLOATS)
def test_the_middle_of_a_bucket_errs_by_a_quarter_of_a_thousandth(values):
    middles = [value_counts.float_of(key) for key in value_counts.float_keys(values).tolist()]
    smallest = np.finfo(np.float32).tiny  # below, float32 itself has fewer digits
    np.testing.assert_allclose(middles, values.astype(np.float64), rtol=2**-12, atol=smallest)


@pytest.mark.parametrize(
    ("number", "said"), [(0.0, 0.0), (-0.0, 0.0), (1e300, 3.4028e38), (-1e300, -3.4028e38), (1e-320, 0.0)]
)
def test_what_float32_does_not_hold(number, said):
    (key,) = value_counts.float_keys(np.array([number])).tolist()
    assert value_counts.float_of(key) == pytest.approx(said, rel=1e-3)


@given(INTEGERS.filter(len), st.integers(1, 100))
def test_a_quantile_is_that_of_numpy(values, percent):
    expected = np.quantile(values.astype(int), percent / 100, method="inverted_cdf")
    rank = -(-percent * len(values) // 100)  # NumPy's own rank is rounded in floating point
    assert value_counts.quantile(value_counts.of_integers(values), percent) == np.sort(values.astype(int))[rank - 1]
    if percent % 25 == 0:
        assert np.sort(values.astype(int))[rank - 1] == expected


def test_of_four_values_one_quarter_are_not_above_the_first():
    counts = value_counts.of_integers(np.array([7, 1, 3, 5], np.uint8))
    assert [value_counts.quantile(counts, percent) for percent in (1, 25, 26, 50, 75, 99)] == [1, 1, 3, 3, 5, 7]
