"""The gate's decisions, by hand: what passes, what does not, and what is never a pass."""

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.gate import checks as gate
from dicebeam.components.gate.estimates import METRICS
from dicebeam.schemas.config.gate import HIGHER_IS_BETTER, LOWER_IS_BETTER
from dicebeam.schemas.verdict import (
    INCONCLUSIVE,
    INVALID,
    NO_BASELINE,
    OUT_OF_BOUNDS,
    PASS,
    REGRESSED,
    SKIPPED,
    worst,
)
from tests.support.judging import car, checks, compared, foreground, group, judge, judge_one, measured

RELATIVE = {
    "a_clear_drop": (
        0.75, 0.004, REGRESSED,
        r"of car fell by 0\.0500 \(95 % -0\.05\d\d to -0\.04\d\d, p < 0\.0001\), more than the margin 0\.01, and sig",
    ),
    "a_drop_within_the_margin": (0.795, 0.002, PASS, r"fell by 0\.0050 .*: a drop of more than 0\.01 is ruled out$"),
    "no_change": (0.8, 0.004, PASS, r"did not change \(95 % -0\.00[78]\d to \+0\.00[78]\d, p = 1\.0000\): a drop of"),
    "a_drop_that_may_be_noise": (0.78, 0.02, INCONCLUSIVE, r"400 samples neither show nor rule out a drop"),
    "worse_but_perhaps_not_beyond": (0.793, 0.003, INCONCLUSIVE, r"fell by 0\.0070 .* neither show nor rule out"),
    "better": (0.85, 0.004, PASS, r"rose by 0\.0500 .*: better, and a drop of more than 0\.01 is ruled out$"),
}  # fmt: skip


@pytest.mark.parametrize("case", RELATIVE)
def test_a_change_against_a_margin(case):
    value, error, verdict, message = RELATIVE[case]
    found = judge_one(car(value, error), car(), max_drop=0.01)
    assert found.verdict == verdict
    assert re.search(message, found.message), found.message
    assert found.difference == pytest.approx(value - 0.8)
    assert found.low <= found.difference <= found.high
    assert (found.value, found.baseline, found.n_pairs, found.threshold) == (value, 0.8, 400, 0.01)
    assert found.improved == (case == "better")


@pytest.mark.parametrize("metric", ["missed_rate", "false_alarm_rate"])
@pytest.mark.parametrize(("value", "verdict"), [(0.9, REGRESSED), (0.8, PASS), (0.7, PASS)])
def test_a_rate_is_worse_when_it_rises(metric, value, verdict):
    found = judge_one(car(value, 0.004), car(), metric=metric, max_rise=0.02)
    assert found.verdict == verdict
    assert found.improved == (value == 0.7)
    assert ("more than the margin 0.02, and significantly" in found.message) == (verdict == REGRESSED)


def test_no_sample_that_changed_rules_out_no_rise_of_a_rate_at_few_samples():
    few, many = (judge_one(car(n=n), car(n=n), metric="missed_rate", max_rise=0.02) for n in (50, 500))
    assert (few.verdict, many.verdict) == (INCONCLUSIVE, PASS)


def test_the_minimum_detectable_drop_is_beyond_the_margin():
    found = judge_one(car(0.8, 0.01), car(), max_drop=0.01)
    assert 0.01 < found.minimum_detectable_drop == pytest.approx(1.96 * 0.01 + 0.84 * 0.01, rel=0.03)


NEVER = "no {}, however large, would be found with a probability of 80 % at this number of samples"


@pytest.mark.parametrize("n", [2, 200])
@pytest.mark.parametrize(("metric", "limit"), [("dice_mean", "max_drop"), ("missed_rate", "max_rise")])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_change_that_cannot_be_is_not_detectable(value, metric, limit, n):
    """A metric of [0, 1] cannot fall by more than it is, nor rise by more than what is left of 1."""
    rise = metric == "missed_rate"
    found = judge_one(car(value, 0.5, n=n), car(value, n=n), metric=metric, **{limit: 0.01})
    assert (found.verdict, found.minimum_detectable_drop) == (INCONCLUSIVE, None)
    assert "; " + NEVER.format("rise" if rise else "drop") in found.message
    assert found.low is not None


