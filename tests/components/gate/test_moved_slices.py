"""A check of a slice that holds other samples than in the baseline: no verdict of the model, and the others go on."""

import pytest

from dicebeam.components.gate import checks as gate
from dicebeam.components.gate.slice_members import Moved
from dicebeam.schemas.verdict import INVALID, PASS, REGRESSED
from tests.support.judging import car, checks, compared, group, measured

CHECK = {"metric": "dice_mean", "class": "car", "slice": "*"}


def both(value):
    return car(value) | measured(group(1, "car", value), name="site=A")


def judged(moved, value=0.5, **limits):
    given = checks({**CHECK, **limits})
    found = gate.decide(given, compared(both(value), both(0.8), moved=moved))
    return {check.slice: check for check in found}


def test_a_slice_whose_samples_moved_is_not_judged():
    found = judged({"site=A": Moved(15)}, max_drop=0.01)
    assert (found["all"].verdict, found["site=A"].verdict) == (REGRESSED, INVALID)
    assert found["site=A"].message.startswith(
        "dice_mean of car in site=A cannot be compared: 15 samples are in the slice 'site=A' in one of the runs only"
    )
    assert (found["site=A"].value, found["site=A"].baseline, found["site=A"].difference) == (0.5, 0.8, None)


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        (Moved(1), "1 sample is in the slice 'site=A' in one of the runs only"),
        (Moved(0, 1), "1 sample is in another cluster than in the baseline"),
        (Moved(0, 1234), "1,234 samples are in another cluster than in the baseline"),
    ],
)
def test_what_moved_is_said(moved, said):
    message = judged({"site=A": moved}, max_drop=0.01)["site=A"].message
    assert said in message
    assert "dicebeam evaluate CONFIG.yaml --set model=MODEL --run-id NEW" in message


def test_a_moved_slice_is_no_better_either():
    assert judged({"site=A": Moved(2)}, value=0.9, max_drop=0.01)["site=A"].verdict == INVALID


def test_absolute_limits_need_no_baseline():
    assert {check.verdict for check in judged({"site=A": Moved(2)}, min=0.4).values()} == {PASS}
