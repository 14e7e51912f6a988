"""Text from data: nothing in it moves the cursor, and nothing is endless."""

from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.wording import visible_text


@given(st.text(st.characters()))
def test_nothing_that_is_shown_is_a_control_character(text):
    for shown in (visible_text.shown(text), visible_text.visible(text)):
        assert not [c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029\u202e"]


def test_what_is_kept_is_kept():
    assert visible_text.escaped("a\n\x1b[2J", keep="\n") == "a\n\\x1b[2J"


def test_a_long_text_is_cut_with_a_note_of_its_length():
    assert visible_text.shown("x" * 1234, 5) == "xxxxx... (1,234 characters)"
    assert visible_text.visible("x" * 1234, 5) == "xxxxx... (1,234 characters)"
