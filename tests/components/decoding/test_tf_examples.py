"""tf.Examples: what a feature holds, and that every doubt names the feature."""

from contextlib import suppress

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.decoding import tf_examples
from dicebeam.schemas.config.features import TensorFeature
from dicebeam.schemas.errors import SampleError
from tests.support.builders import example, example_of


def tensor(values, shape, dtype="uint8", **more):
    return tf_examples.raw_tensor(
        tf_examples.parse(example(t=values, **more)), TensorFeature(key="t", shape=shape, dtype=dtype)
    )


def test_the_three_kinds():
    parsed = tf_examples.parse(example(b=b"x", f=[1.5, 2.5], i=[1, -(2**40)]))
    assert parsed["b"] == [b"x"]
    np.testing.assert_array_equal(parsed["f"], np.float32([1.5, 2.5]))
    np.testing.assert_array_equal(parsed["i"], [1, -(2**40)])


def test_empty_features_are_not_there():
    features = {"b": tf.train.Feature(bytes_list=tf.train.BytesList()), "none": tf.train.Feature()}
    data = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    assert tf_examples.parse(data) == {}


@pytest.mark.parametrize("data", [b"abc", b"\x0a\x05\x0a\x03\x0a\xff\x00", b"\xff" * 20])
def test_bytes_that_are_no_example(data):
    with pytest.raises(SampleError, match=rf"the record \({len(data)} bytes\) is not a tf\.Example: .+"):
        tf_examples.parse(data)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_a_sample_error(data):
    with suppress(SampleError):
        assert isinstance(tf_examples.parse(data), dict)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_damaged_example_parses_or_is_a_sample_error(at, noise):
    data = example(image=b"x" * 40, numbers=[1, 2, 3], floats=[1.0], name="a")
    at %= len(data)
    with suppress(SampleError):
        assert isinstance(tf_examples.parse(data[:at] + noise + data[at + len(noise) :]), dict)


def test_a_missing_feature_lists_what_the_record_has():
    with pytest.raises(
        SampleError, match="expected the feature 'mask', but it is missing or empty; the record has: a, i"
    ):
        tf_examples.values(tf_examples.parse(example(image=b"", a=1)), "mask")


def test_a_missing_feature_of_an_empty_record():
    with pytest.raises(SampleError, match="the record has: no features"):
        tf_examples.values({}, "mask")


def test_single_bytes():
    assert tf_examples.single_bytes(tf_examples.parse(example(a=b"\x00\x01")), "a") == b"\x00\x01"


def test_numbers_where_bytes_are_expected_hint_at_shape():
    with pytest.raises(SampleError, match=r"expected one byte string in 'a', but it holds 2 int64 values; .* `shape`"):
        tf_examples.single_bytes(tf_examples.parse(example(a=[1, 2])), "a")


def test_two_byte_strings_where_one_is_expected():
    with pytest.raises(SampleError, match=r"expected one byte string in 'a', but it holds 2$"):
        tf_examples.single_bytes(tf_examples.parse(example(a=[b"x", b"y"])), "a")


