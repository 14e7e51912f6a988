"""Records in every form that protobuf reads, built byte by byte: what they hold is what protobuf says."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.decoding import tf_examples, wire_format
from dicebeam.schemas.errors import SampleError
from tests.support.builders import example

LONG = 60
"""Times that a short list is repeated: more than 100 numbers are a long list."""


def varint(value, extra=0):
    """A number, in more bytes than it needs where asked."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    for _ in range(extra):
        out[-1] |= 128
        out.append(0)
    return bytes(out)


def field(number, payload, extra=0):
    return varint(number << 3 | 2) + varint(len(payload), extra) + payload


extras = st.sampled_from([0] * 9 + [1])
numbers = st.lists(st.sampled_from([0, 1, 127, 128, 300, 2**31, 2**63, 2**64 - 1, 2**64 + 5, 2**69]), max_size=4)
times = st.sampled_from([1, LONG])


@st.composite
def lists(draw):
    """A list of one of three kinds: packed, not packed, in pieces, or with fields that nobody knows."""
    kind, body = draw(st.integers(1, 3)), b""
    for _ in range(draw(st.sampled_from([1, 1, 1, 0, 2]))):
        values, packed = draw(numbers), draw(st.sampled_from([True, True, True, False]))
        if kind == 1:
            body += b"".join(field(1, varint(value)) for value in values)
        elif kind == 2:
            floats = [struct.pack("<I", value & 0xFFFFFFFF) for value in values] * draw(times)
            body += field(1, b"".join(floats), draw(extras)) if packed else b"".join(b"\x0d" + v for v in floats)
        else:
            whole = [varint(value, draw(extras)) for value in values] * draw(times)
            body += field(1, b"".join(whole), draw(extras)) if packed else b"".join(b"\x08" + v for v in whole)
    return field(kind, body + draw(unknown), draw(extras))


unknown = st.sampled_from([b""] * 12 + [b"\x78\x01", field(9, b"x"), b"\x7d\0\0\0\0"])


@st.composite
def records(draw):
    def some(strategy, counts):
        return [draw(strategy) for _ in range(draw(st.sampled_from(counts)))]

    messages = b""
    for _ in range(draw(st.sampled_from([1] * 6 + [0, 2]))):
        entries = b""
        for _ in range(draw(st.integers(0, 4))):
            names = [
                field(1, name) for name in some(st.sampled_from([b"a", b"b", b"", b"a\0b", b"\xff"]), [1] * 6 + [0, 2])
            ]
            values = [
                field(2, b"".join(some(lists(), [1] * 8 + [0, 2])) + draw(unknown))
                for _ in range(draw(st.sampled_from([1] * 6 + [0, 2])))
            ]
            parts = names + values
            entries += field(1, b"".join(parts[::-1] if draw(extras) else parts) + draw(unknown), draw(extras))
        messages += field(1, entries + draw(unknown), draw(extras))
    return messages + draw(unknown)


def check(data):
    try:
        features = tf.train.Example.FromString(data).features.feature
    except (DecodeError, UnicodeDecodeError):
        with pytest.raises(SampleError, match=r"is not a tf\.Example"):
            tf_examples.parse(data)
        return
    found = tf_examples.parse(data)
    kinds = {key: feature.WhichOneof("kind") for key, feature in features.items()}
    wanted = {key: list(getattr(features[key], kind).value) for key, kind in kinds.items() if kind}
    wanted = {key: values for key, values in wanted.items() if values}
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        if kinds[key] == "bytes_list":
            assert found[key] == values
        else:
            np.testing.assert_array_equal(found[key], np.array(values, found[key].dtype))
            assert found[key].dtype == (np.int64 if kinds[key] == "int64_list" else np.float32)


@settings(max_examples=200, deadline=None)
@given(records())
def test_a_record_holds_what_protobuf_says(data):
    check(data)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(records())
def test_many_records_hold_what_protobuf_says(data):
    check(data)


def long_list(*values, kind=3):
    return field(kind, field(1, b"".join(values)))


def entry(key, value):
    return field(1, field(1, key) + field(2, value))


ONES, TWOS = (long_list(varint(value) * 200) for value in (1, 2))
FLOATS = field(2, field(1, struct.pack("<f", 1.5) * 200))
ODD = {
    "a key twice": field(1, entry(b"a", ONES) + entry(b"a", TWOS)),
    "features twice": field(1, entry(b"a", ONES)) + field(1, entry(b"a", TWOS)),
    "two values of an entry": field(1, field(1, field(1, b"a") + field(2, ONES) + field(2, TWOS))),
    "two names of an entry": field(1, field(1, field(1, b"b") + field(1, b"a") + field(2, ONES))),
    "a value before its name": field(1, field(1, field(2, ONES) + field(1, b"a"))),
    "a list twice": field(1, entry(b"a", ONES + TWOS)),
    "two kinds": field(1, entry(b"a", ONES + FLOATS)),
    "a list in pieces": field(1, entry(b"a", field(3, field(1, b"\1" * 200) + field(1, b"\2" * 200)))),
    "a number in more bytes": field(1, entry(b"a", long_list(varint(1, 2) * 200))),
    "a number of 70 bits": field(1, entry(b"a", long_list(varint(2**69) * 200))),
    "a length in more bytes": field(1, entry(b"a", ONES), extra=2),
    "an unknown field": field(1, entry(b"a", ONES)) + field(9, b"x"),
    "an unknown field of a list": field(1, entry(b"a", field(3, field(1, b"\1" * 200) + b"\x78\1"))),
    "an empty feature": field(1, entry(b"a", ONES) + entry(b"b", b"")),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_record_is_not_plain_and_holds_what_protobuf_says(name):
    assert not wire_format.is_plain(ODD[name])
    check(ODD[name])


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\x05\x0a", b"\xff" * 9])
def test_what_is_no_record_is_not_plain(data):
    assert not wire_format.is_plain(data)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=4).map(lambda name: f"k{name}"),
        st.one_of(
            st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9),
            st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=9),
            st.lists(st.binary(max_size=200), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_protobuf_writes_is_plain(features):
    data = example(**features)
    assert wire_format.is_plain(data)
    check(data)
