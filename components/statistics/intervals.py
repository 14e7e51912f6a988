"""Intervals of means and pooled values that lie in 0 to 1, from bootstrap replicates.

Ends are as `spread` has them. Below, one more sample counts that is lost whole: where no sample of a data set was
missed, some could have been, and no replicate knows of them. It adds (value / n)^2 to the variance and -(value / n)^3
to the third moment, which shows at few samples, and where the others hardly vary.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from . import spread
from .spread import CONFIDENCE

POOLED_TRUST = 0.75
"""How much of the slope shortens the upper end of a pooled value. Samples weigh there by their size, so a few large
ones make the slope, and a set that has more of them than its share says too little of the others."""


def interval(
    values: ArrayLike, replicates: NDArray[np.float64], degrees: ArrayLike, lost: ArrayLike, trust: ArrayLike = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % intervals of some statistics; each holds its value, and lies in 0 to 1.

    Args:
        values: `[...]`, in 0 to 1; NaN where undefined.
        replicates: `[R, ...]`; NaN where a statistic is undefined in a replicate, which is left out.
        degrees: of freedom, n - 1 for n samples (or clusters) behind the statistic, broadcast against `[...]`.
        lost: by how much a value falls where one of its samples is lost whole, `[..., k]` for means over k classes.
        trust: how much of the slope shortens the upper end, broadcast against `[...]`.

    Returns:
        Lower and upper limits `[...]`; NaN where a value is undefined, degrees are below 1, or fewer than two
        replicates are defined.
    """
    values, lost = np.asarray(values, np.float64), np.nan_to_num(np.asarray(lost, np.float64))
    variance, third = spread.moments(replicates, degrees)
    more, more_third = variance + (lost**2).sum(axis=-1), third - (lost**3).sum(axis=-1)
    t = special.stdtrit(np.maximum(degrees, 1), (1 + CONFIDENCE) / 2)
    below = spread.reach(t, more, -spread.slope(more, more_third))
    falling = spread.slope(variance, third)
    above = spread.reach(t, variance, np.where(falling < 0, np.asarray(trust) * falling, falling))
    return np.maximum(values - below, 0), np.minimum(values + above, 1)