@given(
    value=st.floats(0, 1),
    baseline=st.floats(0, 1),
    error=st.floats(0, 0.5),
    n=st.integers(2, 300),
    metric=st.sampled_from([*HIGHER_IS_BETTER, *LOWER_IS_BETTER]),
    margin=st.floats(0, 1),
)
def test_every_minimum_detectable_change_can_be(value, baseline, error, n, metric, margin):
    limit = "max_rise" if metric in LOWER_IS_BETTER else "max_drop"
    found = judge_one(car(value, error, n=n), car(baseline, n=n), metric=metric, **{limit: margin})
    room = 1 - baseline if limit == "max_rise" else baseline
    assert found.minimum_detectable_drop is None or found.minimum_detectable_drop <= room


def test_holm_makes_one_of_many_harder():
    """Its p is 0.02 or so: significant alone, not as one of ten."""
    one = measured(group(1, "car", 0.764, 0.015))
    others = [group(i, f"c{i}", 0.8, 0.001, seed=i) for i in range(2, 11)]
    before = measured(group(1, "car"), *(group(i, f"c{i}") for i in range(2, 11)))
    alone = judge_one(one, before, max_drop=0.03)
    ten = judge({**one, **measured(*others)}, before, {"metric": "dice_mean", "class": "*", "max_drop": 0.03})
    assert (alone.verdict, ten[0].verdict) == (REGRESSED, INCONCLUSIVE)
    assert ten[0].p_value == pytest.approx(10 * alone.p_value)
    assert ten[0].minimum_detectable_drop > alone.minimum_detectable_drop


LIMITS = [
    ("min", 0.79, PASS, "dice_mean of car is 0.8000, not below 0.79"),
    ("min", 0.81, OUT_OF_BOUNDS, "dice_mean of car is 0.8000, below 0.81"),
    ("min", 0.8, PASS, "not below"),
    ("max", 0.8, PASS, "not above"),
    ("max", 0.79, OUT_OF_BOUNDS, "dice_mean of car is 0.8000, above 0.79"),
]


@pytest.mark.parametrize(("limit", "threshold", "verdict", "message"), LIMITS)
def test_an_absolute_limit_needs_no_baseline(limit, threshold, verdict, message):
    found = judge_one(car(), None, **{limit: threshold})
    assert found.verdict == verdict
    assert message in found.message
    assert (found.value, found.baseline, found.n_pairs, found.p_value) == (0.8, None, None, None)


def test_each_limit_of_a_check_has_its_verdict():
    found = judge(car(0.75, 0.004), car(), {"metric": "dice_mean", "class": "car", "max_drop": 0.01, "min": 0.7})
    assert [(each.limit_name, each.verdict) for each in found] == [("min", PASS), ("max_drop", REGRESSED)]


# never a pass


def test_no_baseline():
    found = judge_one(car(), None, max_drop=0.01)
    assert (found.verdict, found.message) == (NO_BASELINE, "dice_mean of car: there is no baseline")


@pytest.mark.parametrize("n", [0, 29])
@pytest.mark.parametrize("limit", [{"max_drop": 0.01}, {"min": 0.1}])
def test_too_few_samples(limit, n):
    found = judge_one(car(n=n), car(n=200), **limit)
    assert found.verdict == INCONCLUSIVE
    assert found.message.startswith(f"dice_mean of car: {n} samples to judge by, fewer than min_samples, 30")
    assert found.p_value is None


def test_too_few_samples_say_what_they_would_find():
    found = judge_one(car(0.75, 0.02, n=20), car(), max_drop=0.01)
    assert (found.verdict, found.p_value) == (INCONCLUSIVE, None)
    assert found.difference == pytest.approx(-0.05)
    assert found.low < -0.05 < found.high
    assert found.message.endswith(
        f"30; they would show a drop of {found.minimum_detectable_drop:.4f} with a probability of 80 %"
    )
    assert judge_one(car(n=20), car(), metric="missed_rate", max_rise=0.1).message.endswith("a probability of 80 %")


