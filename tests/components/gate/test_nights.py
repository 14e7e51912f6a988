"""A few nights of each kind on which the gate was wrong; `python -m benchmarks.gate` plays 2,000 of each."""

import dataclasses

import pytest

from benchmarks import nights
from benchmarks.nights import Scenario
from dicebeam.schemas.verdict import PASS, REGRESSED

FOREGROUND = ("foreground",)
UNCHANGED = {
    "a class in two of 200": Scenario("", nights.rare_class, 200, 0.0, size=2, checks=FOREGROUND),
    "a class in three of 60 clusters": Scenario("", nights.rare_class, 240, 0.0, size=3, clusters=60, by_cluster=True),
    "a model that misses 5 %, 30": Scenario("", nights.catastrophes, 30, 0.02, 0.01, 0.05),
    "a model that misses 5 %, 100": Scenario("", nights.catastrophes, 100, 0.02, 0.01, 0.05),
}
WORSE = {
    "misses, 30": Scenario("", nights.misses, 30, 0.02, 0.01, 0.028),
    "misses, 50": Scenario("", nights.misses, 50, 0.02, 0.01, 0.028),
    "a class that rises": Scenario("", nights.gain_and_loss, 200, size=0.08, checks=FOREGROUND),
    "false alarms that vanish": Scenario("", nights.vanishing_alarms, 200, size=0.08, checks=FOREGROUND),
}


@pytest.mark.parametrize("kind", UNCHANGED)
def test_nothing_has_changed_and_next_to_no_night_says_otherwise(kind):
    assert sum(nights.night(seed, UNCHANGED[kind]) == REGRESSED for seed in range(40)) <= 2


@pytest.mark.parametrize("kind", WORSE)
def test_a_worse_model_passes_on_no_night(kind):
    assert PASS not in {nights.night(seed, WORSE[kind]) for seed in range(40)}


@pytest.mark.parametrize("kind", [nights.gain_and_loss, nights.vanishing_alarms])
def test_a_loss_of_four_margins_is_found_behind_a_gain(kind):
    scenario = Scenario("", kind, 200, size=0.08, checks=FOREGROUND)
    assert {nights.night(seed, scenario) for seed in range(10)} == {REGRESSED}


def test_ordinary_nights_pass_and_ordinary_drops_are_found():
    assert sum(nights.night(seed, Scenario("", nights.no_change, 200)) == PASS for seed in range(20)) >= 19
    found = Scenario("", nights.drop, 200, size=0.04)
    assert {nights.night(seed, found) for seed in range(10)} == {REGRESSED}
    few = dataclasses.replace(found, samples=60)
    assert PASS not in {nights.night(seed, few) for seed in range(10)}
