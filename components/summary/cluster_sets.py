"""Which clusters a slice has, and in which states each class is there in their samples.

A set is kept as the hashes of its clusters, sorted, and a bit for each of `ratios.STATES` of each class. Sets add up in
any order. Of very many clusters only so many are kept that every count up to CLUSTERS_KEPT is exact: an interval of so
many is as wide as one of any more, to a thousandth.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..statistics import ratios

CLUSTERS_KEPT = 4096
"""The largest count of clusters that is told from larger ones."""


class ClusterSet(NamedTuple):
    """hashes: uint64 `[K]`, sorted. states: uint8 `[K, C]`, bit i for the state i."""

    hashes: NDArray[np.uint64]
    states: NDArray[np.uint8]


def none(n_classes: int) -> ClusterSet:
    """No clusters: where samples are resampled."""
    return ClusterSet(np.empty(0, np.uint64), np.empty((0, n_classes), np.uint8))


def of_samples(hashes: NDArray[np.uint64], codes: NDArray[np.int64]) -> ClusterSet:
    """The clusters of some samples: their hashes `[n]`, and `ratios.state_codes` of each class `[n, C]`."""
    return _joined(hashes, np.left_shift(1, codes).astype(np.uint8))


def add(left: ClusterSet, right: ClusterSet) -> ClusterSet:
    """The clusters of both."""
    return _joined(np.concatenate([left.hashes, right.hashes]), np.concatenate([left.states, right.states]))


def _joined(hashes: NDArray[np.uint64], states: NDArray[np.uint8]) -> ClusterSet:
    if not len(hashes):
        return none(states.shape[1])
    order = np.argsort(hashes, kind="stable")
    different, starts = np.unique(hashes[order], return_index=True)
    return _kept(different, np.bitwise_or.reduceat(states[order], starts, axis=0))


def _kept(hashes: NDArray[np.uint64], states: NDArray[np.uint8]) -> ClusterSet:
    """Those among the first CLUSTERS_KEPT that have some class in some state."""
    if len(hashes) <= CLUSTERS_KEPT:
        return ClusterSet(hashes, states)
    needed = np.zeros(len(hashes), bool)
    for i in range(len(ratios.STATES)):
        has = (states >> i) & 1 == 1
        needed |= (has & (np.cumsum(has, axis=0) <= CLUSTERS_KEPT)).any(axis=1)
    return ClusterSet(hashes[needed], states[needed])


def count(clusters: ClusterSet, states: Iterable[str]) -> NDArray[np.int64]:
    """How many clusters have a sample in which a class is in one of some states, `[C]`; at most CLUSTERS_KEPT."""
    bits = np.uint8(sum(1 << ratios.STATES.index(state) for state in states))
    return np.asarray(np.minimum(np.count_nonzero(clusters.states & bits, axis=0), CLUSTERS_KEPT), np.int64)
