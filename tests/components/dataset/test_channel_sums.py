"""Sums of channels, against NumPy over all pixels at once."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.dataset import channel_sums

KINDS = [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]


def images(kind, count=5, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(int(rng.integers(1, 9)), int(rng.integers(1, 9)), channels) for _ in range(count)]
    return [
        (rng.normal(90, 30, shape) if kind in KINDS[4:] else rng.integers(0, 200, shape)).astype(kind)
        for shape in shapes
    ]


def statistics(pictures):
    each = [channel_sums.of_image(picture) for picture in pictures]
    return [channel_sums.statistics(channel_sums.merged(channel)) for channel in zip(*each, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_equal_numpy_over_all_pixels(kind):
    pictures = images(kind)
    for number, found in enumerate(statistics(pictures)):
        pixels = np.concatenate([picture[..., number].ravel() for picture in pictures]).astype(np.float64)
        assert (found.images, found.pixels, found.low, found.high) == (5, pixels.size, pixels.min(), pixels.max())
        np.testing.assert_allclose([found.mean, found.std], [pixels.mean(), pixels.std()], rtol=1e-12)
        levels = [percent / 100 for percent in channel_sums.QUANTILES.values()]
        expected = np.quantile(pixels, levels, method="inverted_cdf")
        tolerance = 0 if kind in KINDS[:3] else 2**-12
        np.testing.assert_allclose(found.quantiles, expected, rtol=tolerance)


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=30))
def test_integers_are_summed_exactly(values):
    (found,) = statistics([np.array(values, np.uint16).reshape(1, -1, 1)])
    mean = Fraction(sum(values), len(values))
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    assert (found.mean, found.std) == (float(mean), pytest.approx(math.sqrt(variance), rel=1e-15))


def test_a_deviation_that_a_difference_of_sums_would_lose():
    (found,) = statistics([np.array([[[1e8]], [[1e8 + 1]]]), np.array([[[1e8 + 2]]])])
    assert found.std == pytest.approx(math.sqrt(2 / 3), rel=1e-9)


def test_integers_and_floats_of_one_channel():
    found = channel_sums.statistics(
        channel_sums.merged(
            [
                channel_sums.of_image(np.array(v, t).reshape(1, -1, 1))[0]
                for v, t in (([1, 2], np.uint8), ([4.5], float))
            ]
        )
    )
    assert (found.images, found.pixels, found.low, found.high) == (2, 3, 1.0, 4.5)
    assert (found.mean, found.std) == (pytest.approx(2.5), pytest.approx(np.std([1, 2, 4.5])))
    assert found.quantiles == pytest.approx((1, 1, 1, 2, 4.5, 4.5, 4.5), rel=2**-12)


def test_quantiles_are_within_the_values_that_occur():
    (found,) = statistics([np.full((2, 2, 1), 0.1, np.float32)])
    assert set(found.quantiles) == {found.low} == {found.high} == {float(np.float32(0.1))}
    assert found.std == 0


def test_no_pixels_have_no_statistics():
    assert channel_sums.statistics(channel_sums.merged([])) is None


def merged_at_random(parts, draw):
    """The parts merged in some order, in some groups, as workers do."""
    while len(parts) > 1:
        parts = draw(st.permutations(parts))
        size = draw(st.integers(2, len(parts)))
        parts = [channel_sums.merged(parts[:size]), *parts[size:]]
    return channel_sums.merged(parts)


FINITE = {
    np.float16: st.floats(width=16, allow_nan=False, allow_infinity=False),
    np.float32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    np.float64: st.floats(allow_nan=False, allow_infinity=False),
    np.int32: st.integers(-(2**31), 2**31 - 1),
    np.uint8: st.integers(0, 255),
    np.int16: st.integers(-(2**15), 2**15 - 1),
}
EXTREME = [
    3.039695200654188e279,
    -1.623687810843717e253,
    0.1,
    1 / 3,
    -7.7,
    1e-30,
    1e300,
    -1.7976931348623157e308,
    1e-300,
    5e-324,
    2.0**53 + 2,
    0.0,
]


@given(data=st.data(), sizes=st.lists(st.integers(1, 70), min_size=1, max_size=9))
@pytest.mark.filterwarnings("error")
def test_a_constant_channel_has_no_deviation_however_it_is_merged(data, sizes):
    kind = data.draw(st.sampled_from(list(FINITE)))
    value = data.draw(FINITE[kind] if kind is not np.float64 else FINITE[kind] | st.sampled_from(EXTREME))
    parts = [channel_sums.of_image(np.full((1, n, 1), value, kind))[0] for n in sizes]
    found = channel_sums.statistics(merged_at_random(parts, data.draw))
    constant = float(kind(value))
    assert (found.pixels, found.mean, found.std, found.low, found.high) == (
        sum(sizes), constant, 0.0, constant, constant,
    )  # fmt: skip
    assert set(found.quantiles) == {constant}


@given(data=st.data(), value=st.integers(0, 255), sizes=st.lists(st.integers(1, 70), min_size=2, max_size=9))
def test_a_constant_of_images_of_integers_and_of_floats_has_no_deviation(data, value, sizes):
    kinds = data.draw(st.lists(st.sampled_from([np.uint8, np.float32, np.float64]), min_size=9, max_size=9))
    parts = [channel_sums.of_image(np.full((1, n, 1), value, kind))[0] for n, kind in zip(sizes, kinds, strict=False)]
    found = channel_sums.statistics(merged_at_random(parts, data.draw))
    assert (found.mean, found.std) == (value, 0.0)


@given(data=st.data(), rows=st.lists(st.lists(FINITE[np.float64], min_size=1, max_size=9), min_size=1, max_size=6))
@pytest.mark.filterwarnings("error")
def test_a_mean_is_between_the_least_and_the_largest_value_and_nothing_ends_it(data, rows):
    parts = [channel_sums.of_image(np.array(row).reshape(1, -1, 1))[0] for row in rows]
    found = channel_sums.statistics(merged_at_random(parts, data.draw))
    assert found.low <= found.mean <= found.high
    assert found.std >= 0
    assert (found.std == 0) or found.low < found.high
