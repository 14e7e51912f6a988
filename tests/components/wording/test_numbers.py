"""Numbers as people read them: one form for messages, tables and the page."""

import pytest

from dicebeam.components.wording import numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.91234, "0.9123"),
        (-0.00004, "0.0000"),
        (9.99994, "9.9999"),
        (12.34, "12.3"),
        (84633.7, "84,633.7"),
        (None, "-"),
    ],
)
def test_a_metric_has_four_decimals_and_a_rate_has_one(value, shown):
    assert numbers.metric(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.01, "+0.0100"), (-0.01, "-0.0100"), (0.0, "+0.0000"), (-1e-9, "+0.0000"), (None, "-")]
)
def test_a_difference_has_its_sign(value, shown):
    assert numbers.signed(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.000123456, "0.0001235"),
        (127.456, "127.5"),
        (40123.4, "40,123.4"),
        (9999.99, "10,000.0"),
        (0.0, "0"),
        (-2.0, "-2"),
        (None, "-"),
    ],
)
def test_a_statistic_has_four_digits(value, shown):
    assert numbers.statistic(value) == shown
