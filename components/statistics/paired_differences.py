"""Paired differences of two runs: their interval, their p-value, and what could have been found.

The runs share the bootstrap's weights of every sample, so the spread of their replicates' differences is that of a
paired comparison, whatever the statistic is. Its standard error goes with the t distribution of n - 1 degrees of
freedom, n being the samples (or clusters) behind the difference, and not with percentiles, which end at one in as many
replicates as there are: too coarse for Holm's correction over many checks. The bootstrap divides by n, so its standard
error is widened by sqrt(n / (n - 1)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from . import tolerance
from .intervals import CONFIDENCE

ALPHA = 1 - CONFIDENCE
"""How often one or more of a gate's checks are significant where nothing has changed, at the most."""
POWER = 0.8
"""With which a drop of the minimum detectable size is found."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference with its standard error; n is of samples or clusters.

    The interval holds CONFIDENCE; p_value is two-sided, of no difference, and not corrected.
    """

    value: float
    standard_error: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Value -+ t(n - 1) standard_error."""
        wide = float(stats.t.ppf((1 + CONFIDENCE) / 2, self.n - 1)) * self.standard_error
        return self.value - wide, self.value + wide

    @property
    def p_value(self) -> float:
        """1 where both are 0: the runs gave the same. 0 where all replicates differ by the same."""
        if self.standard_error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.value) / self.standard_error, self.n - 1))


def difference(
    value: float, baseline: float, replicates: NDArray[np.float64], of_baseline: NDArray[np.float64], n: int
) -> Difference | None:
    """Value - baseline, of two runs' statistics and their replicates `[R]` in the same order.

    None where it cannot be said: a value is NaN, n < 2, or fewer than two replicates are defined in both runs.

    Args:
        value: the statistic of the run.
        baseline: that of the baseline.
        replicates: the statistic in each replicate, NaN where it is undefined.
        of_baseline: the same of the baseline.
        n: samples or clusters behind it.
    """
    apart = replicates - of_baseline
    apart = apart[~np.isnan(apart)]
    if np.isnan(value) or np.isnan(baseline) or n < 2 or len(apart) < 2:  # noqa: PLR2004
        return None
    spread = float(np.std(apart, ddof=1)) * np.sqrt(n / (n - 1))
    # sums in another order, of other shards or workers, differ in their last bits: that is no change
    moved = 0.0 if tolerance.same(value, baseline) else value - baseline
    return Difference(moved, 0.0 if spread <= tolerance.RELATIVE * max(abs(value), abs(baseline)) else float(spread), n)


def of_rates(found: Difference) -> Difference:
    """A difference with the least standard error that a difference of rates can honestly have, 1 / (n + 2).

    Where no sample changes its state, no replicate does; yet some could at n samples. Half a sample more in each cell
    of the paired table gives that error (Agresti and Min 2005, "Simple improved confidence intervals for comparing
    matched proportions", Statistics in Medicine 24:5).
    """
    return Difference(found.value, float(np.hypot(found.standard_error, 1 / (found.n + 2))), found.n)


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
    many; from there on so many standard errors that POWER of the differences lie beyond. None where that is more than
    `room`, the most that the metric can change for the worse: then no change, however large, would be found.
    """
    significant, likely = stats.t.ppf([1 - ALPHA / 2 / family, POWER], found.n - 1)
    least = float(max(margin, significant * found.standard_error) + likely * found.standard_error)
    return least if least <= room else None
