"""The 95 % intervals of a slice's classes and of its foreground: degrees of freedom, and what a lost sample costs.

A value has the degrees of the samples (or clusters) that carry it, as `ratios.behind` names them, and no others: those
of a class that two samples have are 1, however many samples the slice has.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...schemas import tables
from ..statistics import intervals, ratios, spread

Values = Mapping[str, NDArray[np.float64]]
"""Statistics by name, as `slice_rows.class_statistics` has them."""


def is_mean(metric: str) -> bool:
    """Whether a metric of the foreground is the mean of those of its classes, and not of their summed counts."""
    return "_mean" in metric


def of_classes(
    values: Values, replicates: Values, units: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.float64]]:
    """Limits of every statistic that has them in `classes`, `[C]` each, under its name with `_low` and `_high`.

    Args:
        values: `[C]` each.
        replicates: `[R, C]` each.
        units: samples or clusters of each kind, `[C]`.
    """
    names = [name for name in values if f"{name}_low" in tables.CLASSES.names]
    behind = np.stack([units[ratios.behind(name)] for name in names], axis=-1)
    found = np.stack([values[name] for name in names], axis=-1)
    drawn = np.stack([replicates[name] for name in names], axis=-1)  # one call costs less than seven
    lost = found / np.maximum(behind, 1)
    trust = [1.0 if is_mean(name) else intervals.POOLED_TRUST for name in names]
    low, high = intervals.interval(found, drawn, behind - 1, lost[..., None], trust)
    return {
        f"{name}_{end}": limit[..., i] for i, name in enumerate(names) for end, limit in (("low", low), ("high", high))
    }


def of_foreground(
    together: tuple[Values, Values],
    each: tuple[Values, Values],
    units: Mapping[str, NDArray[np.int64]],
    foreground: Sequence[int],
    there: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """Limits of every statistic that has them in `slices`, under its name with `_low` and `_high`.

    Args:
        together: the values of the foreground and its replicates `[R]`.
        each: those of the classes, `[C]` and `[R, C]`.
        units: samples or clusters of each kind, `[C]`.
        foreground: places of its classes.
        there: which of them are in the mean.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name in together[0]:
        if f"{name}_low" not in tables.SLICES.names:
            continue
        behind = units[ratios.behind(name)][list(foreground)]
        if is_mean(name):
            places, behind = np.asarray(foreground)[there], behind[there]
            lost = each[0][name][places] / np.maximum(behind, 1) / max(len(places), 1)
            degrees, trust = _degrees(each[1][name][:, places], behind - 1), 1.0
        else:
            most = behind.max(initial=0)
            lost, degrees, trust = np.array([together[0][name] / max(most, 1)]), most - 1, intervals.POOLED_TRUST
        low, high = intervals.interval(together[0][name], together[1][name], degrees, lost, trust)
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _degrees(replicates: NDArray[np.float64], degrees: NDArray[np.int64]) -> float:
    """The degrees of freedom of a mean over classes; 0 where one of them has none, or there are none."""
    if degrees.min(initial=0 if not len(degrees) else 1) < 1 or len(replicates) < 2:  # noqa: PLR2004
        return 0.0
    variances, _ = spread.moments(replicates, degrees)
    return spread.degrees_of_mean(np.nan_to_num(variances), degrees.astype(np.float64))
