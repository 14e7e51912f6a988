"""Rows of `classes` and `slices` from states: every average is taken here, after everything is summed."""

from collections.abc import Mapping, Sequence
from math import isnan, sqrt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components import ratios
from schemas import tables
from schemas.summary import ALL, GroupKey, GroupState


def _number(ratio: NDArray[np.float64]) -> float | None:
    """One ratio; NULL, never NaN, in the tables."""
    value = float(ratio)
    return None if isnan(value) else value


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _std(state: GroupState) -> float | None:
    """Sample standard deviation of Dice (n - 1); undefined for fewer than two."""
    n = state.n_defined
    if n < 2:  # noqa: PLR2004
        return None
    mean = state.dice_sum / n
    return sqrt(max(0.0, (state.dice_sq - n * mean * mean) / (n - 1)))


def _pooled_dice(states: Sequence[GroupState]) -> float | None:
    tp, fp, fn = (sum(getattr(s, f) for s in states) for f in ("true_positives", "false_positives", "false_negatives"))
    return _number(ratios.dice(tp, fp, fn))


def class_row(key: GroupKey, state: GroupState, class_name: str) -> dict[str, object]:
    """One row of `classes`; quantiles and intervals are NULL."""
    tp, fp, fn, n = state.true_positives, state.false_positives, state.false_negatives, state.n_defined
    counts = {f: getattr(state, f) for f in GroupState.__dataclass_fields__ if f in tables.CLASSES.names}
    return {
        **counts,
        "slice": key.slice,
        "class_id": key.class_id,
        "class_name": class_name,
        "n_samples": state.n_samples,
        "dice_mean": _mean(state.dice_sum, n),
        "dice_std": _std(state),
        "dice_min": state.dice_min if n else None,
        "dice_max": state.dice_max if n else None,
        "dice_pooled": _pooled_dice([state]),
        "iou_mean": _mean(state.iou_sum, n),
        "iou_pooled": _number(ratios.iou(tp, fp, fn)),
        "precision_pooled": _number(ratios.precision(tp, fp)),
        "recall_pooled": _number(ratios.recall(tp, fn)),
        "soft_dice_mean": _mean(state.soft_dice_sum, n),
    }


def class_table(states: Mapping[GroupKey, GroupState], classes: Sequence[str]) -> pa.Table:
    """`classes`, `all` first, then by slice and class id."""
    rows = [class_row(key, states[key], classes[key.class_id]) for key in sorted(states, key=_order)]
    return _table(rows, tables.CLASSES)


def slice_table(states: Mapping[GroupKey, GroupState], foreground: Sequence[int]) -> pa.Table:
    """`slices`: mean over the foreground classes of each class's mean Dice, and Dice of their summed counts."""
    groups: dict[str, list[GroupKey]] = {}
    for key in sorted(states, key=_order):
        groups.setdefault(key.slice, []).append(key)
    return _table([_slice_row(name, keys, states, foreground) for name, keys in groups.items()], tables.SLICES)


def _slice_row(
    name: str, keys: Sequence[GroupKey], states: Mapping[GroupKey, GroupState], foreground: Sequence[int]
) -> dict[str, object]:
    chosen = [states[key] for key in keys if key.class_id in foreground]
    means = [state.dice_sum / state.n_defined for state in chosen if state.n_defined]
    return {
        "slice": name,
        "n_samples": max(states[key].n_samples for key in keys),
        "dice_mean": _mean(sum(means), len(means)),
        "dice_pooled": _pooled_dice(chosen),
    }


def _order(key: GroupKey) -> tuple[bool, str, int]:
    return key.slice != ALL, key.slice, key.class_id


def _table(rows: Sequence[dict[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)
