"""Whether the numbers of sample rows can be: what was counted is held against the pixels that there were."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..statistics import ratios

_COUNTS = ("true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels")
_NEVER_NULL = ("sample_id", "shard", "record", "class_id", "class_name", "state", *_COUNTS)
_OF_A_SAMPLE = ("pixels", "ignored_pixels", "record")


def why_not(rows: pa.Table, n_classes: int, class_ids: Sequence[int]) -> str | None:
    """What is wrong with rows of whole samples; None where nothing is. Columns that are not there are not looked at.

    TP + FN and TP + FP are at most pixels - ignored_pixels, nothing is negative, `state` is that of the counts, a
    sample has one row of each class in order, all of them of the same image, and Dice is of [0, 1].

    Args:
        rows: of `samples`, n_classes of each sample.
        n_classes: rows of each sample.
        class_ids: that they are of; none where the file does not say which.
    """
    there = set(rows.column_names)
    null = [name for name in _NEVER_NULL if name in there and rows[name].null_count]
    if null:
        return f"{null[0]} is NULL in a row"
    if "class_id" in there and class_ids:
        found = rows["class_id"].to_numpy().reshape(-1, n_classes)
        if not np.array_equal(found, np.broadcast_to(np.array(class_ids), found.shape)):
            return f"the class ids of its samples are not {list(class_ids)}"
    for name in (name for name in _OF_A_SAMPLE if name in there):
        values = rows[name].to_numpy().reshape(-1, n_classes)
        if (values != values[:, :1]).any():
            return f"the rows of a sample do not have the same {name}"
    return (_of_counts(rows) if there.issuperset(_COUNTS) else None) or (_of_dice(rows) if "dice" in there else None)


def _of_counts(rows: pa.Table) -> str | None:
    counts = {name: rows[name].to_numpy() for name in _COUNTS}
    tp, fp, fn, pixels, ignored = counts.values()
    for name, values in counts.items():
        if (values < 0).any():
            return f"{name} is negative in a row"
    for other, values in (("false_positives", fp), ("false_negatives", fn)):
        if (tp > pixels - ignored - values).any():
            return f"true_positives + {other} is more than pixels - ignored_pixels in a row"
    return _of_state(rows, tp, fp, fn) if "state" in rows.column_names else None


def _of_state(rows: pa.Table, *counts: NDArray[np.int64]) -> str | None:
    expected = pa.array(ratios.STATES, pa.string()).take(pa.array(ratios.state_codes(*counts)))
    return None if pc.all(pc.equal(rows["state"], expected)).as_py() in {True, None} else "a state is not its counts'"


def _of_dice(rows: pa.Table) -> str | None:
    dice = pc.min_max(rows["dice"])
    low, high = dice["min"].as_py(), dice["max"].as_py()
    return None if low is None or (low >= 0 and high <= 1) else "a Dice is not of [0, 1]"