def test_too_few_samples_make_no_other_check_harder():
    few = {**car(0.78, 0.008), **measured(group(2, "bus", 0.5, 0.1, n=5))}
    before = {**car(), **measured(group(2, "bus", n=5))}
    one, two = (judge(few, before, {"metric": "dice_mean", "class": name, "max_drop": 0.01}) for name in ("car", "*"))
    assert two[0].p_value == one[0].p_value


def test_too_few_samples_of_the_baseline_or_too_few_clusters():
    assert judge_one(car(), car(n=29), max_drop=0.01).verdict == INCONCLUSIVE
    found = judge_one(car(clusters=12), car(clusters=12), max_drop=0.01)
    assert (found.verdict, found.n_pairs) == (INCONCLUSIVE, 12)
    assert "12 clusters to judge by" in found.message


def test_a_check_may_have_its_own_least_number_and_may_skip_small_slices():
    assert judge_one(car(0.8, 0.001, n=9), car(n=9), max_drop=0.3, min_samples=9).verdict == PASS
    assert judge_one(car(n=9), car(n=9), max_drop=0.01, too_few="skip").verdict == SKIPPED


NOTHING = math.nan


@pytest.mark.parametrize("limit", [{"max_drop": 0.01}, {"min": 0.1}, {"max": 0.9}])
def test_nan_is_no_pass(limit):
    found = judge_one(car(NOTHING), car(), **limit)
    assert (found.verdict, found.value) == (INVALID, None)
    assert "dice_mean of car is not defined in the run" in found.message


def test_nan_in_the_baseline_is_no_pass():
    found = judge_one(car(), car(NOTHING), max_drop=0.01)
    assert (found.verdict, found.baseline) == (INVALID, None)


def test_no_replicates_are_no_pass():
    found = judge_one(car(replicates=None), car(), max_drop=0.01)
    assert found.verdict == INVALID
    assert "set bootstrap.replicates" in found.message


MISSING = {
    "class": ({"class": "bus"}, "there is no class 'bus'; there are 'car'"),
    "slice": ({"slice": "site=B"}, "there is no slice 'site=B'; there are 'all'"),
    "pattern": ({"slice": "site=*"}, "there is no slice 'site=*'"),
    "foreground": ({"class": "foreground"}, "there is no class 'foreground'"),
}


@pytest.mark.parametrize("case", MISSING)
@pytest.mark.parametrize("limit", [{"max_drop": 0.01}, {"min": 0.1}])
def test_what_is_not_there_is_no_pass(case, limit):
    check, message = MISSING[case]
    found = judge_one(car(), car(), **check, **limit)
    assert found.verdict == INVALID
    assert message in found.message


def test_an_empty_run_is_no_pass():
    assert [each.verdict for each in judge({}, car(), {"metric": "dice_mean", "class": "*", "min": 0.1})] == [INVALID]


@pytest.mark.parametrize(("of_now", "of_before"), [("site=A", "site=B"), ("site=B", "site=A")])
def test_a_slice_that_only_one_run_has_is_no_pass(of_now, of_before):
    now, before = (measured(group(1, "car"), name=name) for name in (of_now, of_before))
    found = judge(now, before, {"metric": "dice_mean", "class": "car", "slice": "site=*", "max_drop": 0.01})
    assert [each.verdict for each in found] == [INVALID, INVALID]
    assert any(f"the run has no samples in the slice '{of_before}'" in each.message for each in found)
    assert any(f"the baseline has no samples in the slice '{of_now}'" in each.message for each in found)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([PASS, PASS], PASS),
        ([PASS, SKIPPED], PASS),
        ([SKIPPED], INVALID),
        ([], INVALID),
        ([PASS, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, NO_BASELINE], NO_BASELINE),
        ([OUT_OF_BOUNDS, NO_BASELINE, PASS], OUT_OF_BOUNDS),
        ([REGRESSED, OUT_OF_BOUNDS], REGRESSED),
        ([INVALID, REGRESSED], INVALID),
    ],
)
def test_the_worst_verdict_is_the_runs(verdicts, expected):
    assert worst(verdicts) == expected


