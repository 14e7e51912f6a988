"""Which slices hold other samples in a run than in its baseline, and in which of them samples have other clusters.

A difference between two runs is of the same samples only where both have them in the same slice, and is drawn from the
same replicates only where both have them in the same cluster. A sample that was relabelled in between says nothing
about a model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..runs import run_files
from ..runs.run_files import Run
from ..samples import sample_blocks, whole_samples
from ..statistics import slicing
from ..statistics.hashing import id_hashes, mixed
from .estimates_from_samples import EstimateSettings, Ids

Members = NDArray[np.uint64]
"""Hashes of the ids of some samples, and of their ids and clusters together, `[n, 2]`."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Samples that are in a slice in one of two runs only; and, where all are in both, those with another cluster."""

    samples: int
    clusters: int = 0


def moved(now: Run, then: Run, settings: EstimateSettings, common: Ids | None = None) -> dict[str, Moved]:
    """The slices of both runs whose samples differ, or the clusters of these.

    Sample files are read again where slices differ: once for a digest of each, then for the ids in those that do.

    Args:
        now: the run.
        then: its baseline.
        settings: which slices are wanted, and the column of the clusters.
        common: sorted hashes of the ids that count; None for all of them.

    Raises:
        DamagedError: if a sample file is not as it was written.
    """
    first, second = (_digests(run, settings, common) for run in (now, then))
    differ = {name for name in first.keys() & second.keys() if first[name] != second[name]}
    if not differ:
        return {}
    own, theirs = (_collected(run, settings, common, differ) for run in (now, then))
    return {name: difference(own[name], theirs[name]) for name in sorted(differ)}


def difference(now: Members, then: Members) -> Moved:
    """What differs between the members of a slice in two runs; a sample counts as often as it is there."""
    samples, pairs = (_apart(now[:, place], then[:, place]) for place in (0, 1))
    return Moved(samples, 0 if samples else pairs // 2)


def _apart(now: NDArray[np.uint64], then: NDArray[np.uint64]) -> int:
    """How many are in one of two multisets only."""
    _, places = np.unique(np.concatenate([now, then]), return_inverse=True)
    counts = np.bincount(places[: len(now)], minlength=len(now) + len(then))
    return int(np.abs(counts - np.bincount(places[len(now) :], minlength=len(counts))).sum())


def _digests(run: Run, settings: EstimateSettings, common: Ids | None) -> dict[str, tuple[int, ...]]:
    """Sums of the hashes of each slice, whatever the order of its samples."""
    sums: dict[str, NDArray[np.uint64]] = {}
    for name, members in _members(run, settings, common):
        sums[name] = sums.get(name, np.zeros(2, np.uint64)) + mixed(members).sum(axis=0, dtype=np.uint64)
    return {name: tuple(total.tolist()) for name, total in sums.items()}


def _collected(run: Run, settings: EstimateSettings, common: Ids | None, names: set[str]) -> dict[str, Members]:
    parts: dict[str, list[Members]] = {}
    for name, members in _members(run, settings, common):
        if name in names:
            parts.setdefault(name, []).append(members)
    return {name: np.concatenate(found) for name, found in parts.items()}


def _members(run: Run, settings: EstimateSettings, common: Ids | None) -> Iterator[tuple[str, Members]]:
    """The members of each wanted slice, some at a time."""
    features = tuple(dict.fromkeys(part.column for spec in settings.specs for part in spec))
    wanted = list(dict.fromkeys(["sample_id", *features, *([settings.cluster] if settings.cluster else [])]))
    n_classes = len(settings.classes.ids)
    for path in run_files.sample_paths(run):
        for rows in whole_samples.read(path, n_classes, wanted):
            firsts = rows.take(whole_samples.firsts(rows, n_classes))
            yield from _of_rows(firsts, features, settings, common)


def _of_rows(
    rows: pa.Table, features: tuple[str, ...], settings: EstimateSettings, common: Ids | None
) -> Iterator[tuple[str, Members]]:
    names = rows["sample_id"].cast(pa.binary()).to_pylist()
    ids = id_hashes(names)
    clusters = sample_blocks.resampled(names, ids, rows, settings.cluster)
    members = np.stack([ids, mixed(mixed(ids) + clusters)], axis=1)
    counted = np.ones(len(ids), bool) if common is None else np.isin(ids, common)
    columns = {name: rows[name].combine_chunks() for name in features}
    for spec in settings.specs:
        slices, codes = slicing.groups(spec, columns, len(ids))
        for code, name in enumerate(slices):
            if settings.wanted(name):
                found = members[(codes == code) & counted]
                if len(found):
                    yield name, found
