"""Names of slices: every set of values has its own, and it can be read back."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dicebeam.schemas import slices
from dicebeam.schemas.errors import TablesError

HOSTILE = st.text(st.sampled_from("a%/=~\n\x1b\x00\x85NUL2FD5é😀\u202e"), max_size=8)
FEATURES = st.one_of(HOSTILE, st.text()).filter(bool)
VALUES = st.one_of(st.none(), st.just("NULL"), HOSTILE, st.text())
PAIRS = st.lists(st.tuples(FEATURES, VALUES), max_size=3)


def short(pairs):
    return "%~" not in slices.encode(pairs)


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([], "all"),
        ([("site", "A")], "site=A"),
        ([("site", "A"), ("scanner", "2")], "site=A/scanner=2"),
        ([("meta/site", "A b-ü😀")], "meta/site=A b-ü😀"),
        ([("site", "A/scanner=2")], "site=A%2Fscanner%3D2"),
        ([("site", "50%")], "site=50%25"),
        ([("a=b%", "c")], "a%3Db%25=c"),
        ([("site", "a\nb\x1b[31m\x85")], "site=a%0Ab%1B[31m%C2%85"),
        ([("site", "../etc")], "site=..%2Fetc"),
        ([("site", None)], "site=NULL"),
        ([("site", "NULL")], "site=%4EULL"),
        ([("site", "")], "site="),
        ([("site", "all")], "site=all"),
        ([("/site/", ""), ("/x", "y")], "/site/=//x=y"),
    ],
)
def test_names(pairs, name):
    assert slices.encode(pairs) == name
    assert slices.decode(name) == tuple(pairs)


@given(PAIRS.filter(short))
def test_a_name_is_read_back(pairs):
    assert slices.decode(slices.encode(pairs)) == tuple(pairs)


@given(PAIRS, PAIRS)
@example([("a", "x" * 300)], [("a", "x" * 301)])
@example([("a", "%" * 100)], [("a", "%" * 101)])
def test_two_sets_of_values_have_two_names(left, right):
    assert (slices.encode(left) == slices.encode(right)) == (left == right)


@given(st.lists(st.tuples(FEATURES, st.text(max_size=1000)), max_size=3))
def test_a_name_has_no_control_characters(pairs):
    assert not {c for c in slices.encode(pairs) if unicodedata.category(c) == "Cc"}


@given(st.text(min_size=1), st.integers(1, 100_000))
def test_a_long_value_is_cut(text, times):
    name = slices.encode([("site", text * times)])
    assert len(name) <= len("site=") + slices.MAX_VALUE_LENGTH


def test_a_cut_value_keeps_its_beginning_and_cannot_be_read():
    name = slices.encode([("site", "abc" * 100), ("age", "2")])
    assert name.startswith("site=abcabc")
    assert name.endswith("/age=2")
    with pytest.raises(TablesError, match="names a long value that is cut; the whole value is in the table `samples`"):
        slices.decode(name)


def test_no_escape_is_cut_in_half():
    names = [slices.encode([("s", "a" * i + "%" * 200)]) for i in range(3)]
    assert [name.partition("%~")[0][-3:] for name in names] == ["%25"] * 3


@pytest.mark.parametrize(
    "name", ["", "site", "site=a%", "site=%zz", "site=%ff", "site=a\n", "site=%41", "a=b=c", "a=b/c"]
)
def test_what_is_no_name_is_refused(name):
    with pytest.raises(TablesError, match="expected the name of a slice, as in site=A/scanner=2, but got"):
        slices.decode(name)
