"""Paired differences of two runs: their interval, their p-value, and what could have been found.

The runs share the bootstrap's weights of every sample, so the spread of their replicates' differences is that of a
paired comparison, whatever the statistic is. Ends are as `spread` has them, with the t distribution, and not the
percentiles of the replicates, which end at one in as many as there are: too coarse for Holm's correction over many
checks. The slope of the variance only ever widens here, and only by what is more than the replicates' own chance.

No replicate knows of samples that a model would lose whole and that the data set does not hold. n samples without such
a loss leave room for a rate r of them with the probability exp(-r n), which is 5 % at r = 3 / n (the rule of three).
So a difference is significant only where it is more than such samples could hide, and a margin is ruled out only where
it is more than they could cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from . import spread, tolerance
from .spread import CONFIDENCE

ALPHA = 1 - CONFIDENCE
"""How often one or more of a gate's checks are significant where nothing has changed, at the most."""
POWER = 0.8
"""With which a drop of the minimum detectable size is found."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference with its standard error.

    degrees: of freedom, n - 1 for n samples or clusters. slope: of the variance, as `spread.slope` has it. lost: by how
    much a sample that one of the models loses whole moves the difference, 0 where there can be none.
    The interval holds CONFIDENCE; p_value is two-sided, of no difference, and not corrected.
    """

    value: float
    standard_error: float
    degrees: float
    slope: float = 0.0
    lost: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Value - reach below, value + reach above."""
        t, variance = float(special.stdtrit(self.degrees, (1 + CONFIDENCE) / 2)), self.standard_error**2
        below, above = (float(spread.reach(t, variance, max(0.0, sign * self.slope))) for sign in (-1, 1))
        return self.value - below, self.value + above

    @property
    def p_value(self) -> float:
        """That of the end which reaches to 0, or what samples that were not seen could hide, whichever is larger.

        1 where both value and standard error are 0: the runs gave the same.
        """
        if self.value == 0:
            return 1.0
        inward = max(0.0, -np.sign(self.value) * self.slope)
        error = np.sqrt(self.standard_error**2 + inward * abs(self.value))
        seen = 2 * special.stdtr(self.degrees, -abs(self.value) / error) if error > 0 else 0.0
        unseen = np.exp(-abs(self.value) / self.lost) if self.lost > 0 else 0.0
        return float(max(seen, unseen))

    @property
    def unseen(self) -> float:
        """What losses of which the data set holds none cost at the most, with CONFIDENCE: lost * -ln(ALPHA)."""
        return float(self.lost * -np.log(ALPHA))


def difference(
    value: float,
    baseline: float,
    replicates: NDArray[np.float64],
    of_baseline: NDArray[np.float64],
    degrees: float,
    lost: float = 0.0,
) -> Difference | None:
    """Value - baseline, of two runs' statistics and their replicates `[R]` in the same order.

    None where it cannot be said: a value is NaN, degrees < 1, or fewer than two replicates are defined in both runs.

    Args:
        value: the statistic of the run.
        baseline: that of the baseline.
        replicates: the statistic in each replicate, NaN where it is undefined.
        of_baseline: the same of the baseline.
        degrees: of freedom, n - 1 for n samples or clusters behind it.
        lost: by how much a sample that one of the models loses whole moves it.
    """
    apart = replicates - of_baseline
    variance, third = spread.moments(apart, degrees)
    if np.isnan(value) or np.isnan(baseline) or np.isnan(variance):
        return None
    # sums in another order, of other shards or workers, differ in their last bits: that is no change
    moved = 0.0 if tolerance.same(value, baseline) else value - baseline
    error = float(np.sqrt(variance))
    if error <= tolerance.RELATIVE * max(abs(value), abs(baseline)):
        return Difference(moved, 0.0, degrees, 0.0, lost)
    slope = spread.certain_slope(float(variance), float(third), int(np.count_nonzero(~np.isnan(apart))))
    return Difference(moved, error, degrees, slope, lost)


def of_rates(found: Difference, n: int) -> Difference:
    """A difference of rates with the least standard error that it can honestly have at n samples, 1 / (n + 2).

    Where no sample changes its state, no replicate does; yet some could at n samples. Half a sample more in each cell
    of the paired table gives that error (Agresti and Min 2005, "Simple improved confidence intervals for comparing
    matched proportions", Statistics in Medicine 24:5).
    """
    return replace(found, standard_error=float(np.hypot(found.standard_error, 1 / (n + 2))))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected so that one below alpha is there by chance in at most alpha of all families.

    The i-th smallest of m becomes the largest so far of p (m - i + 1), at most 1 (Holm 1979, "A simple sequentially
    rejective multiple test procedure", Scandinavian Journal of Statistics 6:2).
    """
    order = np.argsort(p_values, kind="stable")
    sizes = len(p_values) - np.arange(len(p_values))
    corrected = np.minimum(np.maximum.accumulate(np.asarray(p_values, float)[order] * sizes), 1)
    result = np.empty(len(p_values))
    result[order] = corrected
    return [float(p) for p in result]


def minimum_detectable(found: Difference, margin: float, family: int, room: float) -> float | None:
    """How far a metric must truly have changed for it to be found REGRESSED with the probability POWER.

    It is found where the difference is beyond the margin and beyond what is significant as the first of a family of so
    many, unseen losses included; from there on so many standard errors that POWER of the differences lie beyond. None
    where that is more than `room`, the most that the metric can change for the worse: then no change, however large,
    would be found.
    """
    significant, likely = special.stdtrit(found.degrees, [1 - ALPHA / 2 / family, POWER])
    hidden = found.lost * np.log(family / ALPHA)
    least = float(max(margin, significant * found.standard_error, hidden) + likely * found.standard_error)
    return least if least <= room else None