def test_a_run_that_is_not_valid_does_not_pass():
    found = judge(car(), None, {"metric": "dice_mean", "class": "car", "min": 0.1})
    assert (gate.overall(found, valid=True), gate.overall(found, valid=False)) == (PASS, INVALID)


# metrics of the run

OF_RUN = [
    ({"metric": "failed_fraction", "max": 0.1}, 0.2, None, OUT_OF_BOUNDS, "failed_fraction is 0.2000, above 0.1"),
    ({"metric": "failed_fraction", "max_rise": 0.1}, 0.2, 0.0, REGRESSED, "rose by 0.2000 compared with the baseline"),
    ({"metric": "failed_fraction", "max_rise": 0.1}, 0.0, 0.2, PASS, "fell by 0.2000 .*, within the margin 0.1"),
    ({"metric": "samples_per_second", "min": 50}, 100.0, None, PASS, "samples_per_second is 100.0, not below 50"),
    ({"metric": "samples_per_second", "max_drop": 50}, 100.0, 200.0, REGRESSED, "fell by 100.0 compared"),
    ({"metric": "samples_per_second", "max_drop": 50}, None, 200.0, INCONCLUSIVE, "was not measured in the run or its"),
    ({"metric": "samples_per_second", "min": 50}, None, None, INCONCLUSIVE, "was not measured in the run$"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "value", "baseline", "verdict", "message"), OF_RUN)
def test_a_metric_of_the_whole_run(check, value, baseline, verdict, message):
    of_run, before = {check["metric"]: value}, {check["metric"]: baseline}
    (found,) = gate.decide(checks(check), compared(car(), car(), of_run, before))
    assert (found.verdict, found.value, found.class_id, found.class_name) == (verdict, value, None, None)
    assert re.search(message, found.message), found.message


# the empty-mask rule


def by_rule(value_if_absent_is_1, error=0.004):
    """A run that is as good as before, but under one rule."""
    made = group(1, "car", 0.8, error)
    other = group(1, "car", value_if_absent_is_1, error)
    name = "dice_mean_absent_as_1"
    return measured(
        dataclasses.replace(
            made,
            values={**made.values, name: other.values[name]},
            replicates={**made.replicates, name: other.replicates[name]},
        )
    )


def test_a_verdict_that_depends_on_the_rule_says_so():
    given = checks({"metric": "dice_mean", "class": "car", "max_drop": 0.01})
    found = gate.sensitive(given, compared(by_rule(0.7), car()))
    verdicts = {rule: verdicts[0].verdict for rule, verdicts in found.items()}
    assert verdicts == {"absent_left_out": PASS, "absent_counts_as_1": REGRESSED, "absent_counts_as_0": PASS}
    message = found["absent_left_out"][0].message
    assert message.endswith("; it depends on the empty-mask rule: REGRESSED with absent classes counted as 1")


def test_a_verdict_that_does_not_depend_on_the_rule_says_nothing():
    given = checks({"metric": "dice_mean", "class": "car", "max_drop": 0.01, "min": 0.75})
    found = gate.sensitive(given, compared(by_rule(0.8), car()))
    assert not any("empty-mask" in each.message for each in found["absent_left_out"])


@pytest.mark.parametrize("check", [{"metric": "dice_pooled", "max_drop": 0.01}, {"metric": "dice_mean", "min": 0.75}])
def test_pooled_values_and_absolute_limits_know_one_rule(check):
    found = gate.sensitive(checks({"class": "car", **check}), compared(by_rule(0.7), car()))
    assert {verdicts[0].verdict for verdicts in found.values()} == {PASS}


def test_too_few_samples_are_not_a_matter_of_the_rule():
    """Under the other rules a mean is over all samples of the slice, 200; in 20 of them the class is not absent."""
    few = dataclasses.replace(
        group(1, "car", n=20), samples={"samples": 200, "defined": 20, "actual": 20, "not_actual": 0}
    )
    given = checks({"metric": "dice_mean", "class": "car", "max_drop": 0.01}, min_samples=30)
    found = gate.sensitive(given, compared(measured(few), measured(few)))
    assert {rule: verdicts[0].verdict for rule, verdicts in found.items()} == dict.fromkeys(found, INCONCLUSIVE)
    assert "empty-mask" not in found["absent_left_out"][0].message


