"""Integer histograms of Dice in steps of 1e-4: they add up exactly, so quantiles do not depend on the runner.

Dice lies in [0, 1]; its code is the nearest of 0..10000, so that a quantile errs by at most half a step, 5e-5.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STEPS = 10_000
BINS = 50
"""Bins of the table `histograms`: 200 steps each, the last one with 1 in it."""


def codes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest step of each value."""
    return np.rint(values * STEPS).astype(np.int64)


def histogram(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many values each step has, int64 `[..., C, STEPS + 1]`, of `[n, C]` values; NaN is left out."""
    rows, classes = np.nonzero(~np.isnan(values))
    flat = classes * (STEPS + 1) + codes(values[rows, classes])
    return np.bincount(flat, minlength=values.shape[1] * (STEPS + 1)).reshape(values.shape[1], STEPS + 1)


def quantiles(counts: NDArray[np.int64], levels: Sequence[float]) -> NDArray[np.float64]:
    """The smallest steps that at least a part `level` of the values are not above.

    Args:
        counts: `[C, STEPS + 1]`.
        levels: in (0, 1].

    Returns:
        float64 `[levels, C]`; NaN for a class without values.
    """
    cumulative = np.cumsum(counts, axis=1)
    totals = cumulative[:, -1]
    found = np.full((len(levels), len(counts)), np.nan)
    for row, level in zip(found, levels, strict=True):
        wanted = np.maximum(np.ceil(level * totals), 1)
        for i in np.flatnonzero(totals):
            row[i] = np.searchsorted(cumulative[i], wanted[i]) / STEPS
    return found


def bins(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts in `BINS` equal bins, `[C, BINS]`; a value on a limit is in the upper one, 1 is in the last."""
    edges = np.arange(BINS) * (STEPS // BINS)
    return np.add.reduceat(counts, edges, axis=1)
