"""Stored mask values to class ids: no value changes by way of colours, and none is dropped."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from dicebeam.components.decoding import masks
from dicebeam.schemas.config.features import TensorFeature
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.errors import SampleError
from tests.support.builders import png

STORED = np.array([[0, 1, 2], [3, 1, 0]], np.uint8)


def labels(n=3, **more):
    return LabelSettings(classes=tuple(f"c{i}" for i in range(n)), **more)


def pil_png(image, **options):
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def low_bit_grey(values, bits):
    """A grey PNG of 1, 2 or 4 bits, made by hand: Pillow writes only one of them."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = []
    for row in values:
        text = "".join(f"{int(v):0{bits}b}" for v in row)
        text += "0" * (-len(text) % 8)
        rows.append(b"\0" + int(text, 2).to_bytes(len(text) // 8, "big"))
    height, width = np.shape(values)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


# stored values


def test_eight_bits():
    np.testing.assert_array_equal(masks.decode_png_mask(png(STORED)), STORED)


def test_sixteen_bits():
    wide = np.array([[0, 300], [65535, 257]], np.uint16)
    found = masks.decode_png_mask(png(wide))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, wide)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_low_bit_grey_gives_the_stored_numbers(bits):
    values = np.random.default_rng(bits).integers(0, 2**bits, (5, 9))
    data = low_bit_grey(values, bits)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (9, 5)  # Pillow reads the file too
    np.testing.assert_array_equal(masks.decode_png_mask(data), values)


def test_one_bit_as_pillow_writes_it():
    values = STORED % 2
    data = pil_png(Image.fromarray(values.astype(bool)))
    assert masks.images.png_header(data) == (1, 0)
    np.testing.assert_array_equal(masks.decode_png_mask(data), values)


@pytest.mark.parametrize("bits", [2, 8])
def test_a_palette_gives_its_indexes(bits):
    image = Image.new("P", (3, 2))
    image.putdata([int(v) for v in STORED.ravel()])
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    np.testing.assert_array_equal(masks.decode_png_mask(pil_png(image, bits=bits)), STORED)


def test_grey_with_a_transparent_value_has_one_channel():
    data = pil_png(Image.fromarray(STORED), transparency=1)
    np.testing.assert_array_equal(masks.decode_png_mask(data), STORED)


def test_colour_keeps_its_channels():
    colour = np.dstack([STORED] * 3)
    np.testing.assert_array_equal(masks.decode_png_mask(png(colour)), colour)


def test_a_jpeg_mask_is_refused():
    out = io.BytesIO()
    Image.fromarray(STORED).save(out, "JPEG")
    with pytest.raises(SampleError, match=r"expected a PNG mask, .* JPEG is lossy and blurs class ids; store"):
        masks.decode_png_mask(out.getvalue())


@pytest.mark.parametrize("data", [b"", b"GIF89a"])
def test_what_is_no_png(data):
    with pytest.raises(SampleError, match=f"expected a PNG mask, but the {len(data)} bytes begin with") as caught:
        masks.decode_png_mask(data)
    assert "JPEG" not in str(caught.value)
    assert caught.value.stage == "mask"


def test_a_damaged_png():
    data = png(np.random.default_rng(0).integers(0, 9, (40, 40)))
    with pytest.raises(SampleError, match=r"the mask cannot be decoded: .+"):
        masks.decode_png_mask(data[: len(data) // 2])


def stored(values, dtype, **more):
    array = np.asarray(values, dtype)
    return masks.stored_values({"m": [array.tobytes()]}, TensorFeature(key="m", shape=array.shape, dtype=dtype, **more))


def test_a_raw_mask():
    np.testing.assert_array_equal(stored([[0, 70000]], "int32"), [[0, 70000]])


def test_a_raw_bool_mask():
    found = stored([[True, False]], "bool")
    assert (found.tolist(), found.dtype) == ([[1, 0]], np.uint8)


def test_a_float_mask_of_whole_numbers():
    found = stored([[0.0, 255.0]], "float32")
    assert (found.tolist(), found.dtype) == ([[0, 255]], np.int64)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e30])
def test_a_float_mask_of_other_numbers(value):
    with pytest.raises(SampleError, match="class ids in the mask 'm', but it holds values that are no whole numbers"):
        stored([[0.0, value]], "float32")


# class ids


def test_stored_values_are_class_ids():
    found = masks.class_ids(STORED, labels(4))
    np.testing.assert_array_equal(found, STORED)
    assert found.dtype == np.uint8


@pytest.mark.parametrize(("ignore", "expected"), [(255, [0, 255, 4]), ([255, 254], [0, 4, 4]), ([0], None)])
def test_ignore_labels(ignore, expected):
    values = np.array([0, 254, 255], np.uint8)
    if expected is None or 255 in expected:
        with pytest.raises(SampleError, match=r"the mask holds (254|254, 255); expected class ids 0 to 2 or an i"):
            masks.class_ids(values, labels(ignore_label=ignore))
    else:
        assert masks.class_ids(values, labels(ignore_label=ignore)).tolist() == expected


def test_an_ignore_label_may_be_a_class_id():
    assert masks.class_ids(np.array([0, 1, 2]), labels(ignore_label=0)).tolist() == [4, 1, 2]


def test_a_negative_offset_with_zero_ignored():
    assert masks.class_ids(np.array([0, 1, 3]), labels(label_offset=-1, ignore_label=0)).tolist() == [4, 0, 2]


def test_a_negative_offset_without_it_names_what_is_expected():
    with pytest.raises(SampleError, match=r"the mask holds 0; expected class ids 1 to 3\. Map such values"):
        masks.class_ids(np.array([0, 1, 3]), labels(label_offset=-1))


def test_mask_values():
    mapped = masks.class_ids(np.array([0, 255, 128, 7]), labels(mask_values={0: 0, 255: 2, 128: None}, ignore_label=7))
    assert mapped.tolist() == [0, 2, 3, 4]


def test_a_value_that_is_not_mapped_is_named():
    with pytest.raises(
        SampleError, match=r"the mask holds 1, 9; expected the values in mask_values \(0, 255\) or an i"
    ):
        masks.class_ids(np.array([0, 9, 1, 255]), labels(mask_values={255: 1, 0: 0}, ignore_label=7))


def test_many_unmapped_values_are_cut_short():
    with pytest.raises(SampleError, match=r"the mask holds 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, \.\.\.; expected"):
        masks.class_ids(np.arange(50), labels())


@pytest.mark.parametrize("value", [-1, 65536, 70000, 2**40, -(2**40)])
def test_values_beyond_sixteen_bits_are_named(value):
    with pytest.raises(SampleError, match=f"the mask holds {value}; expected class ids 0 to 2"):
        masks.class_ids(np.array([0, value]), labels())


@pytest.mark.parametrize("value", [-1, 65536, 2**31])
def test_values_beyond_sixteen_bits_may_be_ignored_or_mapped(value):
    assert masks.class_ids(np.array([1, value]), labels(ignore_label=value)).tolist() == [1, 4]
    assert masks.class_ids(np.array([1, value]), labels(mask_values={1: 1, value: 2})).tolist() == [1, 2]


@pytest.mark.parametrize("n", [253, 254, 255, 300])
def test_many_classes(n):
    ids = np.arange(n)
    found = masks.class_ids(ids, labels(n, ignore_label=999))
    np.testing.assert_array_equal(found, ids)
    assert masks.class_ids(np.array([999]), labels(n, ignore_label=999)).tolist() == [n + 1]
    with pytest.raises(SampleError, match=f"the mask holds {n};"):
        masks.class_ids(np.array([n]), labels(n, ignore_label=999))


@given(
    values=st.lists(st.integers(-3, 12), min_size=1, max_size=20),
    ignore=st.lists(st.integers(-3, 12), max_size=3),
    offset=st.integers(-3, 3),
)
def test_every_pixel_is_ignored_or_shifted_or_fails(values, ignore, offset):
    known = {v for v in values if v in ignore or 0 <= v + offset < 5}
    settings = labels(5, ignore_label=ignore, label_offset=offset)
    if known == set(values):
        expected = [6 if v in ignore else v + offset for v in values]
        assert masks.class_ids(np.array(values), settings).tolist() == expected
    else:
        unknown = ", ".join(map(str, sorted(set(values) - known)[:10]))
        with pytest.raises(SampleError, match=f"the mask holds {unknown}"):
            masks.class_ids(np.array(values), settings)


@given(
    stored=arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=6)),
    mapped=st.dictionaries(st.integers(0, 255), st.one_of(st.none(), st.integers(0, 2)), max_size=6),
    n=st.sampled_from([3, 300]),
    flipped=st.booleans(),
)
def test_masks_of_one_byte_are_mapped_as_wider_ones(stored, mapped, n, flipped):
    """Bytes are looked up on a way of their own, for any number of classes and any layout in memory."""
    stored = stored[:, ::-1] if flipped else stored
    settings = labels(n, mask_values={v: mapped.get(v, 1) for v in range(256)})
    found = masks.class_ids(stored, settings)
    wider = masks.class_ids(stored.astype(np.int32), settings)
    assert (found.dtype, found.shape) == (wider.dtype, wider.shape)
    np.testing.assert_array_equal(found, wider)
    found += 0  # who gets it may write to it


