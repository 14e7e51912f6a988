"""Claimed sizes, against Pillow and TensorFlow, and damage of every header."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicebeam.components.decoding import image_headers, images
from dicebeam.schemas.errors import SampleError


def encoded(kind, size=(7, 5), **options):
    out = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), size, 3).save(out, kind, **options)
    return out.getvalue()


def gif(frames, size=(7, 5)):
    made = [Image.fromarray(np.full(size[::-1], 40 * i, np.uint8)) for i in range(frames)]
    out = io.BytesIO()
    made[0].save(out, "GIF", save_all=True, append_images=made[1:], comment=b"x" * 600)
    return out.getvalue()


FILES = {
    "png": encoded("PNG"), "palette": encoded("PNG", mode="P"),
    "jpeg": encoded("JPEG"), "cmyk": encoded("JPEG", mode="CMYK"),
    "progressive": encoded("JPEG", progressive=True, comment=b"y" * 300),
    "exif": encoded("JPEG", exif=b"Exif\0\0" + bytes(90)),
    "bmp": encoded("BMP"), "gif": gif(1),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_the_claim_is_what_the_decoder_gives(kind):
    assert image_headers.claim(FILES[kind]) == (5, 7, 1)
    assert images.decode(FILES[kind]).shape[:2] == (5, 7)


def test_a_bitmap_that_is_stored_top_down():
    data = FILES["bmp"][:22] + struct.pack("<i", -5) + FILES["bmp"][26:]
    assert image_headers.claim(data) == (5, 7, 1)
    assert images.decode(data).shape == (5, 7, 3)


@pytest.mark.parametrize("frames", [2, 5])
def test_frames_are_counted_without_decoding_them(frames):
    assert image_headers.claim(gif(frames)) == (5, 7, frames)


def test_a_gif_has_the_size_of_its_frame_and_not_of_its_screen():
    data = FILES["gif"][:6] + struct.pack("<HH", 60000, 60000) + FILES["gif"][10:]
    assert image_headers.claim(data) == (5, 7, 1)
    assert images.decode(data).shape == (5, 7, 3)


def test_fill_bytes_and_rubbish_before_a_jpeg_marker_are_skipped():
    data = FILES["jpeg"]
    at = data.index(b"\xff\xc0")
    assert image_headers.claim(data[:at] + b"\x00\x17\xff\xff" + data[at:]) == (5, 7, 1)
    assert images.decode(data[:at] + b"\x00\x17\xff\xff" + data[at:]).shape == (5, 7, 3)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0" + bytes(9)}])
def test_a_webp_claims_what_pillow_reads(options):
    data = encoded("WEBP", (300, 200), **options)
    assert image_headers.webp(data) == (200, 300, 1)
    assert images.size(data) == Image.open(io.BytesIO(data)).size[::-1]


def test_frames_of_a_webp():
    out, made = io.BytesIO(), [Image.new("RGB", (7, 5), i) for i in (3, 200, 90)]
    made[0].save(out, "WEBP", save_all=True, append_images=made[1:])
    assert image_headers.webp(out.getvalue()) == (5, 7, 3)
    with pytest.raises(SampleError, match=r"expected one image, but the WebP is animated \(3 frames\)"):
        images.size(out.getvalue())


def test_a_cut_webp():
    with pytest.raises(ValueError, match="it ends after 22 bytes, inside its header"):
        image_headers.webp(encoded("WEBP")[:22])


@pytest.mark.parametrize("data", [b"", b"GIF", b"RIFF\0\0\0\0WEBPVP8 "])
def test_other_formats_claim_nothing(data):
    assert image_headers.claim(data) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (FILES["png"][:20], "it ends after 20 bytes, inside its header"),
        (FILES["bmp"][:20], "it ends after 20 bytes, inside its header"),
        (FILES["gif"][:-1], r"it ends after \d+ bytes, inside its header"),
        (FILES["jpeg"][:30], "it ends after 30 bytes|there is no frame header in the JPEG"),
        (b"\xff\xd8\xff\xd9", "there is no frame header in the JPEG"),
        (b"\xff\xd8\xff\xda\x00\x04", "there is no frame header in the JPEG"),
        (FILES["png"][:12] + b"IDAT" + FILES["png"][16:], "a PNG begins with the chunk IHDR, not b'IDAT'"),
        (b"GIF89a" + bytes(7) + b"\x3b", "there is no image in the GIF"),
        (b"GIF89a" + bytes(7) + b"\x07", "the GIF has a block of the unknown kind 7 at byte 13"),
    ],
)
def test_a_header_that_says_nothing(data, message):
    with pytest.raises(ValueError, match=message):
        image_headers.claim(data)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(FILES)), at=st.integers(0, 10_000), noise=st.binary(min_size=1, max_size=4))
def test_nothing_is_decoded_to_more_than_it_claimed(kind, at, noise):
    """The budget would be worth nothing if a damaged header could claim one size and decode to another."""
    data = FILES[kind]
    at %= len(data)
    damaged = data[:at] + noise + data[at + len(noise) :]
    try:
        decoded = images.decode(damaged, max_pixels=1 << 20)
    except SampleError:
        return
    claim = image_headers.claim(damaged)
    assert (*decoded.shape[:2], 1) == claim
