"""Averages taken last, against pandas over the rows of the samples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.statistics import bootstrap, intervals, ratios
from dicebeam.components.summary import slice_rows, slice_state
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from dicebeam.schemas import tables
from dicebeam.schemas.slices import FOREGROUND
from tests.support.summarizing import Samples, random_samples, sums_of_counts

CLASSES = ClassSettings((0, 1, 2), ("ground", "leaf", "stem"), (1, 2))
THING = ClassSettings((1,), ("thing",), (0,))
SETTINGS = BootstrapSettings(replicates=50, seed=3)
MEANS = {"dice_mean": "dice", "iou_mean": "iou", "soft_dice_mean": "soft_dice"}
COUNTS = ["true_positives", "false_positives", "false_negatives"]
INTERVALS = [name for name in tables.CLASSES.names if name.endswith(("_low", "_high"))]


def report(samples, classes=CLASSES, bootstrap_settings=SETTINGS, keep=True):
    found = slice_state.totals(samples.block(), bootstrap_settings)
    return slice_rows.slice_tables("site=A", found, classes, keep_replicates=keep)


def counted(*samples):
    """Samples of (tp, fp, fn) of each class."""
    tp, fp, fn = np.moveaxis(np.array(samples, np.int64), -1, 0)
    return Samples(tuple(f"s{i}" for i in range(len(samples))), sums_of_counts(tp, fp, fn), {})


def pooled(tp, fp, fn):
    return {
        "dice_pooled": ratios.dice(tp, fp, fn), "iou_pooled": ratios.iou(tp, fp, fn),
        "precision_pooled": ratios.precision(tp, fp), "recall_pooled": ratios.recall(tp, fn),
    }  # fmt: skip


def expected_class(frame):
    """The row of a class as pandas has it, without its intervals."""
    dice, counts = frame.dice.dropna(), frame[COUNTS].sum()
    ordered = sorted(dice)
    quantiles = {
        f"dice_p{p:02}": round(ordered[-(-p * len(ordered) // 100) - 1], 4) if ordered else np.nan
        for p in (5, 25, 50, 75, 95)
    }
    soft = ["soft_intersection", "soft_predicted", "soft_predicted_sq"]
    return {
        "n_samples": len(frame),
        **{f"n_{state}": (frame.state == state).sum() for state in ratios.STATES},
        **frame[[*COUNTS, "pixels", "ignored_pixels", *soft]].sum(),
        **{name: frame[column].mean() for name, column in MEANS.items()},
        "dice_std": dice.std(), "dice_min": dice.min(), "dice_max": dice.max(), **quantiles, **pooled(*counts),
    }  # fmt: skip


def check_class_rows(samples):
    rows = report(samples).classes.to_pylist()
    for row, (class_id, frame) in zip(rows, samples.frame().groupby("class_id"), strict=True):
        assert (row["slice"], row["class_id"], row["class_name"]) == ("site=A", class_id, CLASSES.names[class_id])
        expected = expected_class(frame)
        clusters = {name for name in row if name.startswith("n_clusters_")}
        assert set(expected) | set(INTERVALS) | {"slice", "class_id", "class_name"} | clusters == set(row)
        for name, value in expected.items():
            assert (row[name] is None) == bool(np.isnan(value)), name
            tolerance = 1e-4 if name.startswith("dice_p") and name[6:].isdigit() else 1e-12
            assert row[name] is None or row[name] == pytest.approx(float(value), rel=1e-12, abs=tolerance), name


def test_every_value_is_what_pandas_says_of_the_rows():
    check_class_rows(random_samples(200))


COUNT = st.tuples(*[st.integers(0, 50) | st.just(0)] * 3)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(COUNT, COUNT, COUNT), min_size=1, max_size=8))
def test_few_samples_too(samples):
    check_class_rows(counted(*samples))


def replicated(samples, seed=3, replicates=50):
    """The means and pooled values of each class in each replicate, from the weights and the rows."""
    frame = samples.frame()
    drawn = bootstrap.weights(samples.block().hashes, replicates, seed).astype(float)
    found = {}
    for class_id, rows in frame.groupby("class_id"):
        defined = rows.dice.notna().to_numpy(float)
        statistics = pooled(*(drawn.T @ rows[name].to_numpy(float) for name in COUNTS))
        for name, column in MEANS.items():
            with np.errstate(invalid="ignore"):
                statistics[name] = drawn.T @ rows[column].fillna(0).to_numpy() / (drawn.T @ defined)
        found[class_id] = statistics
    return found


def test_the_replicates_are_those_of_the_weights():
    samples = random_samples(30)
    rows = report(samples).replicates.to_pandas().set_index(["class_name", "replicate"])
    for class_id, statistics in replicated(samples).items():
        for name, values in statistics.items():
            np.testing.assert_allclose(rows.loc[CLASSES.names[class_id]][name], values, rtol=1e-12, err_msg=name)


def test_rates_and_rules_are_those_of_the_samples_that_are_drawn():
    """An oracle that repeats each row as often as it is drawn."""
    samples = random_samples(30)
    frame, drawn = samples.frame(), bootstrap.weights(samples.block().hashes, 50, 3)
    rows = report(samples).replicates.to_pandas().set_index(["class_id", "replicate"])
    for class_id, of_class in frame.groupby("class_id"):
        for replicate in (0, 7, 49):
            repeated = of_class.loc[of_class.index.repeat(drawn[:, replicate])]
            true = repeated[repeated.state.isin(["present", "missed"])]
            free = repeated[repeated.state.isin(["absent", "false_alarm"])]
            expected = {
                "missed_rate": (true.state == "missed").mean(),
                "false_alarm_rate": (free.state == "false_alarm").mean(),
                "dice_mean_absent_as_1": repeated.dice.fillna(1).mean(),
                "dice_mean_absent_as_0": repeated.dice.fillna(0).mean(),
            }
            assert rows.loc[(class_id, replicate)][list(expected)].to_dict() == pytest.approx(expected, nan_ok=True)


def test_the_replicates_of_the_foreground_are_means_of_those_of_its_classes():
    samples = random_samples(30)
    each, frame = replicated(samples), samples.frame()
    rows = report(samples).replicates.to_pandas()
    rows = rows[rows.class_name == FOREGROUND]
    assert rows.class_id.isna().all()
    for name in MEANS:
        np.testing.assert_allclose(rows[name], (each[1][name] + each[2][name]) / 2, rtol=1e-12)
    drawn = bootstrap.weights(samples.block().hashes, 50, 3).astype(float)
    counts = frame[frame.class_id > 0].groupby("record")[COUNTS].sum()
    for name, values in pooled(*(drawn.T @ counts[column].to_numpy(float) for column in COUNTS)).items():
        np.testing.assert_allclose(rows[name], values, rtol=1e-12, err_msg=name)


def test_the_order_of_replicates():
    rows = report(random_samples(5), bootstrap_settings=BootstrapSettings(2)).replicates
    assert rows.schema == tables.REPLICATES
    assert rows.column("class_name").to_pylist() == [n for n in (*CLASSES.names, FOREGROUND) for _ in range(2)]
    assert rows.column("replicate").to_pylist() == [0, 1] * 4
    assert set(rows.column("slice").to_pylist()) == {"site=A"}


def test_replicates_that_are_not_kept():
    assert report(random_samples(5), keep=False).replicates is None


def limits(value, replicates, n, trust=1.0):
    return tuple(map(float, intervals.interval(value, replicates, n - 1, [value / n], trust)))


TRUST = dict.fromkeys(("dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled"), intervals.POOLED_TRUST)


def test_the_intervals_are_those_of_the_replicates():
    samples = random_samples(30)
    frame, found = samples.frame(), report(samples).classes.to_pylist()
    for row, statistics in zip(found, replicated(samples).values(), strict=True):
        of_class = frame[(frame.class_id == row["class_id"])]
        others = {"recall_pooled": of_class.recall.count(), "precision_pooled": of_class.precision.count()}
        for name, values in statistics.items():
            expected = limits(row[name], values, others.get(name, of_class.dice.count()), TRUST.get(name, 1))
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(expected, rel=1e-12), name
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert {f"{name}_{end}" for name in statistics for end in ("low", "high")} == set(INTERVALS)


def test_the_interval_of_a_slice_is_that_of_its_foreground():
    samples = random_samples(30)
    found = report(samples)
    drawn = found.replicates.to_pandas()
    together = drawn.query("class_name == @FOREGROUND")
    n = samples.frame().query("class_id > 0").groupby("class_id").dice.count().to_numpy()
    (row,) = found.slices.to_pylist()
    expected = limits(row["dice_pooled"], together.dice_pooled.to_numpy(), n.max(), intervals.POOLED_TRUST)
    assert (row["dice_pooled_low"], row["dice_pooled_high"]) == pytest.approx(expected, rel=1e-12)
    variances = np.array([drawn.query("class_id == @i").dice_mean.var() for i in (1, 2)])
    degrees = variances.sum() ** 2 / (variances**2 / (n - 1)).sum()  # Satterthwaite
    means = found.classes.to_pandas().set_index("class_id").dice_mean.loc[[1, 2]].to_numpy()
    expected = intervals.interval(
        row["dice_mean"], together.dice_mean.to_numpy(), min(degrees, n.max() - 1), means / n / 2
    )
    assert (row["dice_mean_low"], row["dice_mean_high"]) == pytest.approx(tuple(map(float, expected)), rel=1e-9)


def test_clusters_are_the_units_of_an_interval():
    """Eighty samples of ten clusters have the interval of ten."""
    samples = random_samples(80)
    block = SampleBlock(np.repeat(np.arange(3, 13, dtype=np.uint64), 8), samples.sums)
    found = slice_state.totals(block, BootstrapSettings(1000, by_cluster=True))
    row = slice_rows.slice_tables("all", found, CLASSES, keep_replicates=True)
    drawn = row.replicates.to_pandas().query("class_id == 0").dice_mean.to_numpy()
    value, *ends = (row.classes.column(f"dice_mean{end}")[0].as_py() for end in ("", "_low", "_high"))
    assert tuple(ends) == pytest.approx(limits(value, drawn, 10), rel=1e-12)
    assert tuple(ends) != pytest.approx(limits(value, drawn, 80), rel=1e-3)
    assert row.slices.column("n_clusters").to_pylist() == [10]


def test_clusters_are_those_that_carry_the_value():
    """The class is in three of forty clusters: two degrees of freedom, and the table says so."""
    alone = [[(9, 1, i % 5)] if i < 6 else [(0, 0, 0)] for i in range(80)]
    block = SampleBlock(np.arange(80, dtype=np.uint64) // 2, counted(*alone).sums)
    found = slice_state.totals(block, BootstrapSettings(200, by_cluster=True))
    rows = slice_rows.slice_tables("all", found, THING, keep_replicates=True)
    (row,) = rows.classes.to_pylist()
    kinds = ("defined", "actual", "not_actual", "predicted")
    assert [row[f"n_clusters_{kind}"] for kind in kinds] == [3, 3, 37, 3]
    expected = limits(row["dice_mean"], rows.replicates.column("dice_mean").to_numpy()[:200], 3)
    assert (row["dice_mean_low"], row["dice_mean_high"]) == pytest.approx(expected, rel=1e-12)


def test_without_clusters_there_are_no_counts_of_them():
    for row in report(random_samples(5)).classes.to_pylist():
        assert {row[name] for name in row if name.startswith("n_clusters")} == {None}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(COUNT, COUNT, COUNT), min_size=1, max_size=12))
def test_the_interval_of_every_row_holds_its_value(samples):
    """Few samples, classes that are rare, missed, or nowhere."""
    found = report(counted(*samples))
    for row in (*found.classes.to_pylist(), *found.slices.to_pylist()):
        for name in (key.removesuffix("_low") for key in row if key.endswith("_low")):
            low, value, high = row[f"{name}_low"], row[name], row[f"{name}_high"]
            assert (low is None) == (high is None), name
            assert low is None or low <= value <= high, name


def test_every_replicate_of_the_foreground_is_a_mean_over_the_same_classes():
    """The second class is in one sample; where that is not drawn, its Dice over all stands in."""
    found = report(counted([(0, 0, 0), (8, 1, 1), (3, 1, 1)], *[[(0, 0, 0), (9, i, 0), (0, 0, 0)] for i in range(9)]))
    drawn = found.replicates.to_pandas()
    leaf, stem = (drawn.query("class_name == @name").dice_mean.to_numpy() for name in ("leaf", "stem"))
    assert np.isnan(stem).any()
    together = drawn.query("class_name == @FOREGROUND").dice_mean.to_numpy()
    np.testing.assert_allclose(together, (leaf + 0.75) / 2, rtol=1e-12)
    (row,) = found.slices.to_pylist()
    assert (row["dice_mean_low"], row["dice_mean_high"]) == (None, None)  # one sample has no spread


def test_a_class_that_is_true_nowhere_is_in_no_foreground_mean():
    """Its false alarms are counted with the pixels, and have their rate."""
    found = report(counted([(5, 5, 5), (1, 1, 0), (0, 7, 0)], [(5, 5, 5), (1, 0, 0), (0, 0, 0)]))
    (row,) = found.slices.to_pylist()
    assert row["dice_mean"] == pytest.approx((2 / 3 + 1) / 2)
    assert row["dice_pooled"] == pytest.approx(4 / (4 + 1 + 7))
    stem = found.classes.to_pylist()[2]
    assert (stem["dice_mean"], stem["n_false_alarm"]) == (0, 1)
    drawn = found.replicates.to_pandas()
    assert drawn.query("class_name == 'stem'").false_alarm_rate.max() == 1
    together = drawn.query("class_name == @FOREGROUND")
    leaf = drawn.query("class_name == 'leaf'").dice_mean.fillna((2 / 3 + 1) / 2)
    np.testing.assert_allclose(together.dice_mean, leaf, rtol=1e-12)


def nan_columns(table):
    return [name for name in table.column_names if table.schema.field(name).type == "double"
            and any(value is not None and np.isnan(value) for value in table.column(name).to_pylist())]  # fmt: skip


def test_undefined_is_null_and_never_nan():
    samples = counted([(0, 0, 0), (0, 0, 4), (0, 3, 0)], [(0, 0, 0), (0, 0, 0), (0, 0, 0)])
    found = report(samples)
    for table in (found.classes, found.slices, found.histograms, found.replicates):
        assert nan_columns(table) == []
    absent, missed, alarm = found.classes.to_pylist()
    metrics = [n for n in absent if n.startswith(("dice", "iou", "precision", "recall", "soft_dice"))]
    assert len(metrics) > 20
    assert {absent[name] for name in metrics} == {None}
    assert (missed["precision_pooled"], missed["recall_pooled"], missed["dice_mean"]) == (None, 0, 0)
    assert (alarm["precision_pooled"], alarm["recall_pooled"], alarm["dice_mean"]) == (0, None, 0)


def test_one_sample_has_neither_deviation_nor_intervals():
    found = report(counted([(1, 1, 1)] * 3))
    for row in found.classes.to_pylist():
        assert {row[name] for name in [*INTERVALS, "dice_std"]} == {None}
        assert row["dice_mean"] == row["dice_p50"] == row["dice_pooled"] == 0.5
    (row,) = found.slices.to_pylist()
    assert {row[name] for name in row if name.endswith(("_low", "_high"))} == {None}


def test_without_replicates_there_are_no_intervals():
    found = report(random_samples(9), bootstrap_settings=BootstrapSettings(replicates=0))
    assert found.replicates.num_rows == 0
    for row in [*found.classes.to_pylist(), *found.slices.to_pylist()]:
        assert row["dice_mean"] is not None
        assert {value for name, value in row.items() if name.endswith(("_low", "_high"))} == {None}


def test_equal_samples_deviate_by_zero_and_leave_room_for_losses_below_alone():
    (row, *_) = report(counted(*[[(1, 3, 7)] * 3] * 10)).classes.to_pylist()
    assert row["dice_std"] == pytest.approx(0, abs=1e-12)
    assert row["dice_mean_low"] < row["dice_mean"] == pytest.approx(row["dice_mean_high"], rel=1e-12)


def test_mean_and_pooled_differ():
    (row, *_) = report(counted([(1, 0, 0)] * 3, [(0, 99, 0)] * 3)).classes.to_pylist()
    assert (row["dice_mean"], row["dice_pooled"]) == (0.5, pytest.approx(2 / 101))


def test_a_slice_is_the_mean_over_classes_and_pooled_over_pixels():
    (row,) = report(counted([(9, 0, 0), (1, 0, 0), (3, 1, 0)], [(9, 9, 9), (0, 1, 0), (0, 0, 0)])).slices.to_pylist()
    assert row["n_samples"] == 2
    assert row["dice_mean"] == pytest.approx((0.5 + 6 / 7) / 2)
    assert row["dice_pooled"] == pytest.approx(8 / (8 + 2))


def test_a_class_that_is_nowhere_stays_out_of_the_mean():
    found = report(counted([(5, 5, 5), (1, 0, 0), (0, 0, 0)], [(5, 5, 5), (1, 1, 0), (0, 0, 0)]))
    (row,) = found.slices.to_pylist()
    assert row["dice_mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert row["dice_mean_low"] is not None


def test_a_foreground_that_is_nowhere_is_null():
    found = report(counted([(5, 5, 5), (0, 0, 0), (0, 0, 0)], [(5, 5, 5), (0, 0, 0), (0, 0, 0)]))
    (row,) = found.slices.to_pylist()
    assert (row.pop("slice"), row.pop("n_samples")) == ("site=A", 2)
    assert set(row.values()) == {None}
    drawn = found.replicates.to_pandas().query("class_name == @FOREGROUND")
    assert drawn.dice_mean.isna().all()
    assert len(drawn) == 50


def test_one_scored_class_of_two():
    """A sigmoid channel: its class id is 1, its place 0."""
    samples = random_samples(20, n_classes=1)
    found = report(samples, THING)
    (row,), (whole,) = found.classes.to_pylist(), found.slices.to_pylist()
    assert (row["class_id"], row["class_name"]) == (1, "thing")
    names = [n for n in tables.SLICES.names if n.startswith("dice")]
    assert [whole[name] for name in names] == pytest.approx([row[name] for name in names], rel=1e-12)
    assert found.replicates.column("class_name").to_pylist() == ["thing"] * 50 + [FOREGROUND] * 50
    assert set(found.histograms.column("class_id").to_pylist()) == {1}


def test_histograms_are_of_the_defined_values():
    samples = random_samples(80)
    rows = report(samples).histograms
    assert rows.schema == tables.HISTOGRAMS
    found = rows.to_pandas()
    dice = samples.frame().dropna(subset="dice")
    place = np.minimum(np.rint(dice.dice * 10_000).astype(int) // 200, 49)
    expected = dice.groupby(["class_id", place.rename("bin")]).size()
    pd.testing.assert_series_equal(
        found.set_index(["class_id", "bin"]).n_samples, expected, check_names=False, check_index_type=False
    )
    np.testing.assert_allclose(found.low, found.bin / 50)
    np.testing.assert_allclose(found.high - found.low, 0.02)
    assert found.class_name.tolist() == [CLASSES.names[i] for i in found.class_id]


def test_the_schemas():
    found = report(random_samples(3))
    assert (found.classes.schema, found.slices.schema) == (tables.CLASSES, tables.SLICES)


def test_false_alarms_say_nothing_of_recall_nor_missed_objects_of_precision():
    """One sample has the class, 49 are false alarms: no interval of recall can be had from one sample."""
    alarms = report(counted([(5, 0, 2)], *[[(0, 3, 0)]] * 49), THING).classes.to_pylist()[0]
    assert (alarms["recall_pooled"], alarms["recall_pooled_low"]) == (5 / 7, None)
    assert alarms["precision_pooled_low"] is not None
    missed = report(counted([(5, 2, 0)], *[[(0, 0, 3)]] * 49), THING).classes.to_pylist()[0]
    assert (missed["precision_pooled"], missed["precision_pooled_low"]) == (5 / 7, None)
    assert missed["recall_pooled_low"] is not None
