"""Summarize: committed sample files to the state of every slice x class.

A slice is `all`, or one value of each of the features of a slice spec, as in `site=A/scanner=2`; a sample
without the feature is in the slice `site=NULL`. Files are read in parts, so memory does not grow with them.
"""

import functools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.pvalue import TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from components import filesystems, ratios, run_files
from schemas.records import Committed, RunTotals
from schemas.summary import ALL, GroupKey, GroupState

ROWS_A_READ = 1 << 17

_SUMS = (
    "true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels",
    "soft_intersection", "soft_predicted", "soft_predicted_sq",
)  # fmt: skip
_MOMENTS = {"dice": "dice_sum", "dice_sq": "dice_sq", "iou": "iou_sum", "soft_dice": "soft_dice_sum"}


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """Slice specs as pairs of feature names and their columns, without `all`."""

    run: run_files.Run
    slices: tuple[tuple[tuple[str, str], ...], ...]
    n_classes: int


def group_states(rows: pa.Table, slices: Sequence[Sequence[tuple[str, str]]]) -> dict[GroupKey, GroupState]:
    """The state of every slice x class in some rows of `samples`."""
    rows = rows.append_column("dice_sq", pc.multiply(rows["dice"], rows["dice"]))
    for name in ratios.STATES:
        rows = rows.append_column(f"n_{name}", pc.cast(pc.equal(rows["state"], name), pa.int64()))
    states: dict[GroupKey, GroupState] = {}
    for spec in ((), *slices):
        for key, group in _grouped(rows, spec):  # a value may be "NULL" itself: two groups of one name are one
            states[key] = states[key] + group if key in states else group
    return states


def _grouped(rows: pa.Table, spec: Sequence[tuple[str, str]]) -> Iterator[tuple[GroupKey, GroupState]]:
    columns = [column for _, column in spec]
    counted = [f"n_{state}" for state in ratios.STATES]
    sums = [(name, "sum") for name in (*counted, *_SUMS, *_MOMENTS)]
    # one thread: the order in which doubles are added must not depend on timing
    groups = rows.group_by([*columns, "class_id"], use_threads=False).aggregate(
        [*sums, ("dice", "min"), ("dice", "max")]
    )
    for row in groups.to_pylist():
        name = "/".join(f"{feature}={_value(row[column])}" for feature, column in spec) or ALL
        known = {field: row[f"{field}_sum"] for field in (*counted, *_SUMS)}
        moments: dict[str, Any] = {field: row[f"{column}_sum"] or 0.0 for column, field in _MOMENTS.items()}
        extremes = {f"dice_{f}": row[f"dice_{f}"] for f in ("min", "max") if row[f"dice_{f}"] is not None}
        yield GroupKey(name, row["class_id"]), GroupState(**known, **moments, **extremes)


def _value(value: str | None) -> str:
    return "NULL" if value is None else value


def file_states(path: str, slices: Sequence[Sequence[tuple[str, str]]]) -> dict[GroupKey, GroupState]:
    """The state of every slice x class in a sample file."""
    columns = ["class_id", "state", *_SUMS, "dice", "iou", "soft_dice"]
    columns += sorted({column for spec in slices for _, column in spec})
    merged: dict[GroupKey, GroupState] = {}
    with filesystems.reading(path) as file:
        for part in pq.ParquetFile(file).iter_batches(ROWS_A_READ, columns=columns):
            for key, state in group_states(pa.table(part), slices).items():
                merged[key] = merged[key] + state if key in merged else state
    return merged


def add_states(states: Iterable[GroupState]) -> GroupState:
    """The state of all their samples."""
    return functools.reduce(operator.add, states, GroupState())


def add_totals(totals: Iterable[RunTotals]) -> RunTotals:
    """The accounting of all their shards."""
    total = RunTotals()
    for part in totals:
        total = RunTotals(*(getattr(total, f) + getattr(part, f) for f in RunTotals.__dataclass_fields__))
    return total


def totals_of(committed: Committed) -> RunTotals:
    """The accounting of one shard."""
    return RunTotals(1, committed.records, committed.scored, committed.failed, int(committed.cut_short))


class _ReadSampleFile(beam.DoFn):
    def __init__(self, settings: SummarySettings) -> None:
        self._settings = settings

    def process(
        self, path: str
    ) -> Iterator[tuple[tuple[str, int], GroupState] | TaggedOutput[Literal["totals"], RunTotals]]:
        settings = self._settings
        committed = run_files.committed(path, settings.run, settings.n_classes)
        yield TaggedOutput("totals", totals_of(committed))
        for key, state in file_states(path, settings.slices).items():
            yield tuple(key), state  # a plain tuple has a deterministic coder


class Summarize(beam.PTransform):
    """Paths of committed sample files to (GroupKey, GroupState) pairs and the run's totals."""

    def __init__(self, settings: SummarySettings) -> None:
        super().__init__()
        self._settings = settings

    @no_annotations  # Beam reads no type from several collections
    def expand(
        self, paths: beam.PCollection[str]
    ) -> tuple[beam.PCollection[tuple[tuple[str, int], GroupState]], beam.PCollection[RunTotals]]:
        """Read the files in parallel and add up; what is summed is what is on disk."""
        read = (
            paths
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadSampleFile" >> beam.ParDo(_ReadSampleFile(self._settings)).with_outputs("totals", main="states")
        )
        states = read.states | "AddStates" >> beam.CombinePerKey(add_states)
        totals = read.totals | "AddTotals" >> beam.CombineGlobally(add_totals)
        return states, totals
