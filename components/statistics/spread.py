"""How far the true value of a statistic may be from the measured one, by the moments of its bootstrap replicates.

Dice has a tail: most samples are near the top, and some are lost whole. A symmetric interval is then too short on the
side of the losses and too long on the other. So the variance is taken for one that depends on where the true value is:
V + s (true - measured), with the slope s = third central moment / V of the replicates, as it has along the
distributions that are made of the same samples with other weights (Efron 1987, "Better Bootstrap Confidence Intervals",
Journal of the American Statistical Association 82:397). Solving (true - measured)^2 = t^2 V(true) gives the two ends.
For a proportion these are Wilson's (1927, "Probable Inference", Journal of the American Statistical Association
22:158), up to terms of 1 / n^2.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
_LEAST = 2
"""Replicates, samples or clusters below which there is no spread."""


def moments(replicates: NDArray[np.float64], degrees: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Variance and third central moment of statistics.

    The variance is that of n - 1: the Poisson bootstrap draws another number of samples each time, which is worth
    E[1 / draws], about (1 + 1 / n) / n, and not 1 / n.

    Args:
        replicates: `[R, ...]`; NaN where a statistic is undefined in a replicate, which is left out.
        degrees: of freedom, n - 1, broadcast against `[...]`.

    Returns:
        `[...]` each; NaN where fewer than two replicates are defined, or degrees are below 1.
    """
    degrees = np.asarray(degrees, np.float64)
    defined = np.count_nonzero(~np.isnan(replicates), axis=0)
    known = (defined >= _LEAST) & (degrees >= 1)
    count = np.where(known, defined, _LEAST)
    apart = np.nan_to_num(replicates - np.nansum(replicates, axis=0) / np.maximum(defined, 1))
    variance = (apart**2).sum(axis=0) / (count - 1)
    third = (apart**3).sum(axis=0) / count
    return np.where(known, variance, np.nan), np.where(known, third, np.nan)


def slope(variance: ArrayLike, third: ArrayLike) -> NDArray[np.float64]:
    """How the variance changes with the true value: third / variance; 0 where nothing varies."""
    variance, third = np.asarray(variance, np.float64), np.asarray(third, np.float64)
    flat = np.zeros(np.broadcast(variance, third).shape)
    return np.asarray(np.divide(third, variance, out=flat, where=variance > 0))


def certain_slope(variance: float, third: float, replicates: int) -> float:
    """The slope without what so many replicates of a symmetric statistic give by chance: it is nearer to 0 by that.

    The skewness of R draws from a normal distribution has a standard error of sqrt(6 / R), and is within two of them.
    """
    found, chance = float(slope(variance, third)), 2 * np.sqrt(6 * variance / replicates)
    return float(np.sign(found) * max(0.0, abs(found) - chance))


def reach(t: ArrayLike, variance: ArrayLike, outward: ArrayLike) -> NDArray[np.float64]:
    """How far an end of an interval is from the measured value.

    The positive solution of reach^2 = t^2 (variance + outward reach): t^2 outward / 2 + t sqrt(variance + t^2
    outward^2 / 4).

    Args:
        t: the quantile of the t distribution.
        variance: of the statistic.
        outward: the slope of the variance towards this end, negative where it falls that way.
    """
    t, variance, outward = (np.asarray(each, np.float64) for each in (t, variance, outward))
    shift = t**2 * outward / 2
    root = np.sqrt(t**2 * variance + shift**2)
    inward = np.divide(t**2 * variance, root - shift, out=np.zeros(np.shape(root)), where=root - shift > 0)
    return np.where(shift < 0, inward, shift + root)  # the same number, without cancellation


def degrees_of_mean(variances: NDArray[np.float64], degrees: NDArray[np.float64]) -> float:
    """Degrees of freedom of the mean of several statistics, by Satterthwaite's formula.

    (sum v)^2 / sum(v^2 / d), at most the largest of d: statistics of the same samples do not vary independently
    (Satterthwaite 1946, "An Approximate Distribution of Estimates of Variance Components", Biometrics 2:6). Where
    nothing varies, the least of d.

    Args:
        variances: of each statistic, `[k]`.
        degrees: of freedom of each, `[k]`, 1 or more.
    """
    total = float((variances**2 / degrees).sum())
    if not total > 0:
        return float(degrees.min(initial=np.inf))
    return float(min(variances.sum() ** 2 / total, degrees.max()))
