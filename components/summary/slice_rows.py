"""Rows of `classes`, `slices`, `histograms` and `replicates` from a slice's totals: ratios are taken here, last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas import tables
from ...schemas.slices import FOREGROUND, SliceTables
from ..statistics import histograms, intervals, ratios
from .slice_state import Totals

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


def foreground_statistics(sums: NDArray[np.float64], foreground: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """Metrics of the foreground classes together, of sums `[..., C, statistics]`.

    Means are over the classes whose mean is defined, pooled values and rates are of their summed counts.
    """
    chosen = sums[..., list(foreground), :]
    each, together = class_statistics(chosen), class_statistics(chosen.sum(axis=-2))
    means = {
        name: ratios.mean(np.nansum(values, axis=-1), np.count_nonzero(~np.isnan(values), axis=-1))
        for name, values in each.items()
        if "_mean" in name
    }
    return {**together, **means}


def slice_tables(name: str, totals: Totals, settings: ClassSettings, *, keep_replicates: bool) -> SliceTables:
    """Every row of a slice."""
    n = totals.n_defined
    present, missed = totals.states[:, 0], totals.states[:, 1]
    samples = totals.states.sum(axis=1)
    pixels = totals.pixels[:, :3]
    sums = np.column_stack(
        [n, totals.means * n, totals.iou, totals.soft_dice, pixels, present + missed, missed, samples]
    )
    places = list(settings.foreground)
    most = len(totals.clusters) or totals.n_samples
    units = {
        kind: np.minimum(totals.states[:, [ratios.STATES.index(state) for state in states]].sum(axis=1), most)
        for kind, states in ratios.SAMPLES.items()
    }
    return SliceTables(
        name,
        _class_rows(name, totals, settings, _with_intervals(class_statistics, sums, totals.replicates, units)),
        _slice_row(
            name,
            totals,
            _with_intervals(
                lambda part: foreground_statistics(part, places),
                sums,
                totals.replicates,
                {kind: count[places].max(initial=0) for kind, count in units.items()},
            ),
        ),
        _histogram_rows(name, totals, settings),
        _replicate_rows(name, totals.replicates, settings) if keep_replicates else None,
    )


def _with_intervals(
    statistics: Any,  # noqa: ANN401
    sums: NDArray[np.float64],
    replicates: NDArray[np.float64],
    units: Mapping[str, Any],
) -> dict[str, NDArray[np.float64]]:
    """Each statistic of the tables, and its interval under its name with `_low` and `_high`.

    units: samples (or clusters, where they are fewer) of each kind, as `ratios.behind` names them.
    """
    values = {name: value for name, value in statistics(sums).items() if f"{name}_low" in tables.CLASSES.names}
    drawn = statistics(replicates)
    together = np.stack([drawn[name] for name in values], axis=-1)  # one call costs less than seven
    behind = np.stack([units[ratios.behind(name)] for name in values], axis=-1)
    low, high = intervals.interval(together, behind)
    found = dict(values)
    for i, name in enumerate(values):
        found |= {f"{name}_low": low[..., i], f"{name}_high": high[..., i]}
    return found


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
        "dice_std": np.where(n > 1, np.sqrt(ratios.mean(totals.squares, n - 1)), np.nan),
        "dice_min": np.where(empty, np.nan, totals.lowest),
        **dict(zip(QUANTILES, quantiles, strict=True)),
        "dice_max": np.where(empty, np.nan, totals.highest),
        **statistics,
    }
    return _table(columns, tables.CLASSES)


def _slice_row(name: str, totals: Totals, statistics: Mapping[str, NDArray[np.float64]]) -> pa.Table:
    columns = {key: np.reshape(value, 1) for key, value in statistics.items() if key in tables.SLICES.names}
    clusters = [len(totals.clusters) or None]
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


def _replicate_rows(name: str, replicates: NDArray[np.float64], settings: ClassSettings) -> pa.Table:
    """The classes in order, replicates in order within each, then those of the foreground."""
    each = class_statistics(np.moveaxis(replicates, 0, 1))
    together = foreground_statistics(replicates, settings.foreground)
    count = len(replicates)
    columns = {
        "slice": pa.array([name]).take(pa.array(np.zeros(count * (len(settings.ids) + 1), np.int64))),
        "class_id": [i for class_id in (*settings.ids, None) for i in [class_id] * count],
        "class_name": [text for class_name in (*settings.names, FOREGROUND) for text in [class_name] * count],
        "replicate": np.tile(np.arange(count), len(settings.ids) + 1),
        **{key: np.concatenate([values.ravel(), together[key]]) for key, values in each.items()},
    }
    return _table(columns, tables.REPLICATES)


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """Columns in the schema's order and types; NaN is NULL."""
    return pa.table(
        [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema],
        schema=schema,
    )
