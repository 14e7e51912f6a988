"""The rules for empty masks, in one table."""

import pytest

from dicebeam.components.gate import estimates
from dicebeam.schemas.verdict import RULES, USUAL_RULE


def test_the_usual_rule_is_that_of_the_tables_and_comes_first():
    assert next(iter(RULES)) == USUAL_RULE
    assert RULES[USUAL_RULE].counts_as is None


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_a_rule_names_a_metric_that_has_replicates(rule):
    assert rule.dice_mean in estimates.METRICS
    assert (rule.metric("dice_mean"), rule.metric("iou_mean")) == (rule.dice_mean, "iou_mean")


def test_what_people_read():
    assert [str(rule) for rule in RULES.values()] == [
        "absent classes left out, as in the tables",
        "absent classes counted as 1",
        "absent classes counted as 0",
    ]
