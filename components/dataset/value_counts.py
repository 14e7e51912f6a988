"""How often each value occurs, of integers and of floats rounded to buckets: exact sums that merge in any order.

Floats are counted in buckets of 2^12 neighbouring float32 numbers: the sign, the exponent and the first 11 bits of the
fraction. A bucket is at most 2^-11 of its values wide, so its middle errs by at most 2^-12 (0.025 %) of the value,
whatever the range of the data, and the counts do not depend on the order in which they were added.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLOAT_SHIFT = 12
"""Bits of a float32 that a bucket does not tell apart."""
_LARGEST = np.finfo(np.float32).max
_EXACT = tuple(np.dtype(name) for name in ("bool", "int8", "uint8", "int16", "uint16"))
_MAGNITUDE = np.int32(0x7FFFFFFF)


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The values that occur, ascending, and how often each does: int64 `[n]` both."""

    values: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """How many there are in all."""
        return int(self.counts.sum())


def nothing() -> ValueCounts:
    """Counts of no values."""
    return ValueCounts(np.zeros(0, np.int64), np.zeros(0, np.int64))


def is_exact(dtype: np.dtype[Any]) -> bool:
    """Whether the values of an image are counted one by one: integers of up to 16 bits."""
    return dtype in _EXACT


def of_bytes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each byte occurs, int64 `[256]`. Pillow counts bytes in half the time of `np.bincount`."""
    flat = np.ascontiguousarray(values).ravel()
    if flat.size == 0:
        return np.zeros(256, np.int64)
    return np.array(Image.frombuffer("L", (flat.size, 1), flat, "raw", "L", 0, 1).histogram(), np.int64)


def of_integers(values: NDArray[Any]) -> ValueCounts:
    """Counts of integers that are not far apart, of any shape."""
    flat = values.ravel()
    if flat.size == 0:
        return nothing()
    if flat.dtype == np.uint8:
        first, counts = 0, of_bytes(flat)
    else:
        wide = flat.astype(np.int64)
        first = int(wide.min())
        counts = np.bincount(wide - first)
    there = np.flatnonzero(counts)
    return ValueCounts(there + first, counts[there].astype(np.int64))


def float_keys(values: NDArray[Any]) -> NDArray[np.int32]:
    """The bucket of each finite number; a larger number is never in a lower bucket."""
    rounded = np.clip(values, -_LARGEST, _LARGEST).astype(np.float32) + np.float32(0)  # -0 is 0
    bits = rounded.view(np.int32)
    ordered: NDArray[np.int32] = (bits ^ ((bits >> 31) & _MAGNITUDE)) >> FLOAT_SHIFT
    return ordered


def float_of(key: int) -> float:
    """The middle of a bucket; 0 for that of 0."""
    if key == 0:
        return 0.0
    ends = np.array([key << FLOAT_SHIFT, (key << FLOAT_SHIFT) + (1 << FLOAT_SHIFT) - 1], np.int32)
    low, high = (ends ^ ((ends >> 31) & _MAGNITUDE)).view(np.float32).astype(np.float64)
    middle = float((low + high) / 2)
    return middle if np.isfinite(middle) else float(np.sign(key) * _LARGEST)


def merged(parts: list[ValueCounts]) -> ValueCounts:
    """Counts of the values of all parts."""
    parts = [part for part in parts if len(part.values)]
    if not parts:
        return nothing()
    if len(parts) == 1:
        return parts[0]
    first = min(int(part.values[0]) for part in parts)
    dense = np.zeros(max(int(part.values[-1]) for part in parts) - first + 1, np.int64)
    for part in parts:
        dense[part.values - first] += part.counts  # no value is twice in a part
    there = np.flatnonzero(dense)
    return ValueCounts(there + first, dense[there])


def quantile(counts: ValueCounts, percent: int) -> int:
    """The smallest value that at least so many percent of the values are not above; there must be a value."""
    rank = max(1, -(-percent * counts.total // 100))
    return int(counts.values[np.searchsorted(np.cumsum(counts.counts), rank)])
