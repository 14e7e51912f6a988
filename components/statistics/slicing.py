"""Which slices a sample is in: values of features, bins of numbers, and their crosses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas import slices

NOT_A_NUMBER = "NaN"


@dataclass(frozen=True, slots=True)
class SliceFeature:
    """A feature of a slice spec.

    feature: its name in the records. column: where its text is in `samples`. edges: limits of the bins of a number,
    ascending; none to take every value as it is.
    """

    feature: str
    column: str
    edges: tuple[float, ...] = ()


SliceSpec = tuple[SliceFeature, ...]


def bin_name(index: int, edges: Sequence[float]) -> str:
    """The bin between two edges, the lower one in it: `[40,60)`, `[-inf,40)`, `[60,inf)`."""
    low, high = (-np.inf, *edges)[index], (*edges, np.inf)[index]
    return f"[{_shortest(low)},{_shortest(high)})"


def _shortest(number: float) -> str:
    """All the digits that it takes to tell it from its neighbours."""
    return repr(float(number)).removesuffix(".0")


def binned(text: str | None, edges: Sequence[float]) -> str | None:
    """The bin of a number as text; a missing value stays missing, and what is no number is `NaN`."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return NOT_A_NUMBER
    return NOT_A_NUMBER if np.isnan(number) else bin_name(int(np.searchsorted(edges, number, "right")), edges)


def _coded(part: SliceFeature, column: pa.Array) -> tuple[NDArray[np.intp], list[str | None]]:
    """A code for each sample, and what each code means."""
    encoded = pa.array(column).dictionary_encode("encode")
    values = encoded.dictionary.to_pylist()
    if part.edges:
        values = [binned(value, part.edges) for value in values]
    distinct = list(dict.fromkeys(values))  # several texts may be in one bin
    place = {value: i for i, value in enumerate(distinct)}
    return np.array([place[value] for value in values], np.intp)[np.asarray(encoded.indices)], distinct


def groups(spec: SliceSpec, columns: dict[str, pa.Array], n: int) -> tuple[list[str], NDArray[np.intp]]:
    """The slices of a spec that have samples.

    Args:
        spec: its features; none for the slice `all`.
        columns: text of each feature's column, `[n]`.
        n: samples, one at least.

    Returns:
        Names of slices, and for each sample which of them it is in, `[n]`.
    """
    codes, names = np.zeros(n, np.intp), [list[slices.Pair]()]
    for part in spec:
        own, values = _coded(part, columns[part.column])
        crossed, codes = np.unique(codes * len(values) + own, return_inverse=True)
        names = [[*names[c // len(values)], (part.feature, values[c % len(values)])] for c in crossed.tolist()]
    return [slices.encode(pairs) for pairs in names], codes
