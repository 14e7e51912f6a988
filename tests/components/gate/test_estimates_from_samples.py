"""Runs measured again from their samples: as from their tables, and on common samples as if there were no others."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from dicebeam.components.gate import estimates, estimates_from_samples
from dicebeam.components.gate.estimates_from_samples import EstimateSettings
from dicebeam.components.runs import run_files
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.components.summary import slice_rows, slice_state
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from tests.support.summarizing import random_samples, write_file

SAMPLES = random_samples(90, seed=2)
CLASSES = ClassSettings((0, 1, 2), ("a", "b", "c"), (1, 2))
SITE = SliceFeature("site", "site")
SETTINGS = EstimateSettings(CLASSES, ((), (SITE,)), BootstrapSettings(50), None, lambda _: True)


def written(tmp_path, samples, name="r1", shards=3):
    run = run_files.Run(str(tmp_path), "2026-11-23", name, "c", "m")
    for i, part in enumerate(np.array_split(np.arange(len(samples)), shards)):
        write_file(run, f"s{i}", samples.part(part), rows=7)
    return run


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, group in found.items():
        other = expected[key]
        assert (group.class_name, group.samples, group.clusters) == (other.class_name, other.samples, other.clusters)
        assert group.values == pytest.approx(other.values, nan_ok=True, rel=1e-12)
        for metric, drawn in group.replicates.items():
            np.testing.assert_allclose(drawn, other.replicates[metric], rtol=1e-11, err_msg=str((key, metric)))


def of_samples(samples, settings=SETTINGS):
    """The groups of the slice of all, of samples in memory, by way of tables."""
    totals = slice_state.totals(samples.block(), settings.bootstrap)
    rows = slice_rows.slice_tables("all", totals, CLASSES, keep_replicates=True)
    return estimates.of_tables(rows.classes, rows.slices, rows.replicates, (1, 2))


def test_all_samples_are_as_in_the_tables(tmp_path):
    found = estimates_from_samples.estimate(written(tmp_path, SAMPLES), SETTINGS)
    assert found.samples == 90
    assert {name for name, _ in found.groups} == {"all", "site=north", "site=south", "site=NULL"}
    assert_same({key: group for key, group in found.groups.items() if key[0] == "all"}, of_samples(SAMPLES))


@pytest.mark.parametrize("metric", ["dice_mean", "iou_mean", "dice_pooled", "missed_rate", "false_alarm_rate"])
def test_values_are_what_pandas_says(tmp_path, metric):
    groups = estimates_from_samples.estimate(written(tmp_path, SAMPLES), SETTINGS).groups
    frame = SAMPLES.frame()
    frame["site"] = np.repeat(np.array(SAMPLES.slices["site"], object), 3)
    rows = frame[(frame.site == "north") & (frame.class_id == 1)]
    true, free = rows[rows.state.isin(["present", "missed"])], rows[rows.state.isin(["absent", "false_alarm"])]
    tp, fp, fn = (rows[name].sum() for name in ("true_positives", "false_positives", "false_negatives"))
    expected = {
        "dice_mean": rows.dice.mean(),
        "iou_mean": rows.iou.mean(),
        "dice_pooled": 2 * tp / (2 * tp + fp + fn),
        "missed_rate": (true.state == "missed").mean(),
        "false_alarm_rate": (free.state == "false_alarm").mean(),
    }
    group = groups["site=north", 1]
    assert group.values[metric] == pytest.approx(expected[metric])
    behind = {"missed_rate": true, "false_alarm_rate": free}.get(metric, rows[rows.state != "absent"])
    assert (group.behind(metric), group.samples["samples"]) == (len(behind), len(rows))


def test_the_foreground_is_the_mean_of_its_classes(tmp_path):
    groups = estimates_from_samples.estimate(written(tmp_path, SAMPLES), SETTINGS).groups
    means = [groups["all", class_id].values["dice_mean"] for class_id in (1, 2)]
    assert groups["all", None].values["dice_mean"] == pytest.approx(np.mean(means))
    assert groups["all", None].samples["defined"] == max(groups["all", i].samples["defined"] for i in (1, 2))


@pytest.mark.parametrize("shards", [1, 4])
def test_common_samples_are_as_if_there_were_no_others(tmp_path, shards):
    rng = np.random.default_rng(0)
    ours, theirs = (np.sort(rng.permutation(90)[:70]) for _ in range(2))
    one, two = (written(tmp_path, SAMPLES.part(i), name, shards) for name, i in (("r1", ours), ("r2", theirs)))
    ids = [estimates_from_samples.ids_of(run, 3) for run in (one, two)]
    common = estimates_from_samples.common_ids(ids)
    both = np.intersect1d(ours, theirs)
    assert [len(each) for each in (*ids, common)] == [70, 70, len(both)]
    found, other = (estimates_from_samples.estimate(run, SETTINGS, common) for run in (one, two))
    alone = estimates_from_samples.estimate(written(tmp_path, SAMPLES.part(both), "r3", 1), SETTINGS)
    assert found.samples == other.samples == len(both)
    assert found.data == other.data == alone.data
    assert_same(found.groups, alone.groups)


def test_other_masks_of_a_common_sample_are_seen(tmp_path):
    actual = SAMPLES.sums.actual.copy()
    actual[5, 1] += 1
    changed = dataclasses.replace(SAMPLES, sums=dataclasses.replace(SAMPLES.sums, actual=actual))
    one, two = (
        estimates_from_samples.estimate(written(tmp_path, s, n), SETTINGS)
        for s, n in ((SAMPLES, "r1"), (changed, "r2"))
    )
    assert one.data != two.data


def test_a_shard_that_failed_as_a_whole_has_no_ids(tmp_path):
    run = written(tmp_path, SAMPLES, shards=2)
    ids = estimates_from_samples.ids_of(run, 3)
    write_file(run, "s2", SAMPLES.part(np.arange(0)), rows=7)
    np.testing.assert_array_equal(estimates_from_samples.ids_of(run, 3), ids)
    assert estimates_from_samples.estimate(run, SETTINGS).samples == 90


def test_nothing_in_common(tmp_path):
    run = written(tmp_path, SAMPLES)
    none = estimates_from_samples.common_ids([estimates_from_samples.ids_of(run, 3), np.empty(0, np.uint64)])
    found = estimates_from_samples.estimate(run, SETTINGS, none)
    assert (found.groups, found.samples) == ({}, 0)


def test_only_wanted_slices_are_kept(tmp_path):
    wanted = dataclasses.replace(SETTINGS, wanted=lambda name: name == "site=south")
    found = estimates_from_samples.estimate(written(tmp_path, SAMPLES), wanted)
    assert {name for name, _ in found.groups} == {"site=south"}


def test_clusters_are_counted_and_bound_what_a_spread_is_of(tmp_path):
    clustered = dataclasses.replace(SETTINGS, bootstrap=BootstrapSettings(50, by_cluster=True), cluster="age")
    groups = estimates_from_samples.estimate(written(tmp_path, SAMPLES), clustered).groups
    frame = SAMPLES.frame().query("class_id == 1").reset_index()
    clusters = pd.Series(SAMPLES.slices["age"]).fillna(frame.index.to_series().map("sample {}".format))
    for metric, enters in OF_A_METRIC.items():
        has_part = enters(frame.true_positives, frame.false_positives, frame.false_negatives)
        assert groups["all", 1].units(metric) == clusters[has_part].nunique(), metric
    assert groups["all", 1].units("dice_mean_absent_as_1") == clusters.nunique()


def test_a_mean_over_classes_is_of_as_many_samples_as_the_class_that_has_fewest(tmp_path):
    groups = estimates_from_samples.estimate(written(tmp_path, SAMPLES), SETTINGS).groups
    each = [groups["all", class_id] for class_id in (1, 2)]
    together = groups["all", None]
    assert together.members == tuple(each)
    assert together.units("dice_mean") == min(group.units("dice_mean") for group in each)
    assert together.units("dice_pooled") == max(group.units("dice_pooled") for group in each)
    assert together.lost("dice_mean") == max(group.lost("dice_mean") for group in each) / 2


def test_tables_of_an_older_version_have_no_replicates_of_what_they_lack():
    totals = slice_state.totals(SAMPLES.block(), SETTINGS.bootstrap)
    rows = slice_rows.slice_tables("all", totals, CLASSES, keep_replicates=False)
    found = estimates.of_tables(rows.classes, rows.slices, None, (1, 2))
    assert {group.replicates for group in found.values()} == {None}


OF_A_METRIC = {
    "dice_mean": lambda tp, fp, fn: tp + fp + fn > 0,
    "dice_pooled": lambda tp, fp, fn: tp + fp + fn > 0,
    "recall_pooled": lambda tp, _fp, fn: tp + fn > 0,
    "precision_pooled": lambda tp, fp, _fn: tp + fp > 0,
    "missed_rate": lambda tp, _fp, fn: tp + fn > 0,
    "false_alarm_rate": lambda tp, _fp, fn: tp + fn == 0,
}


@pytest.mark.parametrize("metric", OF_A_METRIC)
def test_n_is_of_the_samples_that_have_a_part_in_the_metric(metric):
    frame = SAMPLES.frame()
    rows = frame[frame.class_id == 1]
    enters = OF_A_METRIC[metric](rows.true_positives, rows.false_positives, rows.false_negatives)
    assert of_samples(SAMPLES)["all", 1].behind(metric) == enters.sum()
