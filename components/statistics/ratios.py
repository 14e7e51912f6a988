"""Every ratio that is made of counts, in one place: counts first, ratios last.

All functions take arrays (or numbers) of the same shape and give float64 with NaN where the ratio is
undefined, which the tables write as NULL. TP, FP, FN are pixels.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMOOTHING = 1e-6
"""s in soft_dice."""

PRESENT, MISSED, FALSE_ALARM, ABSENT = "present", "missed", "false_alarm", "absent"
STATES = (PRESENT, MISSED, FALSE_ALARM, ABSENT)
SAMPLES = {
    "samples": STATES,
    "defined": (PRESENT, MISSED, FALSE_ALARM),
    "actual": (PRESENT, MISSED),
    "not_actual": (FALSE_ALARM, ABSENT),
    "predicted": (PRESENT, FALSE_ALARM),
}
"""Kinds of samples, by the states of a class that they have."""
_BEHIND = {
    "missed_rate": "actual",
    "false_alarm_rate": "not_actual",
    "recall_pooled": "actual",
    "precision_pooled": "predicted",
    "dice_mean_absent_as_1": "samples",
    "dice_mean_absent_as_0": "samples",
}


def behind(metric: str) -> str:
    """Which kind of SAMPLES a metric is of: samples without a part in a ratio say nothing of it."""
    return _BEHIND.get(metric, "defined")


def _divide(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    undefined = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=undefined, where=bottom != 0))


def dice(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> NDArray[np.float64]:
    """2 TP / (2 TP + FP + FN); undefined where a class is neither true nor predicted."""
    tp, fp, fn = map(np.asarray, (tp, fp, fn))
    return _divide(2 * tp, 2 * tp + fp + fn)


def iou(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> NDArray[np.float64]:
    """TP / (TP + FP + FN); undefined where a class is neither true nor predicted."""
    tp, fp, fn = map(np.asarray, (tp, fp, fn))
    return _divide(tp, tp + fp + fn)


def precision(tp: ArrayLike, fp: ArrayLike) -> NDArray[np.float64]:
    """TP / (TP + FP); undefined where nothing is predicted."""
    tp, fp = map(np.asarray, (tp, fp))
    return _divide(tp, tp + fp)


def recall(tp: ArrayLike, fn: ArrayLike) -> NDArray[np.float64]:
    """TP / (TP + FN); undefined where nothing is true."""
    tp, fn = map(np.asarray, (tp, fn))
    return _divide(tp, tp + fn)


def soft_dice(
    intersection: ArrayLike, actual: ArrayLike, predicted: ArrayLike, smoothing: float = SMOOTHING
) -> NDArray[np.float64]:
    """(2 sum(y p) + s) / (sum(y) + sum(p) + s). Never undefined: two empty masks give 1."""
    intersection, actual, predicted = (np.asarray(a, np.float64) for a in (intersection, actual, predicted))
    return _divide(2 * intersection + smoothing, actual + predicted + smoothing)


def mean(total: ArrayLike, count: ArrayLike) -> NDArray[np.float64]:
    """Total / count; undefined of nothing."""
    return _divide(total, count)


def state_codes(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> NDArray[np.int64]:
    """Index into STATES: present (true and predicted), missed (true only), false_alarm, absent (neither)."""
    tp, fp, fn = map(np.asarray, (tp, fp, fn))
    is_true, is_predicted = tp + fn > 0, tp + fp > 0
    return np.where(is_true, np.where(is_predicted, 0, 1), np.where(is_predicted, 2, 3))
