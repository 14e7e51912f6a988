"""The graph that decodes images gives what the evaluator decodes, for every way in which records hold them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dicebeam.components.decoding import images, raw_images, tf_examples
from dicebeam.schemas.config.features import TensorFeature
from tests.support import builders

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (6, 5, 3), np.uint8)
ENCODED = TensorFeature(key="image/encoded")


def saved(array, kind, **more):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **more)
    return file.getvalue()


def palette():
    file = io.BytesIO()
    Image.fromarray(COLOUR).quantize(8).save(file, "PNG")
    return file.getvalue()


def decoded(raw, records):
    parsed = tf.io.parse_example(records, raw_images.feature_spec(raw))
    return tf.function(lambda features: raw_images.images(raw, features), autograph=False)(parsed)


def check(feature, features, expected, rank=2):
    record = builders.example_of(features)
    raw = raw_images.of_record(tf_examples.parse(record), feature, rank, expected.shape[-1])
    found = decoded(raw, [record])
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found[0].to_tensor(), expected.astype(np.float32))
    return raw


FILES = {
    "png": builders.png(COLOUR),
    "grey_png": builders.png(COLOUR[..., 0]),
    "png_with_alpha": builders.png(RNG.integers(0, 256, (6, 5, 4), np.uint8)),
    "grey_png_with_alpha": builders.png(RNG.integers(0, 256, (6, 5, 2), np.uint8)),
    "png_of_16_bits": builders.png(RNG.integers(0, 65536, (6, 5, 3), np.uint16)),
    "palette_png": palette(),
    "jpeg": saved(COLOUR, "JPEG"),
    "grey_jpeg": saved(COLOUR[..., 0], "JPEG"),
    "bmp": saved(COLOUR, "BMP"),
    "gif": saved(COLOUR, "GIF"),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_encoded_files(file):
    check(ENCODED, {"image/encoded": file}, images.decode(file))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "float32",
                                   "float64", "bool"])  # fmt: skip
def test_bytes_of_raw_tensors(dtype):
    array = RNG.integers(0, 100, (4, 3, 2)).astype(dtype)
    if dtype == "uint32":
        array[0, 0, 0] = 2**32 - 1
    check(
        TensorFeature(key="raw", shape="shape", dtype=dtype),
        {"raw": array.astype(np.dtype(dtype).newbyteorder("<")).tobytes(), "shape": [4, 3, 2]},
        array,
    )


@pytest.mark.parametrize("values", [[0.5, 1.0, 2.0, 3.0, 4.0, 5.5], [0, 1, 2, 3, 4, 2**20]])
def test_lists_of_numbers_without_a_channel_axis(values):
    expected = np.array(values).reshape(2, 3, 1)
    raw = check(TensorFeature(key="raw", shape=(2, 3), dtype="float32"), {"raw": values}, expected)
    assert raw.shape_key is None


def test_a_volume():
    array = RNG.normal(size=(2, 3, 4)).astype("<f4")
    feature = TensorFeature(key="raw", shape="shape", dtype="float32")
    check(feature, {"raw": array.tobytes(), "shape": [2, 3, 4]}, array[..., np.newaxis], rank=3)


def test_images_of_different_sizes_in_one_batch():
    pictures = [COLOUR, COLOUR[:2, :4], COLOUR[3:, 1:]]
    records = [builders.example_of({"image/encoded": builders.png(picture)}) for picture in pictures]
    found = decoded(raw_images.unknown(ENCODED), records)
    for one, picture in zip(found, pictures, strict=True):
        np.testing.assert_array_equal(one.to_tensor(), picture)


def test_a_row_that_is_of_no_record_has_every_feature():
    for feature in (ENCODED, TensorFeature(key="raw", shape="shape")):
        raw = raw_images.unknown(feature)
        assert raw_images.blank(raw).keys() == raw_images.feature_spec(raw).keys()
