"""Paired differences: against SciPy's paired t test, Holm's own steps, and simulated nights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dicebeam.components.statistics import bootstrap, paired_differences
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.components.statistics.paired_differences import Difference


def of_means(a, b, replicates=4000):
    """The difference of two means over the same samples, by the bootstrap."""
    weights = bootstrap.weights(id_hashes(str(i).encode() for i in range(len(a))), replicates, 0).astype(float)
    drawn = [weights.T @ values / weights.sum(0) for values in (a, b)]
    return paired_differences.difference(a.mean(), b.mean(), *drawn, len(a) - 1)


@pytest.mark.parametrize("n", [12, 40, 300])
def test_the_interval_and_the_p_value_are_those_of_the_paired_t_test(n):
    rng = np.random.default_rng(n)
    before = rng.beta(8, 2, n)
    now = before + rng.normal(-0.02, 0.05, n)
    found, expected = of_means(now, before), stats.ttest_rel(now, before)
    interval = expected.confidence_interval(0.95)
    width = interval.high - interval.low
    assert found.value == pytest.approx((now - before).mean(), rel=1e-12)
    assert found.interval == pytest.approx((interval.low, interval.high), abs=0.06 * width)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.5, abs=1e-4)


def test_pairing_makes_it_sharp():
    """Samples differ far more from each other than the models do on one."""
    rng = np.random.default_rng(0)
    before = rng.beta(2, 2, 200)
    now = before - 0.01 + rng.normal(0, 0.005, 200)
    assert of_means(now, before).p_value < 1e-6
    assert stats.ttest_ind(now, before).pvalue > 0.5


def test_the_same_run_twice_is_no_difference():
    values = np.random.default_rng(0).random(50)
    found = of_means(values, values)
    assert (found.value, found.standard_error, found.p_value, found.interval) == (0, 0, 1, (0, 0))


def test_a_drop_that_all_replicates_share_is_certain():
    """Constants added in floating point differ in their last bits alone."""
    drawn = np.random.default_rng(0).random(100)
    found = paired_differences.difference(0.7, 0.8, drawn - 0.1, drawn, 29)
    assert (found.standard_error, found.p_value) == (0, 0)
    assert found.interval == pytest.approx((-0.1, -0.1))


UNKNOWN = {
    "one_sample": (0.5, 0.5, [0.1, 0.2], [0.1, 0.2], 0),
    "no_value": (np.nan, 0.5, [0.1, 0.2], [0.1, 0.2], 9),
    "no_baseline": (0.5, np.nan, [0.1, 0.2], [0.1, 0.2], 9),
    "replicates_defined_in_one_run_only": (0.5, 0.5, [0.1, np.nan, 0.3], [np.nan, 0.2, 0.3], 9),
    "no_replicates": (0.5, 0.5, [], [], 9),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_cannot_be_said_is_none(case):
    value, baseline, now, before, degrees = UNKNOWN[case]
    assert paired_differences.difference(value, baseline, np.array(now), np.array(before), degrees) is None


def test_undefined_replicates_are_left_out():
    now, before = np.array([0.5, np.nan, 0.6, 0.9]), np.array([0.4, 0.5, 0.4, np.nan])
    found = paired_differences.difference(0.5, 0.4, now, before, 3)
    assert found.standard_error == pytest.approx(np.std([0.1, 0.2], ddof=1))


def test_rates_that_nobody_moved_are_not_certain():
    found = paired_differences.of_rates(Difference(0.0, 0.0, 97), 98)
    assert found.standard_error == pytest.approx(0.01)
    assert found.interval == pytest.approx((-0.0198, 0.0198), abs=1e-4)


def test_rates_that_many_moved_hardly_change():
    found = paired_differences.of_rates(Difference(0.1, 0.04, 499), 500)
    assert found.standard_error == pytest.approx(0.04, rel=2e-3)


NUMBERS = st.floats(-1, 1)


@given(NUMBERS, st.floats(1e-6, 1), st.integers(1, 500), NUMBERS)
def test_significant_is_what_an_interval_without_0_is(value, error, degrees, slope):
    found = Difference(value, error, degrees, slope)
    low, high = found.interval
    assert low <= value <= high
    if abs(found.p_value - paired_differences.ALPHA) > 1e-6:
        assert (found.p_value < paired_differences.ALPHA) == (not low <= 0 <= high)


@given(NUMBERS, st.floats(0, 1), st.integers(1, 500), NUMBERS)
def test_a_slope_only_ever_widens(value, error, degrees, slope):
    plain, tilted = Difference(value, error, degrees), Difference(value, error, degrees, slope)
    assert tilted.interval[0] <= plain.interval[0] + 1e-12
    assert tilted.interval[1] >= plain.interval[1] - 1e-12
    assert tilted.p_value >= plain.p_value - 1e-12


def test_one_rare_loss_reaches_as_far_as_the_exact_limit():
    """One of 150 samples is lost; the exact limit of such losses is 5.57, the symmetric one 2.98."""
    n = 150
    before, now = np.full(n, 0.9), np.full(n, 0.9)
    now[0] = 0
    low = of_means(now, before).interval[0]
    assert -low * n / 0.9 == pytest.approx(stats.chi2.ppf(0.975, 4) / 2, rel=0.15)


@pytest.mark.parametrize("n", [30, 100, 1000])
def test_losses_that_were_not_seen_are_at_most_three_of_n(n):
    """0.95^(1 / n): the largest rate of losses of which n samples hold none with 5 %."""
    found = Difference(0.0, 0.0, n - 1, lost=1 / n)
    assert found.unseen == pytest.approx(1 - 0.05 ** (1 / n), rel=0.06)


def test_a_drop_that_unseen_losses_of_the_baseline_could_hide_is_not_significant():
    """30 samples fall by 0.04 each; a baseline that loses 5 % more has none of these among 30 with 22 %."""
    found = Difference(-0.04, 1e-6, 29, lost=0.8 / 30)
    assert found.p_value == pytest.approx(np.exp(-1.5))
    assert Difference(-0.04, 1e-6, 299, lost=0.8 / 300).p_value < 1e-6


def test_a_run_that_gave_the_same_is_no_difference_whatever_was_not_seen():
    assert Difference(0.0, 0.0, 10, lost=0.1).p_value == 1


def test_holm_by_hand():
    """0.01 * 4, then 0.02 * 3, then 0.03 * 2, then the largest so far."""
    assert paired_differences.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert paired_differences.holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert paired_differences.holm([]) == []


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(P_VALUES)
def test_holm_rejects_what_its_steps_reject(p_values):
    """The procedure as Holm wrote it: smallest first, compare with alpha / (m - i), stop at the first that is not."""
    rejected = set()
    for i, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - i) >= paired_differences.ALPHA:
            break
        rejected.add(int(place))
    assert {i for i, p in enumerate(paired_differences.holm(p_values)) if p < paired_differences.ALPHA} == rejected


@given(P_VALUES, st.randoms())
def test_holm_knows_no_order_and_lies_between_none_and_bonferroni(p_values, random):
    corrected = paired_differences.holm(p_values)
    order = random.sample(range(len(p_values)), len(p_values))
    assert paired_differences.holm([p_values[i] for i in order]) == [corrected[i] for i in order]
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    assert min(corrected) == min(1, min(p_values) * len(p_values))


@pytest.mark.parametrize(
    ("margin", "error", "family"), [(0.02, 0.004, 1), (0.01, 0.02, 1), (0.02, 0.01, 10), (0, 0.01, 3)]
)
def test_the_minimum_detectable_drop_is_found_in_four_of_five_nights(margin, error, family):
    rng = np.random.default_rng(1)
    drop = paired_differences.minimum_detectable(Difference(0, error, 399), margin, family, 1)
    values = -drop + error * rng.standard_t(399, 40_000)
    significant = 2 * stats.t.sf(abs(values) / error, 399) * family < paired_differences.ALPHA
    assert np.mean((values < -margin) & significant) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("room", "expected"), [(0.9, 0.0281), (0.0280, None), (0.0281, 0.0281), (0.0, None)])
def test_what_a_metric_cannot_do_is_not_detectable(room, expected):
    found = paired_differences.minimum_detectable(Difference(0, 0.01, 400), 0.01, 1, room)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-4))


@given(
    error=st.floats(0, 2),
    n=st.integers(2, 1000),
    margin=st.floats(0, 1),
    family=st.integers(1, 99),
    room=st.floats(0, 1),
)
def test_what_is_detectable_can_be(error, n, margin, family, room):
    found = paired_differences.minimum_detectable(Difference(0, error, n), margin, family, room)
    assert found is None or margin <= found <= room
