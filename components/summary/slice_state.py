"""The state of one slice: what `classes`, `slices`, `histograms` and `replicates` are computed from.

Samples are kept as they are until they are many, and then folded into sums; so a slice of ten samples is small, and one
of a million is not larger than one of some thousands. States of one slice add up to the state of all its samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..samples.sample_blocks import SampleBlock
from ..statistics import bootstrap, histograms, ratios, sample_sums
from . import cluster_sets
from .cluster_sets import ClusterSet

FOLD_SAMPLES = 2048
"""Samples that are kept before they are folded."""

STATISTICS = (
    "defined", "dice", "iou", "soft_dice", "true_positives", "false_positives", "false_negatives",
    "actual", "missed", "samples",
)  # fmt: skip
"""What is summed in each replicate, of each class; the first four over samples whose class is not absent.

actual: samples that have the class. missed: those of them in which nothing of it is predicted. samples: all.
"""


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """How intervals are made; 0 replicates for none.

    by_cluster: whole clusters are resampled, and samples have the hash of their cluster.
    """

    replicates: int = 1000
    seed: int = 0
    by_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over samples, for each of C classes.

    states: int64 `[C, 4]`, samples in each of `ratios.STATES`.
    pixels: int64 `[C, 5]`, true positives, false positives, false negatives, all, ignored.
    soft: float64 `[C, 3]`, sum(y p), sum(p), sum(p^2).
    means, squares: float64 `[C]`, mean of Dice and sum of squared deviations from it, where Dice is defined.
    lowest, highest: float64 `[C]`, extremes of Dice; inf and -inf where none is defined.
    iou, soft_dice: float64 `[C]`, sums where they are defined.
    histogram: int64 `[C, histograms.STEPS + 1]`, of Dice.
    replicates: float64 `[R, C, len(STATISTICS)]`.
    clusters: those of the samples; none where samples are resampled.
    """

    states: NDArray[np.int64]
    pixels: NDArray[np.int64]
    soft: NDArray[np.float64]
    means: NDArray[np.float64]
    squares: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    iou: NDArray[np.float64]
    soft_dice: NDArray[np.float64]
    histogram: NDArray[np.int64]
    replicates: NDArray[np.float64]
    clusters: ClusterSet

    def __reduce__(self) -> tuple[object, ...]:
        """Without the histogram's empty cells, most of the state's bytes, which runners hold in several copies."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        places = np.flatnonzero(self.histogram).astype(np.int32)
        values["histogram"] = (self.histogram.shape, places, self.histogram.ravel()[places])
        return _unpacked, (values,)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        values = (getattr(self, f.name) for f in fields(self))
        return sum(int(array.nbytes) for value in values for array in (value if isinstance(value, tuple) else (value,)))

    @property
    def n_samples(self) -> int:
        """Samples in the slice."""
        return int(self.states[0].sum())

    @property
    def n_defined(self) -> NDArray[np.int64]:
        """Samples whose Dice is defined, `[C]`."""
        return np.asarray(self.states[:, :-1].sum(axis=1))

    def units(self) -> dict[str, NDArray[np.int64]]:
        """Samples, or clusters where those are resampled, of each kind of `ratios.SAMPLES`, `[C]` each."""
        if len(self.clusters.hashes):
            return {kind: cluster_sets.count(self.clusters, states) for kind, states in ratios.SAMPLES.items()}
        places = {kind: [ratios.STATES.index(state) for state in states] for kind, states in ratios.SAMPLES.items()}
        return {kind: self.states[:, place].sum(axis=1) for kind, place in places.items()}


def _unpacked(values: dict[str, Any]) -> Totals:
    shape, places, counts = values["histogram"]
    histogram = np.zeros(shape, np.int64)
    histogram.ravel()[places] = counts
    return Totals(**{**values, "histogram": histogram})


def totals(block: SampleBlock, settings: BootstrapSettings) -> Totals:
    """The sums of some samples."""
    sums = block.sums
    tp = sums.true_positives
    fp, fn = sums.predicted - tp, sums.actual - tp
    codes = ratios.state_codes(tp, fp, fn)
    states = np.stack([(codes == code).sum(axis=0) for code in range(len(ratios.STATES))], axis=1)
    dice, iou = ratios.dice(tp, fp, fn), ratios.iou(tp, fp, fn)
    absent = np.isnan(dice)
    soft = np.where(absent, np.nan, ratios.soft_dice(sums.soft_intersection, sums.actual, sums.soft_predicted))
    counts = (tp, fp, fn, tp + fn > 0, codes == ratios.STATES.index(ratios.MISSED), np.ones_like(tp))
    values = np.stack([~absent, *map(np.nan_to_num, (dice, iou, soft)), *counts], axis=-1).astype(np.float64)
    flat = values.reshape(len(block), tp.shape[1] * len(STATISTICS))
    replicates = bootstrap.replicate_sums(block.hashes, flat, settings.replicates, settings.seed)
    added = values.sum(axis=0)  # [C, statistics]
    means = np.divide(added[:, 1], added[:, 0], out=np.zeros(len(added)), where=added[:, 0] > 0)
    whole = [part[:, None] * np.ones_like(tp[:1]) for part in (sums.pixels, sums.ignored_pixels)]
    return Totals(
        states=states.astype(np.int64),
        pixels=np.stack([part.sum(axis=0) for part in (tp, fp, fn, *whole)], axis=1),
        soft=np.stack(
            [p.sum(axis=0) for p in (sums.soft_intersection, sums.soft_predicted, sums.soft_predicted_sq)], axis=1
        ),
        means=means,
        squares=(np.where(absent, 0, dice - means) ** 2).sum(axis=0),
        lowest=np.where(absent, np.inf, dice).min(axis=0, initial=np.inf),
        highest=np.where(absent, -np.inf, dice).max(axis=0, initial=-np.inf),
        iou=added[:, 2],
        soft_dice=added[:, 3],
        histogram=histograms.histogram(dice),
        replicates=replicates.reshape(settings.replicates, tp.shape[1], len(STATISTICS)),
        clusters=cluster_sets.of_samples(block.hashes, codes)
        if settings.by_cluster
        else cluster_sets.none(tp.shape[1]),
    )


def add(left: Totals, right: Totals) -> Totals:
    """The sums of both sets of samples."""
    n_left, n_right = left.n_defined, right.n_defined
    n = np.maximum(n_left + n_right, 1)
    apart = right.means - left.means  # means and deviations merge as Chan, Golub and LeVeque (1979) have it
    merged = {
        "means": left.means + apart * (n_right / n),
        "squares": left.squares + right.squares + apart**2 * (n_left * n_right / n),
        "lowest": np.minimum(left.lowest, right.lowest),
        "highest": np.maximum(left.highest, right.highest),
        "clusters": cluster_sets.add(left.clusters, right.clusters),
    }
    added = {f.name: getattr(left, f.name) + getattr(right, f.name) for f in fields(Totals) if f.name not in merged}
    return Totals(**added, **merged)


@dataclass(slots=True)
class SliceState:
    """Samples that are kept, and the sums of those that are folded."""

    blocks: list[SampleBlock] = field(default_factory=list)
    folded: Totals | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        folded = 0 if self.folded is None else self.folded.nbytes
        return folded + sum(block.nbytes for block in self.blocks)

    @property
    def has_several(self) -> bool:
        """Whether there is more than one sample or, where clusters are resampled, more than one cluster."""
        return self.folded is not None or len(np.unique(np.concatenate([block.hashes for block in self.blocks]))) > 1

    def take(self, blocks: Sequence[SampleBlock], settings: BootstrapSettings) -> int:
        """Take more samples; returns by how many bytes it has grown."""
        self.blocks += blocks
        added = sum(block.nbytes for block in blocks)
        if sum(map(len, self.blocks)) <= FOLD_SAMPLES:
            return added
        before = self.nbytes - added
        self.fold(settings)
        return self.nbytes - before

    def fold(self, settings: BootstrapSettings) -> None:
        """Keep no samples any more."""
        if not self.blocks:
            return
        joined = SampleBlock(
            np.concatenate([block.hashes for block in self.blocks]),
            sample_sums.concatenate([block.sums for block in self.blocks]),
        )
        for start in range(0, len(joined), FOLD_SAMPLES):
            new = totals(joined.part(slice(start, start + FOLD_SAMPLES)), settings)
            self.folded = new if self.folded is None else add(self.folded, new)
        self.blocks = []

    def merge(self, other: "SliceState", settings: BootstrapSettings) -> None:
        """Take the samples of another state of the same slice."""
        if other.folded is not None:
            self.folded = other.folded if self.folded is None else add(self.folded, other.folded)
        self.take(other.blocks, settings)
