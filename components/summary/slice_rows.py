"""Rows of `classes`, `slices`, `histograms` and `replicates` from a slice's totals: ratios are taken here, last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas import tables
from ...schemas.slices import FOREGROUND, SliceTables
from ..statistics import histograms, ratios
from . import slice_intervals
from .slice_state import STATISTICS, Totals

QUANTILES = {"dice_p05": 0.05, "dice_p25": 0.25, "dice_p50": 0.5, "dice_p75": 0.75, "dice_p95": 0.95}

_PIXELS = ("true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels")
_SOFT = ("soft_intersection", "soft_predicted", "soft_predicted_sq")


@dataclass(frozen=True, slots=True)
class ClassSettings:
    """Scored classes.

    ids: of the C scored classes. names: theirs. foreground: places in `ids` of those in the mean of a slice.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    foreground: tuple[int, ...]


def class_statistics(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The means, pooled values and rates of sums `[..., slice_state.STATISTICS]`, `[...]` each; NaN where undefined.

    missed_rate: of the samples that have the class, those in which nothing of it is predicted. false_alarm_rate: of the
    samples that do not have it, those in which it is. dice_mean_absent_as_1, _0: over all samples, Dice of an absent
    class being that.
    """
    defined, dice, iou, soft_dice, tp, fp, fn, actual, missed, samples = np.moveaxis(sums, -1, 0)
    return {
        "dice_mean": ratios.mean(dice, defined),
        "iou_mean": ratios.mean(iou, defined),
        "soft_dice_mean": ratios.mean(soft_dice, defined),
        "dice_pooled": ratios.dice(tp, fp, fn),
        "iou_pooled": ratios.iou(tp, fp, fn),
        "precision_pooled": ratios.precision(tp, fp),
        "recall_pooled": ratios.recall(tp, fn),
        "missed_rate": ratios.mean(missed, actual),
        "false_alarm_rate": ratios.mean(defined - actual, samples - actual),
        "dice_mean_absent_as_1": ratios.mean(dice + samples - defined, samples),
        "dice_mean_absent_as_0": ratios.mean(dice, samples),
    }


def foreground_statistics(
    sums: NDArray[np.float64], whole: NDArray[np.float64], foreground: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Metrics of the foreground classes together, `[...]` each.

    Means are over the classes that are true in some sample: one that never is has no Dice but that of its false
    alarms, which have their own rate. Where a replicate holds no sample of such a class, its mean over all samples
    stands in, so that all replicates are means over the same classes. Pooled values and rates are of the summed counts
    of all.

    Args:
        sums: of all samples, or of replicates, `[..., C, slice_state.STATISTICS]`.
        whole: of all samples, `[C, slice_state.STATISTICS]`.
        foreground: places of the classes.
    """
    chosen, estimates = sums[..., list(foreground), :], class_statistics(whole[list(foreground)])
    each, together = class_statistics(chosen), class_statistics(chosen.sum(axis=-2))
    there = in_mean(whole, foreground)
    means = {
        name: ratios.mean(np.where(np.isnan(values), estimates[name], values)[..., there].sum(axis=-1), there.sum())
        for name, values in each.items()
        if slice_intervals.is_mean(name)
    }
    return {**together, **means}


def in_mean(whole: NDArray[np.float64], foreground: Sequence[int]) -> NDArray[np.bool_]:
    """Which foreground classes are in their mean: those that are true in some sample."""
    return np.asarray(whole[list(foreground), STATISTICS.index("actual")] > 0)


def sums_of(totals: Totals) -> NDArray[np.float64]:
    """The sums of a slice as `slice_state.STATISTICS`, `[C, statistics]`."""
    n, pixels = totals.n_defined, totals.pixels[:, :3]
    present, missed = totals.states[:, 0], totals.states[:, 1]
    samples = totals.states.sum(axis=1)
    return np.column_stack(
        [n, totals.means * n, totals.iou, totals.soft_dice, pixels, present + missed, missed, samples]
    ).astype(np.float64)


def slice_tables(name: str, totals: Totals, settings: ClassSettings, *, keep_replicates: bool) -> SliceTables:
    """Every row of a slice."""
    sums, drawn, units = sums_of(totals), totals.replicates, totals.units()
    each = class_statistics(sums), class_statistics(drawn)
    together = (
        foreground_statistics(sums, sums, settings.foreground),
        foreground_statistics(drawn, sums, settings.foreground),
    )
    there = in_mean(sums, settings.foreground)
    of_slice = slice_intervals.of_foreground(together, each, units, settings.foreground, there)
    return SliceTables(
        name,
        _class_rows(name, totals, settings, {**each[0], **slice_intervals.of_classes(*each, units)}),
        _slice_row(name, totals, {**together[0], **of_slice}),
        _histogram_rows(name, totals, settings),
        _replicate_rows(name, each[1], together[1], settings) if keep_replicates else None,
    )


def _class_rows(
    name: str, totals: Totals, settings: ClassSettings, statistics: Mapping[str, NDArray[np.float64]]
) -> pa.Table:
    n, empty = totals.n_defined, totals.n_defined == 0
    quantiles = histograms.quantiles(totals.histogram, list(QUANTILES.values()))
    columns: dict[str, Any] = {
        "slice": [name] * len(settings.ids),
        "class_id": settings.ids,
        "class_name": settings.names,
        "n_samples": totals.states.sum(axis=1),
        **{f"n_{state}": totals.states[:, i] for i, state in enumerate(ratios.STATES)},
        **{column: totals.pixels[:, i] for i, column in enumerate(_PIXELS)},
        **{column: totals.soft[:, i] for i, column in enumerate(_SOFT)},
        **{f"n_clusters_{kind}": counts for kind, counts in _clusters(totals).items()},
        "dice_std": np.where(n > 1, np.sqrt(ratios.mean(totals.squares, n - 1)), np.nan),
        "dice_min": np.where(empty, np.nan, totals.lowest),
        **dict(zip(QUANTILES, quantiles, strict=True)),
        "dice_max": np.where(empty, np.nan, totals.highest),
        **{key: value for key, value in statistics.items() if key in tables.CLASSES.names},
    }
    return _table(columns, tables.CLASSES)


def _clusters(totals: Totals) -> dict[str, Any]:
    """Clusters of each kind of samples, None of each class where samples are resampled."""
    units = totals.units()
    return units if len(totals.clusters.hashes) else {kind: [None] * len(totals.states) for kind in units}


def _slice_row(name: str, totals: Totals, statistics: Mapping[str, NDArray[np.float64]]) -> pa.Table:
    columns = {key: np.reshape(value, 1) for key, value in statistics.items() if key in tables.SLICES.names}
    clusters = [int(totals.units()["samples"].max(initial=0)) if len(totals.clusters.hashes) else None]
    return _table({"slice": [name], "n_samples": [totals.n_samples], "n_clusters": clusters, **columns}, tables.SLICES)


def _histogram_rows(name: str, totals: Totals, settings: ClassSettings) -> pa.Table:
    """Bins that have samples."""
    counts = histograms.bins(totals.histogram)
    classes, bins = np.nonzero(counts)
    columns = {
        "slice": [name] * len(bins),
        "class_id": np.array(settings.ids)[classes],
        "class_name": [settings.names[i] for i in classes],
        "bin": bins,
        "low": bins / histograms.BINS,
        "high": (bins + 1) / histograms.BINS,
        "n_samples": counts[classes, bins],
    }
    return _table(columns, tables.HISTOGRAMS)


def _replicate_rows(
    name: str, each: slice_intervals.Values, together: slice_intervals.Values, settings: ClassSettings
) -> pa.Table:
    """The classes in order, replicates in order within each, then those of the foreground."""
    count = len(together["dice_mean"])
    columns = {
        "slice": pa.array([name]).take(pa.array(np.zeros(count * (len(settings.ids) + 1), np.int64))),
        "class_id": [i for class_id in (*settings.ids, None) for i in [class_id] * count],
        "class_name": [text for class_name in (*settings.names, FOREGROUND) for text in [class_name] * count],
        "replicate": np.tile(np.arange(count), len(settings.ids) + 1),
        **{key: np.concatenate([values.T.ravel(), together[key]]) for key, values in each.items()},
    }
    return _table(columns, tables.REPLICATES)


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """Columns in the schema's order and types; NaN is NULL."""
    return pa.table(
        [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema],
        schema=schema,
    )
