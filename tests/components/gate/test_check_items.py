"""Which slices and classes a check's patterns name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.gate import check_items
from dicebeam.schemas import slices
from tests.support.judging import checks, group, measured

SLICES = ["all", "site=A", "site=B", "site=A/scanner=1", "site=B/scanner=1", "site.=A", "site=*"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("all", ["all"]),
        ("*", SLICES),
        ("site=A", ["site=A"]),
        ("site=*", ["site=A", "site=B", "site=*"]),
        ("site=*/scanner=1", ["site=A/scanner=1", "site=B/scanner=1"]),
        ("site=A/*", ["site=A/scanner=1"]),
        ("*=A", ["site=A", "site.=A"]),
        ("site=C", []),
        ("site=[AB]", []),
    ],
)
def test_a_pattern_names_slices(pattern, expected):
    assert list(check_items.matching(pattern, SLICES)) == expected


VALUE = st.text(min_size=1, max_size=8)


@given(VALUE, VALUE)
def test_a_star_stands_for_any_value_and_never_for_two(one, two):
    """Whatever the value is: a slash in it is written in another way."""
    single, crossed = slices.encode([("site", one)]), slices.encode([("site", one), ("scanner", two)])
    assert list(check_items.matching("site=*", [single, crossed])) == [single]
    assert list(check_items.matching("site=*/scanner=*", [single, crossed])) == [crossed]


NAMES = {0: "background", 1: "car", 2: "person", None: "foreground"}


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        ("*", NAMES, [0, 1, 2]),
        ("car", NAMES, [1]),
        ("foreground", NAMES, [None]),
        ("foreground", {**NAMES, 1: "foreground"}, [1]),
        ("bus", NAMES, []),
        ("c*", NAMES, []),
    ],
)
def test_a_pattern_names_classes(pattern, names, expected):
    assert check_items.chosen_classes(pattern, names) == expected


def test_what_either_run_has_is_looked_at_once():
    now = measured(group(1, "car"), group(2, "person"), name="site=A")
    before = measured(group(1, "car"), name="site=B")
    gate = checks({"metric": "dice_mean", "class": "*", "slice": "site=*", "max_drop": 0.1, "min": 0.5})
    found = [(item.limit, item.slice, item.class_id) for item in check_items.items(gate, now, before)]
    assert found == [
        (limit, name, class_id) for name in ("site=A", "site=B") for class_id in (1, 2) for limit in ("min", "max_drop")
    ]


def test_a_metric_of_the_run_is_looked_at_once():
    gate = checks({"metric": "samples_per_second", "min": 1})
    (item,) = check_items.items(gate, {}, None)
    assert (item.slice, item.class_id, item.class_name, item.relative, item.missing) == ("all", None, None, False, None)
