"""Averages taken last, against pandas over the samples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import ratios, report_rows
from schemas import tables
from schemas.summary import ALL, GroupKey, GroupState

COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=10)


def state_of(samples):
    """The state of one class over samples of (tp, fp, fn)."""
    total = GroupState()
    for tp, fp, fn in samples:
        name = ratios.STATES[int(ratios.state_codes(tp, fp, fn))]
        dice, iou = float(ratios.dice(tp, fp, fn)), float(ratios.iou(tp, fp, fn))
        part = GroupState(**{f"n_{name}": 1}, true_positives=tp, false_positives=fp, false_negatives=fn)
        if name != "absent":
            part += GroupState(
                dice_sum=dice, dice_sq=dice**2, iou_sum=iou, soft_dice_sum=dice, dice_min=dice, dice_max=dice
            )
        total += part
    return total


def row_of(samples):
    return report_rows.class_row(GroupKey(ALL, 1), state_of(samples), "car")


@given(COUNTS)
def test_a_row_is_what_pandas_says_of_the_samples(samples):
    frame = pd.DataFrame(samples, columns=["tp", "fp", "fn"])
    dice = pd.Series(ratios.dice(frame.tp, frame.fp, frame.fn)).dropna()
    iou = pd.Series(ratios.iou(frame.tp, frame.fp, frame.fn)).dropna()
    expected = {
        "dice_mean": dice.mean(), "dice_std": dice.std(), "dice_min": dice.min(), "dice_max": dice.max(),
        "iou_mean": iou.mean(), "soft_dice_mean": dice.mean(),
        "dice_pooled": float(ratios.dice(*frame.sum())), "iou_pooled": float(ratios.iou(*frame.sum())),
        "precision_pooled": float(ratios.precision(frame.tp.sum(), frame.fp.sum())),
        "recall_pooled": float(ratios.recall(frame.tp.sum(), frame.fn.sum())),
    }  # fmt: skip
    row = row_of(samples)
    for name, value in expected.items():
        assert (row[name] is None) == np.isnan(value), name
        assert row[name] is None or row[name] == pytest.approx(value, abs=1e-7), name
    assert row["n_samples"] == len(samples)
    assert row["true_positives"] == frame.tp.sum()


def test_names_and_counts():
    row = row_of([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)])
    assert (row["slice"], row["class_id"], row["class_name"]) == ("all", 1, "car")
    assert [row[f"n_{s}"] for s in ("samples", "present", "false_alarm", "missed", "absent")] == [4, 1, 1, 1, 1]


def test_a_class_that_is_always_absent_is_null_everywhere():
    row = row_of([(0, 0, 0)])
    metrics = {n: v for n, v in row.items() if n.startswith(("dice", "iou", "precision", "recall", "soft_dice"))}
    assert metrics
    assert not {name: value for name, value in metrics.items() if value is not None}


def test_one_sample_has_no_deviation():
    assert row_of([(1, 1, 1)])["dice_std"] is None


def test_equal_samples_deviate_by_zero_and_not_by_the_root_of_a_negative_number():
    assert row_of([(1, 3, 7)] * 10)["dice_std"] == pytest.approx(0, abs=1e-7)


def test_mean_and_pooled_differ():
    row = row_of([(1, 0, 0), (0, 99, 0)])
    assert (row["dice_mean"], row["dice_pooled"]) == (0.5, 2 / 101)


def states(**slices):
    """`states(all=[class 0, class 1], ...)`, each class a list of samples."""
    return {GroupKey(name, i): state_of(samples) for name, parts in slices.items() for i, samples in enumerate(parts)}


def test_class_table_has_all_first_then_slices_and_classes_in_order():
    given_states = states(z=[[(1, 0, 0)], [(1, 0, 0)]], all=[[(1, 0, 0)], [(1, 0, 0)]], a=[[(1, 0, 0)], [(1, 0, 0)]])
    table = report_rows.class_table(given_states, ["x", "y"])
    assert table.schema == tables.CLASSES
    found = list(zip(*(table.column(c).to_pylist() for c in ("slice", "class_name")), strict=True))
    assert found == [("all", "x"), ("all", "y"), ("a", "x"), ("a", "y"), ("z", "x"), ("z", "y")]


def test_tables_without_rows():
    assert report_rows.class_table({}, []).schema == tables.CLASSES
    assert report_rows.slice_table({}, [0]).num_rows == 0


def test_slice_mean_is_over_classes_and_pooled_over_pixels():
    given_states = states(all=[[(9, 0, 0)], [(1, 0, 0), (0, 1, 0)], [(3, 1, 0), (0, 0, 0)]])
    (row,) = report_rows.slice_table(given_states, [1, 2]).to_pylist()
    assert row["n_samples"] == 2
    assert row["dice_mean"] == pytest.approx((0.5 + 6 / 7) / 2)
    assert row["dice_pooled"] == pytest.approx(8 / (8 + 2))


def test_a_class_that_is_nowhere_stays_out_of_the_mean():
    (row,) = report_rows.slice_table(states(all=[[(1, 0, 0)], [(0, 0, 0)]]), [0, 1]).to_pylist()
    assert row["dice_mean"] == 1


def test_a_slice_without_foreground_is_null():
    (row,) = report_rows.slice_table(states(all=[[(1, 0, 0)], [(0, 0, 0)]]), [1]).to_pylist()
    assert (row["dice_mean"], row["dice_pooled"], row["n_samples"]) == (None, None, 1)


def test_a_foreground_class_that_is_not_scored_is_left_out():
    only_one = {GroupKey(ALL, 1): state_of([(1, 0, 1)])}
    (row,) = report_rows.slice_table(only_one, [0, 1]).to_pylist()
    assert row["dice_mean"] == pytest.approx(2 / 3)
