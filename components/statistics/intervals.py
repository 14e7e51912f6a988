"""Intervals from bootstrap replicates: the percentile interval, widened for few samples.

The percentile interval of n samples is too narrow, because it divides by n and not by n - 1, and because it uses the
normal and not the t distribution. The expanded one takes the percentiles at Phi(-t sqrt(n / (n - 1))) and 1 minus it,
t being the quantile of n - 1 degrees of freedom (Hesterberg 2015, "What Teachers Should Know About the Bootstrap",
The American Statistician 69:4, section 3.3).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95


def tail(n: ArrayLike) -> NDArray[np.float64]:
    """The part of the replicates below the interval, and that above it; NaN for fewer than two samples."""
    n = np.asarray(n, np.float64)
    enough = n >= 2  # noqa: PLR2004
    n = np.where(enough, n, 2)
    t = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    return np.where(enough, stats.norm.cdf(-t * np.sqrt(n / (n - 1))), np.nan)


def interval(replicates: NDArray[np.float64], n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % intervals of some statistics.

    Args:
        replicates: `[R, ...]`; NaN where a statistic is undefined in a replicate, which is left out.
        n: samples (or clusters) behind each statistic, broadcast against `[...]`.

    Returns:
        Lower and upper limits `[...]`, linear between neighbouring replicates; NaN where n < 2 or every
        replicate is undefined.
    """
    if not len(replicates):
        return np.full(replicates.shape[1:], np.nan), np.full(replicates.shape[1:], np.nan)
    ordered = np.sort(replicates, axis=0)  # NaN comes last
    defined = np.count_nonzero(~np.isnan(ordered), axis=0)
    below = np.broadcast_to(tail(n), defined.shape)
    known = (defined > 0) & ~np.isnan(below)
    limits = []
    for level in (below, 1 - below):
        place = np.where(known, level, 0) * (np.maximum(defined, 1) - 1)
        floor = np.floor(place).astype(np.intp)
        ceiling = np.minimum(floor + 1, np.maximum(defined, 1) - 1)
        low, high = (np.take_along_axis(ordered, index[None], 0)[0] for index in (floor, ceiling))
        limits.append(np.where(known, low + (high - low) * (place - floor), np.nan))
    return limits[0], limits[1]