@pytest.mark.parametrize("n", range(1, 101, 7))
def test_a_value_at_its_limit_passes(n):
    mean = sum([0.8] * n) / n
    assert judge_one(car(mean), car(mean), metric="dice_mean", min=0.8).verdict == PASS


# what no sample shows


@pytest.mark.parametrize(("n", "verdict"), [(239, INCONCLUSIVE), (240, PASS)])
def test_a_margin_is_ruled_out_by_so_many_samples_that_losses_of_its_size_would_have_shown(n, verdict):
    """3 * 0.8 / n is the most that samples cost of which none is lost; 2.9957 to be exact."""
    found = judge_one(car(n=n), car(n=n), max_drop=0.8 * 2.9957 / 239.5)
    assert found.verdict == verdict
    said = "; to rule out losses that are too rare to be among 239 takes about 240"
    assert (said in found.message) == (verdict == INCONCLUSIVE)


def test_a_run_that_is_better_has_room_for_losses_that_were_not_seen():
    """At a margin of 0 as well: 0.05 is more than 0.008 or so."""
    assert judge_one(car(0.85, 0.004), car(), max_drop=0.0).verdict == PASS
    assert judge_one(car(0.805, 0.001), car(), max_drop=0.0).verdict == INCONCLUSIVE


def test_a_drop_that_losses_of_the_baseline_could_hide_is_not_significant():
    found = judge_one(car(0.76, 0.001, n=40), car(n=40), max_drop=0.02)
    assert (found.verdict, found.p_value) == (INCONCLUSIVE, pytest.approx(math.exp(-0.04 * 40 / 0.8)))
    assert judge_one(car(0.76, 0.001), car(), max_drop=0.02).verdict == REGRESSED


@pytest.mark.parametrize("metric", [*HIGHER_IS_BETTER, *LOWER_IS_BETTER])
def test_one_model_that_gave_the_same_passes_at_a_margin_of_0(metric):
    limit = "max_rise" if metric in LOWER_IS_BETTER else "max_drop"
    given = checks({"metric": metric, "class": "car", limit: 0.0})
    again = car(0.8 + 1e-15, n=30)
    for same_model, verdict in ((True, PASS), (False, INCONCLUSIVE)):
        (found,) = gate.decide(given, compared(again, car(n=30), same_model=same_model))
        assert (found.verdict, found.improved, found.difference) == (verdict, False, 0), metric


def test_one_model_that_gave_something_else_is_judged_as_two():
    """On another machine, or because its files were changed meanwhile."""
    given = checks({"metric": "dice_mean", "class": "car", "max_drop": 0.02})
    (found,) = gate.decide(given, compared(car(0.799, 0.001, n=60), car(n=60), same_model=True))
    assert found.verdict == INCONCLUSIVE


# the foreground


def foreground_of(*members):
    return measured(*members, foreground(*members))


def judge_foreground(now, before, **check):
    (found,) = judge(
        foreground_of(*now), foreground_of(*before), {"metric": "dice_mean", "class": "foreground", **check}
    )
    return found


BEFORE = (group(1, "car"), group(2, "bus"))


def test_a_gain_of_one_class_does_not_hide_the_loss_of_another():
    found = judge_foreground((group(1, "car", 0.72, 0.004), group(2, "bus", 0.95, 0.004)), BEFORE, max_drop=0.02)
    assert (found.verdict, found.difference > 0) == (REGRESSED, True)
    assert re.search(
        r"rose by 0\.0350 .*; worst class: car fell by 0\.0800 \(95 % .*\), more than the margin 0\.02, and signific",
        found.message,
    ), found.message


def test_a_class_that_seems_to_have_lost_more_than_the_margin_is_no_pass():
    found = judge_foreground((group(1, "car", 0.77, 0.03), group(2, "bus", 0.95, 0.004)), BEFORE, max_drop=0.02)
    assert (found.verdict, found.difference > 0) == (INCONCLUSIVE, True)
    assert found.message.endswith(", more than the margin 0.02, but not significantly")