DTYPES = ["uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_raw_bytes_are_little_endian(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    found = tensor(array.astype(np.dtype(dtype).newbyteorder("<")).tobytes(), (2, 3), dtype)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def test_two_bytes_by_hand():
    assert tensor(b"\x2c\x01", (1,), "uint16").tolist() == [300]


def test_raw_bool_bytes_count_as_true_whatever_they_are():
    assert tensor(b"\x00\x01\xff", (3,), "bool").astype(np.uint8).tolist() == [0, 1, 1]


def test_a_float_list():
    found = tensor([0.5, 1.5], (1, 2), "float32")
    assert (found.tolist(), found.dtype) == ([[0.5, 1.5]], np.float32)


def test_an_int64_list_takes_the_dtype():
    found = tensor([1, 255], (2,), "uint8")
    assert (found.tolist(), found.dtype) == ([1, 255], np.uint8)


def test_whole_floats_may_be_integers():
    assert tensor([3.0, 4.0], (2,), "uint8").tolist() == [3, 4]


def test_the_shape_may_be_a_feature():
    assert tensor(bytes(range(6)), "s", s=[3, 2]).tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(("count", "dtype", "needs"), [(5, "uint8", 6), (7, "uint8", 6), (6, "uint16", 12)])
def test_the_wrong_number_of_bytes(count, dtype, needs):
    with pytest.raises(
        SampleError, match=rf"'t' of shape \[2, 3\] and dtype {dtype} needs {needs} bytes, but has {count}"
    ):
        tensor(bytes(count), (2, 3), dtype)


@pytest.mark.parametrize("values", [[1], [1, 2, 3], [1.0, 2.0, 3.0]])
def test_the_wrong_number_of_values(values):
    with pytest.raises(SampleError, match=rf"'t' of shape \[2\] needs 2 values, but has {len(values)}"):
        tensor(values, (2,))


def odd_example(*lists):
    """One feature `t` whose value is these encoded messages, in any form that protobuf reads."""
    entry = delimited(0x0A, b"t") + delimited(0x12, b"".join(lists))
    return delimited(0x0A, delimited(0x0A, entry))


def delimited(tag, payload):
    return bytes([tag, len(payload)]) + payload


INTS, FLOATS = 0x1A, 0x12
ODD_LISTS = {
    "unpacked": odd_example(delimited(INTS, b"\x08\x01\x08\x02")),
    "unpacked floats": odd_example(delimited(FLOATS, b"\x0d\x00\x00\x80\x3f\x0d\x00\x00\x00\x40")),
    "two packed pieces": odd_example(delimited(INTS, b"\x0a\x01\x01\x0a\x01\x02")),
    "packed, then not": odd_example(delimited(INTS, b"\x0a\x01\x01\x08\x02")),
    "not, then packed": odd_example(delimited(INTS, b"\x08\x01\x0a\x01\x02")),
    "two lists": odd_example(delimited(INTS, b"\x0a\x01\x01"), delimited(INTS, b"\x0a\x01\x02")),
}


@pytest.mark.parametrize("kind", ODD_LISTS)
def test_lists_that_are_not_packed_in_one_piece_are_read_whole(kind):
    feature = tf.train.Example.FromString(ODD_LISTS[kind]).features.feature["t"]
    assert list(getattr(feature, feature.WhichOneof("kind")).value) == [1, 2]
    assert tf_examples.parse(ODD_LISTS[kind])["t"].tolist() == [1, 2]


@pytest.mark.parametrize("kind", ODD_LISTS)
def test_two_values_are_two_however_they_are_packed(kind):
    with pytest.raises(SampleError, match="expected one value in 't', but it holds 2"):
        tf_examples.text(tf_examples.parse(ODD_LISTS[kind]), "t")


def test_one_value_unpacked_is_one():
    assert tf_examples.text(tf_examples.parse(odd_example(delimited(INTS, b"\x08\x07"))), "t") == "7"


@pytest.mark.parametrize(
    ("values", "dtype", "limits"),
    [
        ([0, 256], "uint8", "0 to 256"),
        ([-1, 3], "uint8", "-1 to 3"),
        ([0, 2**40], "int32", f"0 to {2**40}"),
        ([0.5, 1.0], "uint8", "0.5 to 1.0"),
        ([0.0, 1e30], "int64", "0.0 to .*"),
        ([0.0, 70000.0], "float16", "0.0 to 70000.0"),
        ([0, 70000], "float16", "0 to 70000"),
        ([0, 2], "bool", "0 to 2"),
        ([float("nan")], "uint8", "nan to nan"),
    ],
)
def test_values_that_do_not_fit_the_dtype(values, dtype, limits):
    with pytest.raises(SampleError, match=f"'t' has values from {limits}, which do not fit the dtype {dtype}"):
        tensor(values, (len(values),), dtype)


def test_infinite_and_missing_floats_stay_what_they_are():
    np.testing.assert_array_equal(tensor([np.inf, np.nan], (2,), "float16"), np.float16([np.inf, np.nan]))


@pytest.mark.parametrize("shape", [[0, 2], [2, -1]])
def test_a_shape_with_a_size_below_one(shape):
    with pytest.raises(SampleError, match=r"'s' says that 't' has the shape \[.*\]; every size must be at least 1"):
        tensor(b"ab", "s", s=shape)


def test_a_shape_whose_product_wraps_around():
    with pytest.raises(SampleError, match=f"'t' claims {2**32} x {2**32} = {2**64:,} pixels, but max_pixels is"):
        tensor(b"", "s", s=[2**32, 2**32])


def test_only_spatial_axes_count_as_pixels():
    parsed, feature = tf_examples.parse(example(t=bytes(24))), TensorFeature(key="t", shape=(2, 3, 4))
    assert tf_examples.raw_tensor(parsed, feature, 6, 2).shape == (2, 3, 4)
    with pytest.raises(SampleError, match="the feature 't' claims 2 x 3 = 6 pixels, but max_pixels is 5"):
        tf_examples.raw_tensor(parsed, feature, 5, 2)
    with pytest.raises(SampleError, match="claims 2 x 3 x 4 = 24 pixels, but max_pixels is 23"):
        tf_examples.raw_tensor(parsed, feature, 23, 3)


@pytest.mark.parametrize("shape", [b"2", 2.0])
def test_a_shape_that_holds_no_integers(shape):
    with pytest.raises(SampleError, match="expected int64 sizes in 's', the shape of 't'"):
        tensor(b"ab", "s", s=shape)


def test_a_shape_feature_that_is_missing():
    with pytest.raises(SampleError, match="expected the feature 's', but it is missing"):
        tensor(b"ab", "s")


@pytest.mark.parametrize(
    ("value", "text"),
    [("north", "north"), (b"\xc3\xa9", "é"), (b"a\xff", "a\\xff"), (3, "3"), (-1, "-1"), (0.5, "0.5"), (b"", "")],
)
def test_text(value, text):
    assert tf_examples.text(tf_examples.parse(example(a=value)), "a") == text


def test_text_that_is_not_there_is_none():
    assert tf_examples.text({}, "a") is None


def test_text_of_several_values():
    with pytest.raises(SampleError, match="expected one value in 'a', but it holds 2"):
        tf_examples.text(tf_examples.parse(example(a=["x", "y"])), "a")


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"a": "1", "b": "2"}, "1"),
        ({"b": "2"}, "2"),
        ({"a": "", "b": "2"}, "2"),
        ({"a": 7}, "7"),
        ({"c": "3"}, "shard#5"),
        ({}, "shard#5"),
    ],
)
def test_the_first_id_that_is_not_empty(features, expected):
    assert tf_examples.sample_id(tf_examples.parse(example_of(features)), ("a", "b"), "shard#5") == expected


@pytest.mark.parametrize("value", [b"right", 7, 0.5, list(range(200))])
def test_a_name_with_nul_does_not_pass_for_another(value):
    other = (
        b"wrong" if isinstance(value, bytes) else [type(v)(9) for v in value] if isinstance(value, list) else value + 1
    )
    for names in (("a", "a\0b"), ("a\0b", "a")):
        body = b"".join(features_of(name, value if name == "a" else other) for name in names)
        found = tf_examples.parse(b"\x0a" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body)
        assert set(found) == {"a", "a\0b"}
        assert list(found["a"]) == (value if isinstance(value, list) else [value])


def features_of(name, value):
    """The tf.Features of one feature; such bytes in a row are the tf.Features of all, in that order."""
    return tf.train.Example.FromString(example_of({name: value})).features.SerializeToString()
