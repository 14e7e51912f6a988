"""Files whose headers say one thing and whose pixels are another: refused, before the pixels take memory."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicebeam.components.decoding import images, masks
from dicebeam.schemas.errors import SampleError
from tests.support import hostile_images as hostile

REFUSED = {**hostile.PNGS, **hostile.JPEGS, **hostile.BMPS, **hostile.GIFS}
BUDGET = 100
"""Pixels; the headers claim 35."""


@pytest.mark.parametrize("name", REFUSED)
def test_an_image_that_is_not_what_its_header_says_is_refused(name):
    with pytest.raises(SampleError, match=r"the image .*(cannot be decoded|claims|has no pixels|GIF|BMP)") as caught:
        images.decode(REFUSED[name], max_pixels=BUDGET)
    assert caught.value.stage == "decode"


@pytest.mark.parametrize("name", hostile.PNGS)
def test_a_mask_that_is_not_what_its_header_says_is_refused(name):
    with pytest.raises(SampleError, match=r"the (palette PNG|mask) cannot be decoded: .+") as caught:
        masks.decode_png_mask(hostile.PNGS[name], max_pixels=BUDGET)
    assert caught.value.stage == "mask"


@pytest.mark.parametrize("name", hostile.SMALL_JPEGS)
def test_what_else_is_in_a_jpeg_is_not_its_image(name):
    data = hostile.SMALL_JPEGS[name]
    assert images.size(data, BUDGET) == (5, 7)
    assert images.decode(data, max_pixels=BUDGET).shape == (5, 7, 3)


@pytest.mark.parametrize("name", hostile.ANIMATED)
def test_an_animation_of_a_png_is_not_decoded(name):
    data = hostile.ANIMATED[name]
    np.testing.assert_array_equal(masks.decode_png_mask(data, BUDGET), np.ones((5, 7)))
    assert images.decode(data, max_pixels=BUDGET).shape == (5, 7, 3)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_a_decoder_that_gives_another_size_than_was_claimed_is_not_believed(monkeypatch, channels):
    real = images.tf.io.decode_png
    monkeypatch.setattr(images.tf.io, "decode_png", lambda *args: real(*args)[:-1])
    with pytest.raises(SampleError, match="the image claims 5 x 7 pixels, but its decoder gave 4 x 7; the file contra"):
        images.decode(hostile.saved("PNG"), channels)
    for mode in ("P", "L", "1"):
        with pytest.raises(SampleError, match="the mask claims 5 x 7 pixels, but its decoder gave 4 x 7"):
            masks.decode_png_mask(hostile.saved("PNG", mode=mode))


CHILD = """
import resource, sys
from dicebeam.components.decoding import images, masks
from dicebeam.schemas.errors import SampleError
from tests.support import hostile_images as hostile

first = hostile.png(hostile.header(7, 5), hostile.COLOURS, hostile.SMALL, hostile.END)
images.decode(first), masks.decode_png_mask(first), images.decode(hostile.saved("JPEG"))
for mode, kind in (("RGB", "BMP"), ("L", "GIF"), ("RGB", "WEBP")):
    images.size(hostile.saved(kind, mode=mode))
held = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (held + (8 << 20), -1))
files = {**hostile.PNGS, **hostile.JPEGS, **hostile.BMPS, **hostile.GIFS, **hostile.ANIMATED, **hostile.SMALL_JPEGS}
files["a WebP"] = hostile.WEBP
for name, data in files.items():
    for decode in (images.decode, images.size, masks.decode_png_mask):
        try:
            decode(data, max_pixels=100)
        except SampleError as error:
            assert "memory" not in str(error), name
"""


@pytest.mark.long
def test_no_hostile_file_takes_more_memory_than_its_budget():
    """In a process that may take 8 MB more; each file would take 16 MB or more if its pixels were read."""
    subprocess.run([sys.executable, "-c", CHILD], check=True, timeout=120)


def grid(values, depth, *, interlaced):
    """A palette PNG of any depth, made by hand; Pillow writes the interlaced ones."""
    image = Image.new("P", (values.shape[1], values.shape[0]))
    image.putdata([int(v) for v in values.ravel()])
    image.putpalette([v for i in range(2**depth) for v in (i, 255 - i, 7)])
    out = io.BytesIO()
    image.save(out, "PNG", bits=depth, interlace=interlaced)
    return out.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    depth=st.sampled_from([1, 2, 4, 8]), height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 99)
)
def test_palette_indexes_of_any_depth_are_pillows(depth, height, width, seed):
    values = np.random.default_rng(seed).integers(0, 2**depth, (height, width)).astype(np.uint8)
    data = grid(values, depth, interlaced=0)
    np.testing.assert_array_equal(masks.decode_png_mask(data), values)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), values)


def interlaced(values):
    """Adam7 by hand: seven small images, row by row."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [values[y::dy, x::dx] for y, x, dy, dx in passes]
    raw = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    height, width = values.shape
    head = hostile.chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, hostile.PALETTE, 0, 0, 1))
    return hostile.png(head, hostile.COLOURS, hostile.chunk(b"IDAT", zlib.compress(raw)), hostile.END)


@pytest.mark.parametrize("sizes", [(1, 1), (5, 7), (16, 9)])
def test_an_interlaced_palette(sizes):
    values = np.random.default_rng(1).integers(0, 256, sizes).astype(np.uint8)
    np.testing.assert_array_equal(masks.decode_png_mask(interlaced(values)), values)


@pytest.mark.parametrize("extra", [b"tRNS", b"bKGD", b"hIST", b"gAMA", b"eXIf", b"iCCP", b"zTXt"])
def test_what_is_said_beside_the_pixels_changes_no_index(extra):
    more = hostile.chunk(extra, b"\0\1\2\3")
    data = hostile.png(hostile.header(7, 5), hostile.COLOURS, more, hostile.SMALL, hostile.END)
    np.testing.assert_array_equal(masks.decode_png_mask(data), np.ones((5, 7)))


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 10_000), noise=st.binary(min_size=1, max_size=4))
def test_a_damaged_palette_is_refused_or_has_its_size(at, noise):
    values = np.random.default_rng(2).integers(0, 4, (9, 8)).astype(np.uint8)
    data = grid(values, 2, interlaced=0)
    at %= len(data)
    try:
        found = masks.decode_png_mask(data[:at] + noise + data[at + len(noise) :], 1 << 16)
    except SampleError:
        return
    np.testing.assert_array_equal(found, values)  # every byte that counts is under a checksum
