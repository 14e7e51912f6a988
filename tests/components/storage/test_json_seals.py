"""Small JSON files with a seal: still JSON, and every bit of one counts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.storage import json_seals

VALUES = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=9), min_size=1, max_size=4)
KEYS = {"sealed": "crc32c"}


@given(VALUES, st.sampled_from([None, 1]))
def test_it_is_the_same_object_with_two_more_keys(values, indent):
    data = json_seals.sealed(json.dumps(values, indent=indent))
    found = json.loads(json_seals.checked(data))
    assert {key: value for key, value in found.items() if key not in {"sealed", "crc32c"}} == {
        key: value for key, value in values.items() if key not in {"sealed", "crc32c"}
    }
    assert list(found)[-1] == "crc32c" or "crc32c" in values


@pytest.mark.parametrize("indent", [None, 1])
def test_every_bit_counts(indent):
    data = json_seals.sealed(json.dumps({"run_id": "r1", "sequence": 17, "who": None}, indent=indent))
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(ValueError, match="seal"):
                json_seals.checked(bytes(changed))


def test_a_file_that_was_cut_is_damaged():
    data = json_seals.sealed('{"a": 1}')
    for size in range(20, len(data)):
        with pytest.raises(ValueError, match="its seal is damaged"):
            json_seals.checked(data[:size])


def test_an_earlier_version_wrote_no_seal():
    assert json_seals.checked(b'{"a": 1}') == '{"a": 1}'
