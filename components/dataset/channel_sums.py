"""Sums of one channel of many images, which merge, and what follows from them: mean, deviation, quantiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import value_counts
from .value_counts import ValueCounts

QUANTILES = {"p01": 1, "p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99}
"""Columns, and the percentage of the pixels that are not above the value."""


class Moments(NamedTuple):
    """n numbers: their mean, the sum of squared distances from it, and the smallest and largest; float64."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf


@dataclass(frozen=True, slots=True)
class ChannelSums:
    """What is kept of a channel.

    images: that have it.
    exact: every value of images of integers of up to 16 bits.
    buckets: of the values of all others, see value_counts. moments: of these values.
    """

    images: int
    exact: ValueCounts
    buckets: ValueCounts
    moments: Moments


class ChannelStatistics(NamedTuple):
    """Statistics of all pixels of a channel: population standard deviation, and quantiles in the order of QUANTILES."""

    images: int
    pixels: int
    mean: float
    std: float
    low: float
    high: float
    quantiles: tuple[float, ...]


def of_image(image: NDArray[Any]) -> list[ChannelSums]:
    """The sums of each channel of an image `[*S, channels]` of finite numbers and at least one pixel."""
    flat = image.reshape(-1, image.shape[-1])
    channels = (np.ascontiguousarray(flat[:, i]) for i in range(flat.shape[1]))
    if value_counts.is_exact(image.dtype):
        return [ChannelSums(1, value_counts.of_integers(c), value_counts.nothing(), Moments()) for c in channels]
    return [_of_numbers(channel) for channel in channels]


def _of_numbers(channel: NDArray[Any]) -> ChannelSums:
    numbers = channel.astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    with np.errstate(over="ignore"):  # squares beyond the largest double are infinite, and so is the deviation
        mean = float(numbers.mean())
        mean = mean if math.isfinite(mean) else float((numbers / numbers.size).sum())
        apart = numbers - mean
        moments = _moments(numbers.size, mean, float(apart @ apart), low, high)
    keys = value_counts.of_integers(value_counts.float_keys(numbers))
    return ChannelSums(1, value_counts.nothing(), keys, moments)


def merged(parts: Sequence[ChannelSums]) -> ChannelSums:
    """The sums of the pixels of all parts."""
    return ChannelSums(
        sum(part.images for part in parts),
        value_counts.merged([part.exact for part in parts]),
        value_counts.merged([part.buckets for part in parts]),
        _joined([part.moments for part in parts]),
    )


def _joined(parts: Sequence[Moments]) -> Moments:
    """Chan, Golub and LeVeque's update for several parts: no difference of large sums is taken."""
    parts = [part for part in parts if part.n]
    if len(parts) < 2:  # noqa: PLR2004
        return parts[0] if parts else Moments()
    n, low, high = sum(part.n for part in parts), min(part.low for part in parts), max(part.high for part in parts)
    mean = _sum([part.mean * (part.n / n) for part in parts])
    gaps = [part.mean - mean for part in parts]
    between = [part.n * (gap * gap) for part, gap in zip(parts, gaps, strict=True)]
    return _moments(n, mean, _sum([*(part.squares for part in parts), *between]), low, high)


def _moments(n: int, mean: float, squares: float, low: float, high: float) -> Moments:
    """Moments without what rounding leaves: a constant is its own mean and has no deviation, and no mean is outside."""
    return Moments(n, min(max(mean, low), high), 0.0 if low == high else squares, low, high)


def _sum(numbers: Sequence[float]) -> float:
    """Their exact sum, rounded once; infinite where it is beyond the largest double."""
    try:
        return math.fsum(numbers)
    except OverflowError:
        return sum(numbers)


def statistics(sums: ChannelSums) -> ChannelStatistics | None:
    """What the sums say; None of no pixels.

    Mean and deviation of integers are those of exact arithmetic, rounded once. Quantiles are values that occur, or,
    where any image is not of integers of up to 16 bits, middles of buckets.
    """
    parts = [sums.moments] if sums.moments.n else []
    if len(sums.exact.values):
        parts.append(_exact_moments(sums.exact))
    if not parts:
        return None
    whole = _joined(parts)
    quantiles = _quantiles(sums)
    within = tuple(min(max(value, whole.low), whole.high) for value in quantiles)
    return ChannelStatistics(
        sums.images, whole.n, whole.mean, math.sqrt(whole.squares / whole.n), whole.low, whole.high, within
    )


def _exact_moments(counts: ValueCounts) -> Moments:
    values, times = counts.values.tolist(), counts.counts.tolist()  # Python's integers do not overflow
    n, total = counts.total, sum(v * c for v, c in zip(values, times, strict=True))
    squares = sum(v * v * c for v, c in zip(values, times, strict=True))
    apart = Fraction(n * squares - total * total, n)
    return _moments(n, float(Fraction(total, n)), float(apart), float(values[0]), float(values[-1]))


def _quantiles(sums: ChannelSums) -> list[float]:
    if not sums.moments.n:
        return [float(value_counts.quantile(sums.exact, percent)) for percent in QUANTILES.values()]
    keys = value_counts.float_keys(sums.exact.values.astype(np.float64))
    as_buckets = [  # several integers may be in one bucket
        ValueCounts(np.array([key], np.int64), np.array([count], np.int64))
        for key, count in zip(keys.tolist(), sums.exact.counts.tolist(), strict=True)
    ]
    buckets = value_counts.merged([sums.buckets, *as_buckets])
    return [value_counts.float_of(value_counts.quantile(buckets, percent)) for percent in QUANTILES.values()]
