"""What cannot pass whatever the model does: too few samples, margins too narrow for so few, nothing to look at."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.gate import checks as gate
from dicebeam.components.gate import never_passes
from dicebeam.components.gate.checks import Compared
from dicebeam.schemas.verdict import INCONCLUSIVE, INVALID, PASS
from tests.support.judging import car, checks, group, measured

TODO = "lower min_samples, set too_few: skip, or leave the"


def reasons(now, *given, replicates=1000, **more):
    return never_passes.reasons(
        checks(*({"metric": "dice_mean", "class": "*", **each} for each in given), **more), now, replicates
    )


def sites(*sizes, **more):
    return {
        place: each
        for i, n in enumerate(sizes)
        for place, each in measured(group(1, "car", n=n, **more), name=f"site={i}").items()
    }


def test_enough_samples_need_no_words():
    assert reasons(car(n=30), {"max_drop": 0.2}) == ()


def test_a_slice_of_too_few_samples():
    (said,) = reasons(sites(10), {"slice": "site=*", "max_drop": 0.02})
    assert said == (
        "dice_mean of car in site=0: 10 samples to judge by, fewer than min_samples, 30: this check cannot pass with "
        f"these data; {TODO} slice out"
    )


def test_a_class_of_too_few_samples():
    (said,) = reasons(car(n=3), {"min": 0.5})
    assert said.endswith(f"cannot pass with these data; {TODO} class out")


def test_of_many_the_worst_are_named():
    (said,) = reasons(sites(9, 50, 29, 3, 12, 11), {"slice": "site=*", "max_drop": 0.2})
    assert said.startswith(
        "5 checks cannot pass with these data: dice_mean of car in site=3: 3 samples to judge by, fewer"
    )
    assert [said.index(f"site={i}: ") for i in (3, 0, 5)] == sorted(said.index(f"site={i}: ") for i in (3, 0, 5))
    assert "; and 2 more; lower min_samples" in said


def test_a_check_of_two_limits_is_named_once():
    (said,) = reasons(car(n=3), {"min": 0.5, "max_drop": 0.1})
    assert "this check" in said


def test_the_check_s_own_min_samples_counts():
    assert reasons(car(n=10), {"max_drop": 0.5, "min_samples": 5}) == ()
    assert "fewer than min_samples, 300" in reasons(car(n=200), {"max_drop": 0.5, "min_samples": 300})[0]


def test_clusters_are_what_counts_where_they_are_resampled():
    (said,) = reasons(car(n=200, clusters=7), {"max_drop": 0.5})
    assert "7 clusters to judge by, fewer than min_samples, 30" in said


def test_what_is_skipped_is_not_in_the_way():
    assert reasons(sites(10, 200), {"slice": "site=*", "max_drop": 0.5, "too_few": "skip"}) == ()


def test_a_gate_that_skips_everything_does_not_pass():
    (said,) = reasons(sites(10, 20), {"slice": "site=*", "max_drop": 0.5, "too_few": "skip"})
    assert said.startswith("every check has too few samples and is SKIPPED: a gate that has looked at nothing does not")


def test_a_margin_too_narrow_for_so_few():
    (said,) = reasons(car(n=50), {"metric": "missed_rate", "max_rise": 0.02})
    assert said == (
        "missed_rate of car: 50 samples do not rule out a rise of more than 0.02: with these data only the same model "
        "passes, or a better one; widen max_rise, or leave the class out"
    )
    assert reasons(car(n=500), {"metric": "missed_rate", "max_rise": 0.02}) == ()


def test_without_replicates_no_difference_can_pass():
    said = "no check of a drop or rise can pass without bootstrap replicates; set bootstrap.replicates"
    assert reasons(car(replicates=None), {"max_drop": 0.1}, replicates=0) == (said,)
    assert reasons(car(replicates=None), {"min": 0.1}, replicates=0) == ()


def test_slices_whose_replicates_are_not_kept_are_not_guessed_at():
    assert reasons(car(n=50, replicates=None), {"metric": "missed_rate", "max_rise": 0.02}) == ()


def test_metrics_of_the_run_have_no_samples():
    assert reasons(car(n=3), {"metric": "failed_fraction", "class": "foreground", "max": 0.1}) == ()


def test_what_is_not_there_says_so_itself():
    assert reasons(car(), {"slice": "site=*", "max_drop": 0.1}) == ()


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
    st.sampled_from([("dice_mean", "max_drop"), ("missed_rate", "max_rise"), ("recall_pooled", "max_drop")]),
    st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    st.sampled_from(["inconclusive", "skip"]),
)
def test_it_is_said_exactly_where_the_run_does_not_pass_against_itself(sizes, metric, margin, too_few):
    """The best a run can be without being better is to be the same."""
    name, limit = metric
    now = sites(*sizes)
    check = {"metric": name, "slice": "site=*", limit: margin, "too_few": too_few}
    given_checks = checks({"class": "*", **check})
    verdict = gate.overall(gate.decide(given_checks, Compared(now, now, {}, {})), valid=True)
    assert verdict in {PASS, INCONCLUSIVE, INVALID}
    assert bool(reasons(now, check)) == (verdict != PASS)


@pytest.mark.parametrize("n", [0, 1, 29, 30])
def test_the_count_is_that_of_the_group(n):
    few = dataclasses.replace(group(1, "car"), samples={**group(1, "car").samples, "actual": n})
    assert bool(reasons(measured(few), {"metric": "recall_pooled", "max_drop": 0.5})) == (n < 30)
