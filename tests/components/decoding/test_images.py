"""Encoded images against Pillow's reading, and damage as SampleErrors."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicebeam.components.decoding import images
from dicebeam.schemas.errors import SampleError
from tests.support.builders import png

RNG = np.random.default_rng(7)
COLOUR = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
GREY = RNG.integers(0, 256, (5, 7)).astype(np.uint8)


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(out, kind, **options)
    return out.getvalue()


def palette(indexes, colours, **options):
    image = Image.new("P", (indexes.shape[1], indexes.shape[0]))
    image.putdata([int(i) for i in indexes.ravel()])
    image.putpalette([c for colour in colours for c in colour])
    return encoded(image, **options)


COLOURS = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
ALL_KINDS = {
    "png": encoded(COLOUR), "grey": encoded(GREY), "png16": encoded(GREY.astype(np.uint16) * 200),
    "palette": palette(GREY % 4, COLOURS, bits=2), "jpeg": encoded(COLOUR, "JPEG"), "bmp": encoded(COLOUR, "BMP"),
    "gif": encoded(GREY, "GIF"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_colour(kind):
    np.testing.assert_array_equal(images.decode(encoded(COLOUR, kind)), COLOUR)


def test_jpeg_is_near_to_pillows():
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    data = encoded(smooth, "JPEG", quality=95)
    decoded = images.decode(data)
    assert decoded.dtype == np.uint8
    np.testing.assert_allclose(decoded.astype(int), np.asarray(Image.open(io.BytesIO(data))).astype(int), atol=12)


def test_gif_has_three_channels():
    decoded = images.decode(encoded(GREY, "GIF"))
    np.testing.assert_array_equal(decoded, np.repeat(GREY[..., None], 3, -1))


def test_sixteen_bits_keep_their_values():
    wide = np.array([[0, 300], [65535, 256]], np.uint16)
    decoded = images.decode(png(wide))
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded[..., 0], wide)


@pytest.mark.parametrize(("channels", "expected"), [(0, 1), (1, 1), (3, 3), (4, 4)])
def test_grey_to_any_channels(channels, expected):
    decoded = images.decode(encoded(GREY), channels)
    assert decoded.shape == (5, 7, expected)
    np.testing.assert_array_equal(decoded[..., 0], GREY)


@pytest.mark.parametrize(("channels", "expected"), [(0, 4), (3, 3), (4, 4)])
def test_alpha_is_kept_or_dropped(channels, expected):
    rgba = np.dstack([COLOUR, np.full((5, 7), 9, np.uint8)])
    np.testing.assert_array_equal(images.decode(encoded(rgba), channels), rgba[..., :expected])


@pytest.mark.parametrize("data", [b"", b"hello", b"RIFF\x00\x00\x00\x00WEBP"])
def test_what_is_no_image(data):
    says = "there are no bytes" if not data else rf"the {len(data)} bytes begin with "
    with pytest.raises(SampleError, match=f"expected a PNG, JPEG, BMP or GIF file, but {says}") as caught:
        images.decode(data)
    assert caught.value.stage == "decode"


def test_an_animated_gif():
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(SampleError, match=r"expected one image, but the GIF is animated \(2 frames\)"):
        images.decode(data)


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif"])
def test_a_cut_file_cannot_be_decoded(kind):
    data = ALL_KINDS[kind][:-60] if kind == "jpeg" else ALL_KINDS[kind][:40]
    with pytest.raises(SampleError, match=rf"the image \({len(data)} bytes\) cannot be decoded: .+") as caught:
        images.decode(data)
    assert "\n" not in str(caught.value)


def test_a_png_that_ends_inside_its_header():
    with pytest.raises(
        SampleError, match=r"the image \(20 bytes\) cannot be decoded: it ends after 20 bytes, inside i"
    ):
        images.decode(ALL_KINDS["png"][:20])


@pytest.mark.parametrize(
    ("kind", "header"), [("png", (8, 2)), ("grey", (8, 0)), ("png16", (16, 0)), ("palette", (2, 3))]
)
def test_png_header(kind, header):
    assert images.png_header(ALL_KINDS[kind]) == header


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_size_is_height_and_width(kind):
    assert images.size(ALL_KINDS[kind]) == (5, 7)


@pytest.mark.parametrize("data", [b"", b"hello", ALL_KINDS["png"][:12]])
def test_size_of_what_is_no_image(data):
    with pytest.raises(SampleError, match=r"expected an encoded image, but (the .* begin with|there are no bytes)"):
        images.size(data)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("transparency", [None, 0])
def test_palette_indexes_whatever_the_colours(bits, transparency):
    options = {} if transparency is None else {"transparency": transparency}
    data = palette(GREY % 4, COLOURS, bits=bits, **options)
    np.testing.assert_array_equal(images.palette_indexes(data), GREY % 4)


def test_palette_indexes_of_one_bit():
    data = palette(GREY % 2, [(9, 9, 9), (200, 0, 0)], bits=1)
    assert images.png_header(data) == (1, 3)
    np.testing.assert_array_equal(images.palette_indexes(data), GREY % 2)


def test_two_colours_that_are_equal_stay_two_indexes():
    data = palette(GREY % 4, [(5, 5, 5)] * 4, bits=2)
    np.testing.assert_array_equal(images.palette_indexes(data), GREY % 4)


def test_a_cut_palette_file():
    data = palette(RNG.integers(0, 4, (60, 60)), COLOURS, bits=2)
    with pytest.raises(SampleError, match=r"the palette PNG cannot be decoded: .+"):
        images.palette_indexes(data[: len(data) // 2])


@pytest.mark.parametrize("function", [images.decode, images.size])
@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "palette"])
def test_more_pixels_than_the_budget_are_refused(function, kind):
    with pytest.raises(SampleError, match=r"the image claims 5 x 7 = 35 pixels, but max_pixels is 34; it was not deco"):
        function(ALL_KINDS[kind], max_pixels=34)
    assert function(ALL_KINDS[kind], max_pixels=35) is not None


def test_pillows_own_limit_refuses_nothing(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
    assert images.palette_indexes(ALL_KINDS["palette"]).shape == (5, 7)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
    assert images.size(encoded(COLOUR, "TIFF")) == (5, 7)


def test_errors_of_the_decoder_do_not_name_its_ops():
    with pytest.raises(SampleError, match=r"the image \(60 bytes\) cannot be decoded: Invalid PNG[^{}\[\]]*$"):
        images.decode(ALL_KINDS["png"][:60])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", [images.decode, images.size])
@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(ALL_KINDS)), at=st.integers(0, 10_000), noise=st.binary(max_size=4))
def test_damage_is_an_image_or_a_sample_error(function, kind, at, noise):
    data = ALL_KINDS[kind]
    at %= len(data)
    try:
        function(data[:at] + noise + data[at + max(1, len(noise)) :])
    except SampleError as error:
        assert error.stage == "decode"  # noqa: PT017 - any other error escapes, and that is the point
