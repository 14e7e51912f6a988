"""Two configs side by side: what differs, and no more of it than fits on a line."""

import json

import pytest

from dicebeam.components.runs.config_difference import MAX_KEYS, MAX_VALUE_LENGTH, summary


def of(then, now):
    return summary(json.dumps(then), json.dumps(now))


@pytest.mark.parametrize(
    ("then", "now", "shown"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, "a: 1 -> 2"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": None}}}, "a.b.c: 1 -> null"),
        ({"a": {}}, {"a": {"0": 5}}, "a: {} -> not given; a.0: not given -> 5"),
        ({"a": ["x"]}, {"a": ["x", "y"]}, 'a: ["x"] -> ["x", "y"]'),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "a: 1 -> 2; b: 1 -> 2"),
        ({"a": "\x1b[31m\n"}, {"a": ""}, r'a: "\u001b[31m\n" -> ""'),
    ],
)
def test_what_differs(then, now, shown):
    assert of(then, now) == shown


@pytest.mark.parametrize(("then", "now"), [({}, {"a": 1}), ({"a": 1}, {})])
def test_nothing_is_said_of_a_config_that_is_not_known(then, now):
    assert of(then, now) == ""


def test_many_keys_are_counted():
    keys = [f"k{i:02}" for i in range(MAX_KEYS + 3)]
    shown = of(dict.fromkeys(keys, 1), dict.fromkeys(keys, 2))
    assert shown.count("1 -> 2") == MAX_KEYS
    assert shown.endswith("; and 3 more keys")


def test_a_long_value_is_shown_where_it_differs():
    names = [f"class {i}" for i in range(500)]
    shown = of({"classes": names}, {"classes": [*names[:300], "other", *names[301:]]})
    assert '"class 300"' in shown.partition(" -> ")[0]
    assert '"other"' in shown.partition(" -> ")[2]
    assert len(shown) < 2 * MAX_VALUE_LENGTH + 40
