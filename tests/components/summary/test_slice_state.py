"""States of a slice are the same whatever the blocks, the order of merging and the time of folding."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.statistics import bootstrap, histograms, ratios
from dicebeam.components.summary import slice_state
from dicebeam.components.summary.slice_state import BootstrapSettings, SliceState, Totals
from tests.support.summarizing import Samples, random_samples, sums_of_counts

SETTINGS = BootstrapSettings(replicates=6, seed=3)
SAMPLES = random_samples(40)
INTEGERS = ("states", "pixels", "histogram", "lowest", "highest")  # extremes are no sums, so exact too
WHOLE = [
    slice_state.STATISTICS.index(name) for name in ("defined", "true_positives", "false_positives", "false_negatives")
]


def assert_same(found: Totals, expected: Totals):
    for field in dataclasses.fields(Totals):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "clusters":
            assert_same_clusters(ours, theirs)
        elif field.name in INTEGERS:
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13, err_msg=field.name)
    np.testing.assert_array_equal(found.replicates[..., WHOLE], expected.replicates[..., WHOLE])


def assert_same_clusters(ours, theirs):
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(found, expected)


def of(samples, bootstrap_settings=SETTINGS):
    return slice_state.totals(samples.block(), bootstrap_settings)


def state_of(samples, fold_now, bootstrap_settings=SETTINGS):
    state = SliceState()
    state.take([samples.block()], bootstrap_settings)
    if fold_now:
        state.fold(bootstrap_settings)
    return state


@pytest.fixture(params=[1, 3, 8, 2048])
def fold_samples(request, monkeypatch):
    monkeypatch.setattr(slice_state, "FOLD_SAMPLES", request.param)
    return request.param


def test_totals_are_what_pandas_adds_up():
    found, frame = of(SAMPLES), SAMPLES.frame()
    groups = frame.groupby("class_id")
    for i, name in enumerate(ratios.STATES):
        assert found.states[:, i].tolist() == groups.state.agg(lambda s, n=name: (s == n).sum()).tolist()
    for i, name in enumerate(("true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels")):
        assert found.pixels[:, i].tolist() == groups[name].sum().tolist(), name
    for i, name in enumerate(("soft_intersection", "soft_predicted", "soft_predicted_sq")):
        np.testing.assert_allclose(found.soft[:, i], groups[name].sum(), rtol=1e-12)
    np.testing.assert_allclose(found.means, groups.dice.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.squares, groups.dice.var(ddof=0) * groups.dice.count(), rtol=1e-12)
    np.testing.assert_array_equal(found.lowest, groups.dice.min())
    np.testing.assert_array_equal(found.highest, groups.dice.max())
    np.testing.assert_allclose(found.iou, groups.iou.sum(), rtol=1e-12)
    np.testing.assert_allclose(found.soft_dice, groups.soft_dice.sum(), rtol=1e-12)
    assert (found.n_samples, found.n_defined.tolist()) == (40, groups.dice.count().tolist())
    assert len(found.clusters.hashes) == 0


def test_the_histogram_is_that_of_dice():
    for row, (_, group) in zip(of(SAMPLES).histogram, SAMPLES.frame().groupby("class_id"), strict=True):
        expected = np.bincount(np.rint(group.dice.dropna() * histograms.STEPS).astype(int), minlength=10_001)
        np.testing.assert_array_equal(row, expected)


def test_replicates_are_weighted_sums():
    found, frame = of(SAMPLES), SAMPLES.frame()
    drawn = bootstrap.weights(SAMPLES.block().hashes, 6, 3).astype(float)
    frame["defined"] = frame.dice.notna().astype(float)
    frame["actual"] = frame.true_positives + frame.false_negatives > 0
    frame["missed"] = frame.actual & (frame.true_positives + frame.false_positives == 0)
    frame["samples"] = 1
    for i, name in enumerate(slice_state.STATISTICS):
        values = frame[name].fillna(0).to_numpy(float).reshape(40, 3)
        np.testing.assert_allclose(found.replicates[..., i], drawn.T @ values, rtol=1e-12, err_msg=name)


@settings(deadline=None, max_examples=60)
@given(
    st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=6), st.lists(st.booleans(), min_size=7), st.data()
)
def test_any_split_and_any_order_of_merging(order, cuts, folded, data):
    parts = np.split(np.array(order), sorted(cuts))
    states = [state_of(SAMPLES.part(p), fold) for p, fold in zip(parts, folded, strict=False) if len(p)]
    while len(states) > 1:
        left = states.pop(data.draw(st.integers(0, len(states) - 1)))
        states[data.draw(st.integers(0, len(states) - 1))].merge(left, SETTINGS)
    (state,) = states
    state.fold(SETTINGS)
    assert_same(state.folded, of(SAMPLES))


def test_when_it_folds_makes_no_difference(fold_samples):
    state = SliceState()
    for start in range(0, 40, 3):
        state.take([SAMPLES.part(range(start, min(start + 3, 40))).block()], SETTINGS)
        assert sum(map(len, state.blocks)) <= fold_samples
    state.fold(SETTINGS)
    assert_same(state.folded, of(SAMPLES))


def test_merged_states_keep_no_more_than_one_does(fold_samples):
    state = SliceState()
    for i in range(40):
        state.merge(state_of(SAMPLES.part([i]), fold_now=False), SETTINGS)
        assert sum(map(len, state.blocks)) <= fold_samples
    state.fold(SETTINGS)
    assert_same(state.folded, of(SAMPLES))


def test_merging_leaves_the_other_state_as_it_is():
    ours, theirs = (state_of(SAMPLES.part(r), fold_now=False) for r in (range(5), range(5, 9)))
    before = list(theirs.blocks)
    ours.merge(theirs, SETTINGS)
    ours.fold(SETTINGS)
    assert (theirs.blocks, theirs.folded) == (before, None)


def test_folding_twice_counts_once():
    state = state_of(SAMPLES, fold_now=True)
    state.fold(SETTINGS)
    assert_same(state.folded, of(SAMPLES))


def test_nothing_to_fold():
    state = SliceState()
    state.fold(SETTINGS)
    assert (state.folded, state.nbytes) == (None, 0)


def test_many_samples_take_no_more_bytes_than_some(monkeypatch):
    monkeypatch.setattr(slice_state, "FOLD_SAMPLES", 10)
    sizes = [state_of(random_samples(n), fold_now=True).nbytes for n in (20, 2000)]
    assert sizes[0] == sizes[1] > 0


def test_kept_samples_are_counted_in_bytes():
    state = state_of(SAMPLES, fold_now=False)
    assert state.nbytes == SAMPLES.block().nbytes == 40 * (8 + 6 * 3 * 8 + 2 * 8)


def absent(n=4):
    zeros = np.zeros((n, 1), np.int64)
    return Samples(tuple(map(str, range(n))), sums_of_counts(zeros, zeros, zeros), {})


def test_a_class_that_is_always_absent():
    found = of(absent())
    assert (found.states.tolist(), found.n_defined.tolist()) == ([[0, 0, 0, 4]], [0])
    assert (found.means.tolist(), found.squares.tolist()) == ([0], [0])
    assert (found.lowest.tolist(), found.highest.tolist()) == ([np.inf], [-np.inf])
    assert {slice_state.STATISTICS[i] for i in np.nonzero(found.replicates.any(axis=(0, 1)))[0]} == {"samples"}
    assert not found.histogram.any()


def test_absent_samples_move_no_mean():
    one = np.array([[3]])
    some = Samples(("x",), sums_of_counts(one, one, one), {})
    both = slice_state.add(of(absent()), of(some))
    assert both.means.tolist() == [0.5]
    assert both.states.tolist() == [[1, 0, 0, 4]]


def test_no_samples_are_no_sums():
    found = of(SAMPLES.part([]))
    assert (found.n_samples, found.pixels.sum(), found.replicates.sum()) == (0, 0, 0)
    assert_same(slice_state.add(found, of(SAMPLES)), of(SAMPLES))


def test_deviations_of_values_that_are_nearly_equal_do_not_cancel():
    """As they would in the difference of a sum of squares and a squared sum: they are 1e-9 apart."""
    tp = 10**12 + np.arange(3000)[:, None]
    samples = Samples(tuple(map(str, range(3000))), sums_of_counts(tp, np.full_like(tp, 10**12), 0 * tp), {})
    dice = samples.frame().dice.to_numpy(np.longdouble)
    state = state_of(samples, fold_now=True)
    assert state.folded.squares[0] == pytest.approx(float(np.sum((dice - dice.mean()) ** 2)), rel=1e-6)


CLUSTERED = dataclasses.replace(SETTINGS, by_cluster=True)


def clustered(samples, clusters):
    return SampleBlock(np.asarray(clusters, np.uint64), samples.sums)


def test_samples_of_one_cluster_have_one_weight():
    """So in every replicate the sums are those of whole clusters."""
    blocks = [clustered(SAMPLES, np.arange(40) // 5), clustered(SAMPLES, np.arange(40))]
    found = slice_state.totals(blocks[0], CLUSTERED)
    drawn = bootstrap.weights(np.arange(8, dtype=np.uint64), 6, 3).astype(float)
    tp = SAMPLES.sums.true_positives.reshape(8, 5, 3).sum(axis=1)
    np.testing.assert_array_equal(found.replicates[..., 4], drawn.T @ tp)
    assert not np.array_equal(found.replicates, slice_state.totals(blocks[1], CLUSTERED).replicates)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=40, max_size=40), st.integers(0, 40))
def test_clusters_are_counted_once_wherever_their_samples_are(clusters, cut):
    whole = slice_state.totals(clustered(SAMPLES, clusters), CLUSTERED)
    parts = [clustered(SAMPLES, clusters).part(p) for p in (slice(0, cut), slice(cut, 40))]
    both = slice_state.add(*(slice_state.totals(part, CLUSTERED) for part in parts))
    assert both.clusters.hashes.tolist() == sorted(set(clusters))
    assert_same(both, whole)


def test_no_replicates():
    found = of(SAMPLES, BootstrapSettings(replicates=0))
    assert found.replicates.shape == (0, 3, len(slice_state.STATISTICS))


def test_the_same_sample_in_two_runs_has_the_same_weights():
    """So the difference of two runs is paired, replicate by replicate."""
    better = dataclasses.replace(SAMPLES, sums=random_samples(40, seed=9).sums)
    one, two = (slice_state.totals(s.block(), SETTINGS).replicates for s in (SAMPLES, better))
    drawn = bootstrap.weights(SAMPLES.block().hashes, 6, 3).astype(float)
    gain = better.sums.true_positives - SAMPLES.sums.true_positives
    np.testing.assert_array_equal(two[..., 4] - one[..., 4], drawn.T @ gain)


def test_a_state_that_crosses_processes_is_as_it_was_and_small():
    whole = of(SAMPLES)
    sent = pickle.dumps(whole)
    assert len(sent) < whole.histogram.nbytes / 10  # most of its cells are empty
    assert_same(pickle.loads(sent), whole)  # noqa: S301 - our own bytes
