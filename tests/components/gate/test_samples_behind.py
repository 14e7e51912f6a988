"""How many samples every metric is of, by its definition, against a count of the samples one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.gate import estimates
from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.summary import slice_rows, slice_state
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from dicebeam.schemas import tables
from tests.support.summarizing import sums_of_counts

CLASSES = ClassSettings((1, 2), ("leaf", "stem"), (0, 1))
REPLICATES = 60


def true(tp, _, fn):
    return tp + fn > 0


def predicted(tp, fp, _):
    return tp + fp > 0


def not_true(*counts):
    return not true(*counts)


def true_or_predicted(*counts):
    return any(counts)


def any_sample(*_):
    return True


CARRIES = {
    **dict.fromkeys(("dice_mean", "iou_mean", "soft_dice_mean", "dice_pooled", "iou_pooled"), true_or_predicted),
    **dict.fromkeys(("recall_pooled", "missed_rate"), true),
    "precision_pooled": predicted,
    "false_alarm_rate": not_true,
    **dict.fromkeys(("dice_mean_absent_as_1", "dice_mean_absent_as_0"), any_sample),
}
"""Of each metric, whether a sample with these pixels of a class has a part in its value."""

pixels = st.integers(1, 40) | st.just(0)
one_class = st.tuples(pixels, pixels, pixels)
samples = st.lists(st.tuples(one_class, one_class), min_size=1, max_size=25)


def tables_of(rows, clusters=None):
    """The slice's tables of samples of (tp, fp, fn) of each class; the clusters are of these hashes."""
    tp, fp, fn = np.moveaxis(np.array(rows, np.int64), -1, 0)
    spread = np.arange(1, len(rows) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashes = spread if clusters is None else spread[np.array(clusters)]
    block = SampleBlock(hashes, sums_of_counts(tp, fp, fn))
    bootstrap = BootstrapSettings(replicates=REPLICATES, seed=1, by_cluster=clusters is not None)
    return slice_rows.slice_tables("all", slice_state.totals(block, bootstrap), CLASSES, keep_replicates=True)


def groups_of(made):
    return estimates.of_tables(made.classes, made.slices, made.replicates, CLASSES.ids)


def carrying(metric, rows, place):
    return [bool(CARRIES[metric](*row[place])) for row in rows]


def test_every_metric_has_its_definition():
    assert set(CARRIES) == set(estimates.METRICS)


@settings(deadline=None)
@given(samples)
def test_the_n_of_every_metric_is_that_of_its_definition(rows):
    groups = groups_of(tables_of(rows))
    for place, class_id in enumerate(CLASSES.ids):
        group = groups["all", class_id]
        expected = {metric: sum(carrying(metric, rows, place)) for metric in CARRIES}
        assert {metric: group.behind(metric) for metric in CARRIES} == expected
        assert {metric: group.units(metric) for metric in CARRIES} == expected


@settings(deadline=None)
@given(samples, st.data())
def test_the_n_of_clusters_is_between_those_that_carry_the_value_and_all(rows, data):
    places = st.integers(0, len(rows) - 1)
    clusters = data.draw(st.lists(places, min_size=len(rows), max_size=len(rows)))
    groups = groups_of(tables_of(rows, clusters))
    for place, class_id in enumerate(CLASSES.ids):
        for metric in CARRIES:
            carry = carrying(metric, rows, place)
            of_clusters = {cluster for cluster, has in zip(clusters, carry, strict=True) if has}
            assert len(of_clusters) <= groups["all", class_id].units(metric) <= min(sum(carry), len(set(clusters)))


@settings(deadline=None)
@given(samples)
def test_an_interval_is_there_where_two_samples_carry_the_value(rows):
    """And some replicate has a value: with few samples, none of those that carry it may be drawn in any."""
    made = tables_of(rows)
    replicates = made.replicates.to_pandas()
    with_interval = [name.removesuffix("_low") for name in tables.CLASSES.names if name.endswith("_low")]
    for place, row in enumerate(made.classes.to_pylist()):
        drawn = replicates[replicates.class_id == CLASSES.ids[place]]
        for metric in with_interval:
            carry = sum(carrying(metric, rows, place))
            expected = carry >= 2 and drawn[metric].notna().any()
            assert (row[f"{metric}_low"] is not None) == (row[f"{metric}_high"] is not None) == expected, metric


@pytest.mark.parametrize("metric", CARRIES)
def test_one_positive_among_false_alarms_counts_as_what_it_is(metric):
    """One sample with the class, 9 false alarms, 40 without either."""
    rows = [((5, 0, 5), (0, 0, 0)), *[((0, 3, 0), (0, 0, 0))] * 9, *[((0, 0, 0), (0, 0, 0))] * 40]
    expected = {"recall_pooled": 1, "missed_rate": 1, "precision_pooled": 10, "false_alarm_rate": 49,
                "dice_mean_absent_as_1": 50, "dice_mean_absent_as_0": 50}  # fmt: skip
    assert groups_of(tables_of(rows))["all", 1].units(metric) == expected.get(metric, 10)
