"""What the gate compares: the values, replicates and numbers of samples of a run, for each slice and class.

They come from the tables `classes`, `slices` and `replicates`, or from the same rows made of some samples alone.
Values are made of the counts by the same formulas as the replicates: counts first, ratios last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas import tables
from ...schemas.config.gate import LOWER_IS_BETTER
from ...schemas.slices import FOREGROUND
from ..statistics import ratios
from ..summary import slice_intervals, slice_rows

METRICS = tuple(field.name for field in tables.REPLICATES if pa.types.is_floating(field.type))
"""What has replicates."""


@dataclass(frozen=True, slots=True)
class Group:
    """One class (or the foreground) of one slice.

    values: of each of METRICS, NaN where undefined. replicates: `[R]` of each, None where they are not kept.
    samples: by what is counted: those of the slice (`samples`), those whose class is not absent in the run (`defined`),
    that have the class (`actual`), that do not (`not_actual`), and in which it is predicted (`predicted`); of the
    foreground, the largest of its classes'.
    clusters: different ones that have such a sample, counted alike; None where samples are resampled.
    members: of the foreground, the classes in its mean; none of a class.
    """

    class_id: int | None
    class_name: str
    values: Mapping[str, float]
    samples: Mapping[str, int]
    clusters: Mapping[str, int] | None
    replicates: Mapping[str, NDArray[np.float64]] | None = None
    members: "tuple[Group, ...]" = ()

    def behind(self, metric: str) -> int:
        """How many samples a metric is of."""
        return self.samples[ratios.behind(metric)]

    def units(self, metric: str) -> int:
        """How many samples, or clusters where those are resampled, a metric is of; of a mean, the class with least."""
        if self.averages(metric):
            return min(member.units(metric) for member in self.members)
        return self.behind(metric) if self.clusters is None else self.clusters[ratios.behind(metric)]

    @property
    def unit(self) -> str:
        """What is resampled, as people call it."""
        return "samples" if self.clusters is None else "clusters"

    def averages(self, metric: str) -> bool:
        """Whether a metric is the mean of those of the members."""
        return bool(self.members) and slice_intervals.is_mean(metric)

    def lost(self, metric: str) -> float:
        """By how much a metric changes where one more of its samples is lost whole: value / n, and 1 / n for a rate.

        Of a mean over classes, that of the class whose samples count most.
        """
        if self.averages(metric):
            return max(member.lost(metric) for member in self.members) / len(self.members)
        whole = 1.0 if metric in LOWER_IS_BETTER else self.values[metric]
        return whole / max(self.units(metric), 1)


Estimates = Mapping[tuple[str, int | None], Group]
"""Groups by slice and class id, which is None for the foreground."""


def of_tables(classes: pa.Table, slices: pa.Table, replicates: pa.Table | None, foreground: Sequence[int]) -> Estimates:
    """The groups of a run's tables.

    Args:
        classes: rows of `classes`.
        slices: rows of `slices`.
        replicates: rows of `replicates`, of the same foreground; None for none.
        foreground: ids of the classes in the mean.
    """
    clusters = dict(zip(slices["slice"].to_pylist(), slices["n_clusters"].to_pylist(), strict=True))
    drawn = _replicates(replicates) if replicates is not None else {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in classes.to_pylist():
        rows.setdefault(row["slice"], []).append({**row, "n_clusters_samples": clusters.get(row["slice"])})
    found = {}
    for name, of_slice in rows.items():
        drawn_of = {
            class_id: drawn.get((name, class_id)) for class_id in (*(row["class_id"] for row in of_slice), None)
        }
        for group in of_rows(of_slice, foreground, drawn_of):
            found[name, group.class_id] = group
    return found


def of_rows(
    rows: Sequence[Mapping[str, Any]],
    foreground: Sequence[int],
    drawn: Mapping[int | None, Mapping[str, NDArray[np.float64]] | None],
) -> Iterable[Group]:
    """The classes of a slice, and its foreground last.

    Args:
        rows: of `classes`, with `n_clusters_samples`, the clusters of the slice.
        foreground: ids of the classes in the mean.
        drawn: replicates of each class id, and of None, the foreground.
    """
    sums = np.array([_sums(row) for row in rows], np.float64)
    each = slice_rows.class_statistics(sums)
    classes = [
        Group(
            int(row["class_id"]),
            str(row["class_name"]),
            {metric: float(each[metric][i]) for metric in METRICS},
            _counts(row),
            _clusters(row),
            drawn.get(int(row["class_id"])),
        )
        for i, row in enumerate(rows)
    ]
    yield from classes
    places = [i for i, row in enumerate(rows) if row["class_id"] in foreground]
    if places:
        together = slice_rows.foreground_statistics(sums, sums, places)
        there = zip(places, slice_rows.in_mean(sums, places), strict=True)
        yield Group(
            None,
            FOREGROUND,
            {metric: float(together[metric]) for metric in METRICS},
            _largest([classes[i].samples for i in places]),
            None if classes[0].clusters is None else _largest([classes[i].clusters or {} for i in places]),
            drawn.get(None),
            tuple(classes[i] for i, is_there in there if is_there),
        )


def _largest(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {kind: max(each[kind] for each in counts) for kind in counts[0]}


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    return {kind: int(sum(row[f"n_{state}"] for state in states)) for kind, states in ratios.SAMPLES.items()}


def _clusters(row: Mapping[str, Any]) -> dict[str, int] | None:
    if row["n_clusters_samples"] is None:
        return None
    return {kind: int(row[f"n_clusters_{kind}"]) for kind in ratios.SAMPLES}


def _sums(row: Mapping[str, Any]) -> list[float]:
    """A row of `classes` as `slice_state.STATISTICS`."""
    counts = _counts(row)
    n = counts["defined"]
    means = [(row[name] or 0.0) * n for name in ("dice_mean", "iou_mean", "soft_dice_mean")]
    pixels = [row[name] for name in ("true_positives", "false_positives", "false_negatives")]
    return [n, *means, *pixels, counts["actual"], row["n_missed"], counts["samples"]]


def _replicates(rows: pa.Table) -> dict[tuple[str, int | None], dict[str, NDArray[np.float64]]]:
    """Columns of each slice and class id, in the order of the replicates."""
    rows = rows.sort_by([("slice", "ascending"), ("class_id", "ascending"), ("replicate", "ascending")])
    names = rows["slice"].combine_chunks().dictionary_encode()
    codes = names.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    ids = rows["class_id"].fill_null(-1).to_numpy().astype(np.int64)
    changes: list[int] = np.flatnonzero((np.diff(codes) != 0) | (np.diff(ids) != 0)).tolist()
    starts, ends = [0, *(i + 1 for i in changes)], [*(i + 1 for i in changes), len(codes)]
    columns = {metric: rows[metric].to_numpy() for metric in METRICS}
    return {
        (names.dictionary[int(codes[start])].as_py(), None if ids[start] < 0 else int(ids[start])): {
            metric: np.asarray(column[start:end], np.float64) for metric, column in columns.items()
        }
        for start, end in zip(starts, ends, strict=True)
        if end > start
    }


def of_the_run(row: Mapping[str, Any]) -> dict[str, float | None]:
    """The metrics of a whole run, by its `runs` row; None where they are undefined or were not measured."""
    records = row.get("records")
    return {
        "failed_fraction": row["failed"] / records if records else None,
        "samples_per_second": row.get("samples_per_second"),
    }
