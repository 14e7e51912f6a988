"""Poisson bootstrap whose weights are a hash of (seed, replicate, id).

In each replicate a sample counts k times, k drawn from a Poisson distribution of mean 1 (Hanley and MacGibbon 2006,
"Creating non-parametric bootstrap samples using Poisson frequencies"). Nothing has to be known of the other samples,
so sums of replicates add up over shards and workers; and the same id has the same weights in every run, so that the
replicates of two runs over the same samples are paired as they are.
"""

import math

import numpy as np
from numpy.typing import NDArray

from .hashing import GOLDEN, mixed

ROWS_AT_ONCE = 2048
"""Samples whose weights are in memory at once: 16 MB of doubles with 1,000 replicates."""

_DRAW_BITS = 16  # of a 64-bit hash for each draw: four draws a hash


def _thresholds() -> list[np.uint16]:
    """Numbers of `_DRAW_BITS` below which a draw is at most 0, 1, 2, ...: the distribution function."""
    below, steps = 0.0, []
    for k in range(20):
        below += math.exp(-1) / math.factorial(k)
        steps.append(round(below * 2**_DRAW_BITS))
    return [np.uint16(step) for step in steps if step < 2**_DRAW_BITS]


_THRESHOLDS = _thresholds()


def weights(hashes: NDArray[np.uint64], replicates: int, seed: int) -> NDArray[np.uint8]:
    """How often each sample counts in each replicate, uint8 `[n, replicates]`.

    Args:
        hashes: of what is resampled: sample ids, or the clusters they belong to.
        replicates: their number.
        seed: another seed draws other weights.
    """
    hashes_each = -(-replicates * _DRAW_BITS // 64)
    starts = mixed(hashes ^ mixed(np.array([seed & (2**64 - 1)], np.uint64)))
    streams = starts[:, None] + np.arange(1, hashes_each + 1, dtype=np.uint64) * GOLDEN
    draws = mixed(streams).astype("<u8", copy=False).view("<u2")[:, :replicates]
    counts = (draws >= _THRESHOLDS[0]).view(np.uint8)
    for threshold in _THRESHOLDS[1:]:
        np.add(counts, (draws >= threshold).view(np.uint8), out=counts)
    return counts


def replicate_sums(
    hashes: NDArray[np.uint64], values: NDArray[np.float64], replicates: int, seed: int
) -> NDArray[np.float64]:
    """Sums of each column in each replicate, float64 `[replicates, k]`.

    Integers below 2^53 add up exactly, whatever the order.

    Args:
        hashes: `[n]`.
        values: `[n, k]`.
        replicates: their number.
        seed: as in `weights`.
    """
    total = np.zeros((replicates, values.shape[1]))
    for start in range(0, len(hashes), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        total += weights(hashes[part], replicates, seed).astype(np.float64).T @ values[part]
    return total
