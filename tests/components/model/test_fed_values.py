"""What a model is fed of an image: the exact values, rounded ones where it takes floats, or an error; none wraps."""

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.model import prediction
from dicebeam.components.model.agreement import Agreement

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
SOURCES = ("bool", *INTEGERS, *FLOATS)


def agreement(input_dtype):
    shape = (None, None, None, 1)
    return Agreement("serving_default", "images", input_dtype, shape, "out", 2, 1, None, (0, 1), 0)


def fed(values, source, target, scale="none"):
    """The values that `prepare` makes of one row of pixels, None where it refuses them."""
    dtype = tf.as_dtype(source)
    with np.errstate(all="ignore"):
        row = np.array(values, np.float64 if source in FLOATS else dtype.as_numpy_dtype).astype(dtype.as_numpy_dtype)
    images = tf.constant(row[None, None, :, None])
    largest = tf.constant(float(images.dtype.max) if images.dtype.is_integer else 1.0, tf.float32)
    try:
        found = prediction.prepare(images, agreement(target), scale, largest)
    except tf.errors.InvalidArgumentError as error:
        refusal = f"the images are {source} and hold values that an input of {target} cannot"
        return images.numpy().ravel(), None if refusal in str(error) else error
    assert found.dtype.name == target
    return images.numpy().ravel(), found.numpy().ravel()


def edges():
    """Numbers around the limits of every type."""
    powers = [0, 1, 7, 8, 11, 15, 16, 24, 31, 32, 53, 63, 64, 127]
    near = [sign * 2**p + d for p in powers for sign in (1, -1) for d in (-1, -0.5, 0, 0.5, 1)]
    return [*near, 65504, 65519, 65520, 3e38, 3.4e38, 1e300]


def limited(value, source):
    """The number as one that the source can hold."""
    dtype = tf.as_dtype(source)
    if source == "bool":
        return value > 0
    if not dtype.is_integer:
        return float(value)
    return min(max(math.floor(value), int(dtype.min)), int(dtype.max))


numbers = st.one_of(st.sampled_from(edges()), st.integers(-(2**65), 2**65), st.floats(-1e39, 1e39))


def as_integer(value, target):
    """The whole number, ties to even, or None where the target has none."""
    if not math.isfinite(value):
        return None
    exact = int(value) if isinstance(value, (np.bool_, np.integer)) else round(Fraction(float(value)))
    return exact if int(tf.as_dtype(target).min) <= exact <= int(tf.as_dtype(target).max) else None


def check_integers(source, target, values):
    given_values, found = fed([limited(value, source) for value in values], source, target)
    expected = [as_integer(value, target) for value in given_values]
    if None in expected:
        assert found is None
    else:
        assert [int(value) for value in found] == expected


def check_floats(source, target, values):
    given_values, found = fed([limited(value, source) for value in values], source, target)
    with np.errstate(all="ignore"):
        nearest = given_values.astype(tf.as_dtype(target).as_numpy_dtype).astype(np.float64)
    given_values = given_values.astype(np.float64)
    if not np.array_equal(np.isfinite(nearest), np.isfinite(given_values)):
        assert found is None
        return
    # TensorFlow goes from wide integers to half precision by way of float32, which may round twice
    precision = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52}[target]
    np.testing.assert_allclose(found.astype(np.float64), nearest, rtol=precision, atol=1e-45)
    whole = given_values == nearest
    np.testing.assert_array_equal(found.astype(np.float64)[whole], given_values[whole])


some, many = settings(max_examples=60, deadline=None), settings(max_examples=1000, deadline=None)
lists = st.lists(numbers, min_size=1, max_size=3)


@some
@given(source=st.sampled_from(SOURCES), target=st.sampled_from(INTEGERS), values=lists)
def test_integer_inputs_get_the_exact_values_or_none(source, target, values):
    check_integers(source, target, values)


@some
@given(source=st.sampled_from(SOURCES), target=st.sampled_from(FLOATS), values=lists)
def test_float_inputs_get_the_nearest_value_and_no_infinity_of_a_number(source, target, values):
    check_floats(source, target, values)


@pytest.mark.long
@many
@given(source=st.sampled_from(SOURCES), target=st.sampled_from([*INTEGERS, *FLOATS]), values=lists)
def test_many_values_of_every_pair_of_types(source, target, values):
    (check_integers if target in INTEGERS else check_floats)(source, target, values)


@pytest.mark.long
@pytest.mark.parametrize("source", SOURCES)
def test_every_pair_of_types_at_the_limits_of_all(source):
    for value in edges():
        for target in INTEGERS:
            check_integers(source, target, [value])
        for target in FLOATS:
            check_floats(source, target, [value])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("source", FLOATS)
def test_what_is_no_number_is_passed_to_floats_and_to_no_integer(source, value):
    for target in INTEGERS:
        assert fed([1, value], source, target)[1] is None
    for target in FLOATS:
        np.testing.assert_array_equal(fed([1, value], source, target)[1].astype(np.float64), [1, value])


@pytest.mark.parametrize(
    ("source", "target", "values"),
    [
        ("int16", "uint16", [0, 32767]), ("int8", "uint8", [0, 127]), ("uint32", "int32", [0, 2**31 - 1]),
        ("bool", "uint8", [0, 1]), ("bool", "int32", [1, 0]), ("bool", "float32", [0, 1]),
        ("float32", "int32", [-(2**31), 2**31 - 128]), ("uint64", "int64", [2**63 - 1, 0]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scale", ["none", "unit"])
def test_values_that_fit_are_fed(source, target, values, scale):
    assert fed(values, source, target, scale)[1].astype(object).tolist() == values


@pytest.mark.parametrize(
    ("source", "target", "value"),
    [
        ("float32", "int32", 2**31), ("float64", "int64", 2**63), ("float32", "uint8", 255.5),
        ("float32", "uint8", -0.6), ("int16", "uint16", -1), ("uint32", "int32", 2**31), ("uint64", "int64", 2**63),
        ("int64", "uint64", -1),
        ("uint16", "float16", 65520), ("float64", "float32", 1e39), ("float32", "float16", 7e4),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(source, target, value):
    assert fed([1, value], source, target)[1] is None


@pytest.mark.parametrize("scale", ["unit", "signed"])
@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("target", FLOATS)
def test_scaled_integers_are_at_most_1(source, target, scale):
    dtype = tf.as_dtype(source)
    low, high = fed([dtype.min, dtype.max], source, target, scale)[1].astype(np.float64)
    assert high == 1
    assert low >= (-3.1 if scale == "signed" else -1.1)