# one channel a class


def test_multi_label():
    truth, ignored = masks.multi_label(np.array([[[0, 1, 1]], [[1, 0, 0]]], np.uint8), labels())
    assert truth.dtype == bool
    assert truth.tolist() == [[[False, True, True]], [[True, False, False]]]
    assert ignored is None


def test_multi_label_with_255_for_present():
    truth, _ = masks.multi_label(np.array([[[0, 255, 9]]]), labels(mask_values={0: 0, 255: 1, 9: None}))
    assert truth.tolist() == [[[False, True, False]]]


def test_multi_label_ignored_in_one_channel_counts_for_none():
    truth, ignored = masks.multi_label(np.array([[[0, 255, 1], [1, 0, 0]]], np.uint8), labels(ignore_label=255))
    assert ignored.tolist() == [[True, False]]
    assert truth[0, 1].tolist() == [True, False, False]


@pytest.mark.parametrize("value", [2, 3, 255, -1, 70000])
def test_multi_label_values_are_0_or_1(value):
    with pytest.raises(SampleError, match=f"the mask holds {value}; expected class ids 0 to 1"):
        masks.multi_label(np.array([[[0, value, 1]]]), labels(5))


@pytest.mark.parametrize("value", [9, 70000])
def test_multi_label_values_mapped_to_other_classes_are_refused(value):
    settings = labels(5, mask_values={0: 0, 1: 1, value: 3})
    assert masks.multi_label(np.array([[[0, 1, 0]]]), settings)[0].tolist() == [[[False, True, False]]]
    with pytest.raises(SampleError, match=rf"the mask holds {value}; expected the values in mask_values \(0, 1\)"):
        masks.multi_label(np.array([[[0, value, 1]]]), settings)


def test_multi_label_with_a_mapping_that_has_no_0_or_1():
    with pytest.raises(SampleError, match="mask_values maps no value to 0 or 1"):
        masks.multi_label(np.array([[[0, 1, 1]]]), labels(5, mask_values={7: 3}))