def test_a_noisy_class_that_fell_further_does_not_hide_one_that_fell_significantly():
    now = (group(1, "car", 0.72, 0.004), group(2, "bus", 0.70, 0.08), group(3, "sky", 0.99, 0.004))
    before = (*BEFORE, group(3, "sky"))
    found = judge_foreground(now, before, max_drop=0.02)
    assert found.verdict == REGRESSED
    assert "; worst class: car fell by 0.0800" in found.message


@pytest.mark.parametrize("swapped", [False, True])
def test_a_foreground_of_other_classes_than_the_baselines_is_no_pass(swapped):
    both, one = foreground_of(*BEFORE), {**measured(*BEFORE), ("all", None): foreground(BEFORE[0])}
    now, before = (one, both) if swapped else (both, one)
    (found,) = judge(now, before, {"metric": "dice_mean", "class": "foreground", "max_drop": 0.5})
    assert found.verdict == INVALID


def test_a_class_whose_difference_cannot_be_said_is_no_pass():
    unknown = {metric: np.full(2000, np.nan) for metric in METRICS}
    now = foreground_of(BEFORE[0], dataclasses.replace(BEFORE[1], replicates=unknown))
    now["all", None] = dataclasses.replace(now["all", None], replicates=BEFORE[0].replicates)
    (found,) = judge(now, foreground_of(*BEFORE), {"metric": "dice_mean", "class": "foreground", "max_drop": 0.5})
    assert found.verdict == INVALID


def test_the_worst_class_is_said_where_all_is_well():
    found = judge_foreground((group(1, "car", 0.801, 0.001), group(2, "bus", 0.799, 0.001)), BEFORE, max_drop=0.02)
    assert (found.verdict, found.n_pairs) == (PASS, 400)
    assert re.search(r"is ruled out; worst class: bus fell by 0\.0010 \(95 % \S+ to \S+\)$", found.message), (
        found.message
    )


def test_pooled_pixels_of_the_foreground_have_no_worst_class():
    now = (group(1, "car", 0.72, 0.004), group(2, "bus", 0.95, 0.004))
    assert "worst class" not in judge_foreground(now, BEFORE, metric="dice_pooled", max_drop=0.02).message


def test_min_samples_holds_for_every_class_of_a_mean():
    few = (group(1, "car"), group(2, "bus", n=12))
    for limit in ({"max_drop": 0.02}, {"min": 0.5}):
        found = judge_foreground(few, few, **limit)
        assert found.verdict == INCONCLUSIVE
        assert "dice_mean of foreground: 12 samples of bus to judge by, fewer than min_samples, 30" in found.message


def test_the_degrees_of_freedom_are_those_of_the_class_that_varies():
    """Two samples of the one that does: t of 1 degree is 12.7 standard errors wide, not 2."""
    now, before = (group(1, "car"), group(2, "bus", 0.8, 0.02, n=2)), (group(1, "car"), group(2, "bus", n=2))
    found = judge_foreground(now, before, max_drop=0.3, min_samples=2)
    assert found.high == pytest.approx(12.706 * 0.01, rel=0.25)


def test_the_classes_of_a_foreground_are_a_family_of_their_own():
    """A foreground of ten classes is found as easily as one of one."""
    now = [group(i, f"c{i}", 0.77, 0.012, seed=i) for i in range(10)]
    before = [group(i, f"c{i}") for i in range(10)]
    alone = judge_foreground(now, before, max_drop=0.02)
    both = [{"metric": "dice_mean", "class": name, "max_drop": 0.02} for name in ("*", "foreground")]
    asked = judge(foreground_of(*now), foreground_of(*before), *both)
    assert asked[-1].p_value == pytest.approx(11 * alone.p_value)


def test_one_difference_that_two_checks_ask_for_is_corrected_once():
    check = {"metric": "dice_mean", "class": "car", "max_drop": 0.01}
    once = judge(car(0.78, 0.01), car(), check)
    twice = judge(car(0.78, 0.01), car(), check, {**check, "max_drop": 0.05})
    assert twice[0].p_value == once[0].p_value
