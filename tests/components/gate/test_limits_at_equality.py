"""A limit that is exactly met is kept, for every metric and limit; one sample or record beyond it is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.gate import checks as gate
from dicebeam.components.runs import accounting
from dicebeam.schemas.accounting import RunTotals
from dicebeam.schemas.config.gate import HIGHER_IS_BETTER, LOWER_IS_BETTER, OF_THE_RUN
from dicebeam.schemas.verdict import INCONCLUSIVE, OUT_OF_BOUNDS, PASS, REGRESSED
from tests.support.judging import car, checks, compared, judge_one

THOUSAND = 1000
OF_A_CLASS = (*HIGHER_IS_BETTER, *LOWER_IS_BETTER)
WAYS = {
    "ratio of counts": lambda thousandths, n: thousandths * n / (THOUSAND * n),
    "mean, added one by one": lambda thousandths, n: sum([thousandths / THOUSAND] * n) / n,
    "mean of NumPy": lambda thousandths, n: float(np.full(n, thousandths / THOUSAND).mean()),
    "mean of the complement": lambda thousandths, n: 1 - sum([(THOUSAND - thousandths) / THOUSAND] * n) / n,
}
"""How a value of so many thousandths comes about from n samples; the results differ in their last bits."""
thousandths = st.integers(0, THOUSAND)
ways = st.sampled_from(sorted(WAYS))
sizes = st.integers(1, 300)


@given(metric=st.sampled_from(OF_A_CLASS), limit=st.sampled_from(["min", "max"]), k=thousandths, way=ways, n=sizes)
def test_a_value_at_an_absolute_limit_passes(metric, limit, k, way, n):
    value = WAYS[way](k, n)
    assert judge_one(car(value), None, metric=metric, **{limit: k / THOUSAND}).verdict == PASS


@given(
    metric=st.sampled_from(OF_A_CLASS), limit=st.sampled_from(["min", "max"]), k=st.integers(1, 999), way=ways, n=sizes
)
def test_a_value_a_little_beyond_an_absolute_limit_does_not(metric, limit, k, way, n):
    beyond = WAYS[way](k, n) + (-1e-9 if limit == "min" else 1e-9)
    assert judge_one(car(beyond), None, metric=metric, **{limit: k / THOUSAND}).verdict == OUT_OF_BOUNDS


@given(metric=st.sampled_from(OF_A_CLASS), ends=st.tuples(thousandths, thousandths), now=ways, before=ways, n=sizes)
def test_a_change_of_exactly_the_margin_has_not_regressed(metric, ends, now, before, n):
    """With no spread at all, so that any difference is significant; a floor of the error may leave it undecided."""
    low, high = sorted(ends)
    worse, better = (high, low) if metric in LOWER_IS_BETTER else (low, high)
    limit = "max_rise" if metric in LOWER_IS_BETTER else "max_drop"
    value, baseline = WAYS[now](worse, n), WAYS[before](better, n)
    found = judge_one(car(value), car(baseline), metric=metric, **{limit: (high - low) / THOUSAND})
    assert found.verdict in (PASS, INCONCLUSIVE), found.message


@given(metric=st.sampled_from(HIGHER_IS_BETTER), ends=st.tuples(thousandths, thousandths), way=ways, n=sizes)
def test_a_drop_beyond_the_margin_has_regressed(metric, ends, way, n):
    low, high = sorted(ends)
    margin = max(high - low - 200, 0) / THOUSAND
    if high - low < 200:
        return
    found = judge_one(
        car(WAYS[way](low, n), n=10_000), car(WAYS[way](high, n), n=10_000), metric=metric, max_drop=margin
    )
    assert found.verdict == REGRESSED


def of_the_run(metric, value, baseline=None, **limit):
    given_checks = checks({"metric": metric, **limit})
    (found,) = gate.decide(given_checks, compared(car(), car(), {metric: value}, {metric: baseline}))
    return found.verdict


@given(
    k=thousandths, limit=st.sampled_from(["min", "max"]), metric=st.sampled_from(OF_THE_RUN), n=st.integers(1, 10**6)
)
def test_a_metric_of_the_run_at_an_absolute_limit_passes(k, limit, metric, n):
    value = k * n / (THOUSAND * n)
    assert of_the_run(metric, value, **{limit: k / THOUSAND}) == PASS


@given(ends=st.tuples(thousandths, thousandths), sizes=st.tuples(st.integers(1, 1000), st.integers(1, 1000)))
def test_failures_that_rose_by_exactly_the_margin_pass_and_one_more_does_not(ends, sizes):
    low, high = sorted(ends)
    before, records = low * sizes[0] / (THOUSAND * sizes[0]), THOUSAND * sizes[1]
    failed, margin = high * sizes[1], (high - low) / THOUSAND
    assert of_the_run("failed_fraction", failed / records, before, max_rise=margin) == PASS
    if failed < records:
        assert of_the_run("failed_fraction", (failed + 1) / records, before, max_rise=margin) == REGRESSED


@pytest.mark.parametrize(("failed", "before"), [(4, 3), (30, 29), (58, 57), (100, 99)])
def test_a_rise_of_one_in_a_hundred_is_within_one_in_a_hundred(failed, before):
    assert of_the_run("failed_fraction", failed / 100, before / 100, max_rise=0.01) == PASS


@given(k=thousandths, n=st.integers(1, 10**6))
def test_a_run_at_its_failure_budget_is_done_and_one_more_failure_is_over_it(k, n):
    records, failed = THOUSAND * n, k * n
    nothing = accounting.NOTHING_SCORED if failed == records else accounting.DONE
    totals = RunTotals(shards=1, records=records, scored=records - failed, failed=failed)
    assert accounting.status(totals, k / THOUSAND) == nothing
    if failed < records:
        more = RunTotals(shards=1, records=records, scored=records - failed - 1, failed=failed + 1)
        assert accounting.status(more, k / THOUSAND) == accounting.OVER_BUDGET
