"""Pictures for the page: what is shown of any dtype, and that none is large."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from dicebeam.components.report import thumbnails


def opened(uri):
    head, _, data = uri.partition(";base64,")
    assert head in ("data:image/png", "data:image/jpeg")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_eight_bits_stay_as_they_are():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(np.asarray(opened(thumbnails.data_uri(image))), image)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_other_numbers_of_channels_show_the_first(channels):
    image = np.random.default_rng(0).integers(0, 255, (4, 6, channels)).astype(np.uint8)
    np.testing.assert_array_equal(thumbnails.displayable(image), image[..., 0])


def test_alpha_is_left_out():
    assert thumbnails.displayable(np.zeros((2, 3, 4), np.uint8)).shape == (2, 3, 3)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int32])
def test_other_values_are_stretched(dtype):
    shown = thumbnails.displayable((np.arange(10_000).reshape(100, 100, 1) * 6).astype(dtype))
    assert (shown.min(), shown.max()) == (0, 255)
    assert abs(int(shown[50, 0]) - 128) <= 2


def test_what_is_not_finite_is_black():
    image = np.full((2, 2, 1), np.nan, np.float32)
    assert thumbnails.displayable(image).tolist() == [[0, 0], [0, 0]]


def test_a_constant_image_is_no_division_by_zero():
    assert thumbnails.displayable(np.full((2, 2, 1), 7.0)).shape == (2, 2)


def test_large_images_keep_their_proportions():
    assert opened(thumbnails.data_uri(np.zeros((300, 1200, 3), np.uint8))).size == (320, 80)


def test_noise_is_no_larger_than_asked():
    noise = np.random.default_rng(0).integers(0, 255, (2000, 2000, 3)).astype(np.uint8)
    assert len(thumbnails.data_uri(noise)) <= 4 / 3 * thumbnails.MAX_BYTES + 50


def test_one_pixel_wide_is_a_picture_too():
    assert opened(thumbnails.data_uri(np.zeros((5000, 1, 3), np.uint8))).size == (1, 320)
