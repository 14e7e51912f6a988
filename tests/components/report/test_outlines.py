"""Outlines against a fill of them by another hand: by the even-odd rule, row by row."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dicebeam.components.report import outlines

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def filled(path, shape):
    """The pixels inside a path of M, h, v and z, whose vertical edges are counted from the left."""
    flips = np.zeros((shape[0], shape[1] + 1), int)
    for loop in re.findall(r"M(\d+) (\d+)([^z]*)z", path):
        x, y = first = int(loop[0]), int(loop[1])
        points = [first]
        for kind, size in re.findall(r"([hv])(-?\d+)", loop[2]):
            x, y = (x + int(size), y) if kind == "h" else (x, y + int(size))
            points.append((x, y))
        for (x0, y0), (x1, y1) in zip(points, [*points[1:], first], strict=True):
            assert x0 == x1 or y0 == y1
            if x0 == x1:
                flips[min(y0, y1) : max(y0, y1), x0] += 1
    return np.cumsum(flips, axis=1)[:, :-1] % 2 == 1


@given(MASKS)
def test_the_filled_outline_is_the_mask(mask):
    path, step = outlines.outline(mask)
    assert step == 1
    np.testing.assert_array_equal(filled(path, mask.shape), mask)


@given(MASKS)
def test_corners_are_counted_as_they_are_drawn(mask):
    path = outlines.outline(mask).path
    assert outlines.corners(mask) == path.count("M") + path.count("h") + path.count("v")


def test_one_pixel_is_a_square():
    assert outlines.outline(np.array([[False, True]])).path == "M1 0h1v1h-1z"


def test_an_empty_mask_has_no_outline():
    assert outlines.outline(np.zeros((4, 5), bool)) == ("", 1)


def test_a_hole_is_a_loop_of_its_own():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert outlines.outline(mask).path.count("M") == 2


def test_pixels_that_share_a_corner_are_apart():
    assert outlines.outline(np.eye(2, dtype=bool)).path.count("M") == 2


@pytest.mark.parametrize("limit", [20, 300, 1200])
def test_noise_is_coarsened_until_it_is_small(limit):
    noise = np.random.default_rng(0).random((257, 301)) > 0.5
    path, step = outlines.outline(noise, limit)
    assert step > 1
    assert len(path) < 10 * limit


def test_a_coarse_outline_stays_inside_the_mask_s_own_size():
    mask = np.zeros((7, 7), bool)
    mask[:, 4:] = mask[4:, :] = True
    mask[0, 0] = True
    path, step = outlines.outline(mask, max_corners=8)
    assert step == 2
    assert filled(path, mask.shape)[6, 6]


def test_halving_takes_the_majority():
    mask = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], bool)
    assert outlines._halved(mask).tolist() == [[True, False]]
