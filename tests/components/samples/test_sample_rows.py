"""Rows of `samples` and `failures` from arrays."""

import numpy as np
import pytest

from dicebeam.components.samples import sample_rows
from dicebeam.components.statistics import sample_sums
from dicebeam.schemas import tables
from dicebeam.schemas.records import Failure, Lineage, SampleKey
from tests.support.builders import sums_of

CLASSES = ("a", "b", "c")


def key(record, *slices):
    return SampleKey(Lineage("s", record, 10 * record), f"id{record}", slices)


def rows(tp, predicted, actual, class_ids=(0, 1, 2), **more):
    sums = sums_of(tp, predicted, actual, **more)
    keys = [key(i, "north", None) for i in range(len(sums.pixels))]
    table = sample_rows.sample_table(keys, sums, class_ids, CLASSES, ["site", "age"])
    assert table.schema == tables.samples_schema(["site", "age"])
    return table.to_pylist()


def test_each_sample_in_order_and_each_class_in_it():
    found = rows([[1, 2, 3], [4, 5, 6]], [[9] * 3] * 2, [[9] * 3] * 2)
    assert [(r["record"], r["class_id"], r["class_name"], r["true_positives"]) for r in found] == [
        (0, 0, "a", 1), (0, 1, "b", 2), (0, 2, "c", 3), (1, 0, "a", 4), (1, 1, "b", 5), (1, 2, "c", 6),
    ]  # fmt: skip


def test_lineage_slices_and_pixels_are_repeated():
    found = rows([[1, 2, 3]], [[9] * 3], [[9] * 3], pixels=50, ignored=7)
    for row in found:
        assert (row["sample_id"], row["shard"], row["byte_offset"]) == ("id0", "s", 0)
        assert (row["site"], row["age"], row["pixels"], row["ignored_pixels"]) == ("north", None, 50, 7)


def test_counts_and_ratios_by_hand():
    (row,) = rows([[6]], [[8]], [[10]], class_ids=(1,))
    assert (row["class_id"], row["class_name"], row["state"]) == (1, "b", "present")
    assert (row["true_positives"], row["false_positives"], row["false_negatives"]) == (6, 2, 4)
    assert (row["dice"], row["iou"], row["precision"], row["recall"]) == (12 / 18, 0.5, 0.75, 0.6)
    assert row["soft_dice"] == pytest.approx(12 / 18)
    assert (row["soft_intersection"], row["soft_predicted"]) == (6.0, 8.0)


@pytest.mark.parametrize(
    ("counts", "state", "null"),
    [
        ((0, 0, 0), "absent", {"dice", "iou", "precision", "recall", "soft_dice"}),
        ((0, 0, 5), "missed", {"precision"}),
        ((0, 5, 0), "false_alarm", {"recall"}),
        ((0, 5, 5), "present", set()),
    ],
)
def test_undefined_is_null_and_never_nan(counts, state, null):
    (row,) = rows(*([[c]] for c in counts), class_ids=(0,))
    assert row["state"] == state
    metrics = ("dice", "iou", "precision", "recall", "soft_dice")
    assert {name for name in metrics if row[name] is None} == null
    assert all(row[name] is None or np.isfinite(row[name]) for name in metrics)


def test_no_samples_are_no_rows():
    sums = sample_sums.select(sums_of([[1]], [[1]], [[1]]), np.array([], int))
    table = sample_rows.sample_table([], sums, (0,), CLASSES, [])
    assert table.num_rows == 0
    assert table.schema == tables.samples_schema([])


def test_large_counts_stay_whole():
    (row,) = rows([[2**53 + 1]], [[2**53 + 1]], [[2**53 + 1]], class_ids=(0,))
    assert (row["true_positives"], row["false_positives"], row["dice"]) == (2**53 + 1, 0, 1.0)


def test_failures():
    failures = [Failure(Lineage("s", 4, 40), None, "read", "data_checksum", "no"), Failure(Lineage("s", 5, 50), "x", "mask", "E", "m")]  # fmt: skip  # noqa: E501
    table = sample_rows.failure_table(failures)
    assert table.schema == tables.FAILURES
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("s", 4, 40, None, "read", "data_checksum", "no"),
        ("s", 5, 50, "x", "mask", "E", "m"),
    ]


def test_no_failures():
    assert sample_rows.failure_table([]).schema == tables.FAILURES


def test_concatenate_and_select():
    both = sample_sums.concatenate([sums_of([[1]], [[2]], [[3]]), sums_of([[4], [5]], [[6], [7]], [[8], [9]])])
    assert both.true_positives.tolist() == [[1], [4], [5]]
    assert sample_sums.select(both, np.array([2, 0])).actual.tolist() == [[9], [3]]
    assert sample_sums.select(both, np.array([True, False, True])).predicted.tolist() == [[2], [7]]
    assert both.pixels.shape == (3,)
