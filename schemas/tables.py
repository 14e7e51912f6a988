"""The Parquet contract out: columns, types and places of every table.

`<output>/<table>/eval_date=YYYY-MM-DD/run_id=<id>/*.parquet`. The partition keys are not repeated inside
the files. Counts are INT64, metrics are DOUBLE and NULL where undefined, times are UTC microseconds.
"""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from . import datasets
from .errors import ConfigError

SCHEMA_VERSION = "1"
SUMMARY_VERSION = 2
"""The version of the formulas behind `classes`, `slices` and `replicates`. Tables that others made are not compared:
the samples are read again. 2: the foreground is a mean over the classes that are true in some sample, in every
replicate the same ones; clusters are counted for each class."""
OF_A_RUN = ("samples", "classes", "slices", "histograms", "replicates", "failures", "runs")
"""The tables that an evaluation writes."""
OF_A_DATASET = tuple(datasets.FIXED)
"""The tables that an analysis writes; schemas.datasets has their columns."""
TABLES = (*OF_A_RUN, "verdicts", "blessings", *OF_A_DATASET)
ROWS = {
    "samples": "one row for each sample and class, of runs that are not finished too",
    "classes": "one row for each run, slice and class: means, quantiles, intervals, sums",
    "slices": "one row for each run and slice: Dice of the foreground classes",
    "histograms": "one row for each run, slice, class and bin of Dice",
    "replicates": "one row for each run, slice, class and bootstrap replicate; class_id is NULL for the foreground",
    "failures": "one row for each record that could not be scored",
    "runs": "one row for each finished run",
    "verdicts": "one row for each run that was gated, limit of a check, slice and class",
    "blessings": "one row for each decision on which run may be a baseline; the last one of a run counts",
    **datasets.ROWS,
}
"""What a row of each table is."""
RUN_METADATA = b"dicebeam.run_id"
TABLE_METADATA = b"dicebeam.table"
"""Of which table a file is; earlier versions did not say it."""
SHARD_METADATA = b"dicebeam.shard"
SHARDS_METADATA = b"dicebeam.shards"
"""In place of the former in a file that holds several shards."""
UNITS_METADATA = b"dicebeam.units"
"""Of the file of a `runs` row: the units of its sample files, as `held_samples.units` has them."""
SLICE_FEATURES = "slice_features"
"""The key of a scoring config that names the features that have a column in `samples`."""
SAMPLES_ORDER = ("shard", "record", "class_id")
FAILURES_ORDER = ("shard", "record")
"""What the rows of a file are sorted by."""


def _of(kind: pa.DataType, names: str) -> list[tuple[str, pa.DataType]]:
    """Columns of one type."""
    return [(name, kind) for name in names.split()]


_SAMPLES_HEAD = [
    ("sample_id", pa.string()),
    ("shard", pa.string()),
    ("record", pa.int64()),
    ("byte_offset", pa.int64()),
]
_SAMPLES_TAIL = [
    ("class_id", pa.int32()),
    ("class_name", pa.string()),
    ("state", pa.string()),
    ("true_positives", pa.int64()),
    ("false_positives", pa.int64()),
    ("false_negatives", pa.int64()),
    ("pixels", pa.int64()),
    ("ignored_pixels", pa.int64()),
    ("soft_intersection", pa.float64()),
    ("soft_predicted", pa.float64()),
    ("soft_predicted_sq", pa.float64()),
    ("dice", pa.float64()),
    ("iou", pa.float64()),
    ("precision", pa.float64()),
    ("recall", pa.float64()),
    ("soft_dice", pa.float64()),
]
RESERVED = {name for name, _ in _SAMPLES_HEAD + _SAMPLES_TAIL} | {"eval_date", "run_id"}
"""The columns of `samples` that are no slice feature's, and its partition keys."""
OF_THE_VIEWS = {
    *("worst_rank", "same_id", "baseline_run_id", "baseline_state", "baseline_dice", "baseline_iou"),
    *("baseline_true_positives", "baseline_false_positives", "baseline_false_negatives", "dice_change", "iou_change"),
}
"""What the views of views.sql add to the columns of `samples`; a slice feature of such a name would be lost there."""

CLASSES = pa.schema(
    [
        *_of(pa.string(), "slice"),
        *_of(pa.int32(), "class_id"),
        *_of(pa.string(), "class_name"),
        *_of(
            pa.int64(),
            "n_samples n_present n_missed n_false_alarm n_absent true_positives false_positives false_negatives "
            "pixels ignored_pixels n_clusters_defined n_clusters_actual n_clusters_not_actual n_clusters_predicted",
        ),
        *_of(
            pa.float64(),
            "soft_intersection soft_predicted soft_predicted_sq dice_mean dice_std dice_min dice_p05 dice_p25 "
            "dice_p50 dice_p75 dice_p95 dice_max dice_mean_low dice_mean_high dice_pooled dice_pooled_low "
            "dice_pooled_high iou_mean iou_mean_low iou_mean_high iou_pooled iou_pooled_low iou_pooled_high "
            "precision_pooled precision_pooled_low precision_pooled_high recall_pooled recall_pooled_low "
            "recall_pooled_high soft_dice_mean soft_dice_mean_low soft_dice_mean_high",
        ),
    ]
)

SLICES = pa.schema(
    [
        *_of(pa.string(), "slice"),
        *_of(pa.int64(), "n_samples n_clusters"),
        *_of(pa.float64(), "dice_mean dice_mean_low dice_mean_high dice_pooled dice_pooled_low dice_pooled_high"),
    ]
)

HISTOGRAMS = pa.schema(
    [
        *_of(pa.string(), "slice"),
        *_of(pa.int32(), "class_id"),
        *_of(pa.string(), "class_name"),
        *_of(pa.int32(), "bin"),
        *_of(pa.float64(), "low high"),
        *_of(pa.int64(), "n_samples"),
    ]
)

REPLICATES = pa.schema(
    [
        *_of(pa.string(), "slice"),
        *_of(pa.int32(), "class_id"),
        *_of(pa.string(), "class_name"),
        *_of(pa.int32(), "replicate"),
        *_of(
            pa.float64(),
            "dice_mean iou_mean soft_dice_mean dice_pooled iou_pooled precision_pooled recall_pooled "
            "missed_rate false_alarm_rate dice_mean_absent_as_1 dice_mean_absent_as_0",
        ),
    ]
)

FAILURES = pa.schema(
    [
        *_of(pa.string(), "shard"),
        *_of(pa.int64(), "record byte_offset"),
        *_of(pa.string(), "sample_id stage error message"),
    ]
)

RUNS = pa.schema(
    [
        *_of(pa.string(), "status config config_fingerprint model model_fingerprint transform transform_fingerprint"),
        *_of(pa.int64(), "shards records scored failed duplicate_ids summary_version"),
        *_of(pa.string(), "digest data_fingerprint slices_fingerprint versions runner"),
        *_of(pa.timestamp("us", tz="UTC"), "started finished"),
        *_of(pa.float64(), "seconds samples_per_second"),
    ]
)

VERDICTS = pa.schema(
    [
        *_of(pa.string(), "metric slice"),
        *_of(pa.int32(), "class_id"),
        *_of(pa.string(), "class_name"),
        *_of(pa.int32(), "channel"),
        *_of(pa.string(), "limit_name"),
        *_of(pa.float64(), "threshold"),
        *_of(pa.string(), "verdict"),
        *_of(pa.bool_(), "decides improved"),
        *_of(pa.float64(), "value baseline difference low high p_value"),
        *_of(pa.int64(), "n_pairs"),
        *_of(pa.float64(), "minimum_detectable_drop"),
        *_of(pa.string(), "message run_verdict baseline_run_id"),
        *_of(pa.timestamp("us", tz="UTC"), "decided"),
    ]
)

BLESSINGS = pa.schema(
    [
        *_of(pa.int64(), "sequence"),
        *_of(pa.string(), "decision decided_by who reason"),
        *_of(pa.timestamp("us", tz="UTC"), "time"),
    ]
)

FIXED = {
    "classes": CLASSES,
    "slices": SLICES,
    "histograms": HISTOGRAMS,
    "replicates": REPLICATES,
    "failures": FAILURES,
    "runs": RUNS,
    "verdicts": VERDICTS,
    "blessings": BLESSINGS,
    **datasets.FIXED,
}
"""Schemas of the tables that have the same columns whatever the config; `samples` has one for each slice feature."""


def slice_column(feature: str) -> str:
    """The column of a slice feature: anything but letters, digits and `_` becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", feature)


def slice_columns(features: Sequence[str]) -> list[str]:
    """The columns of the slice features, in order.

    Raises:
        ConfigError: if two features, or a feature and a fixed column or one of a view, would share a column. SQL
            column names know no case, so neither does the comparison.
    """
    taken = {name.lower(): f"the column {name!r}" for name in RESERVED}
    taken |= dict.fromkeys(OF_THE_VIEWS, "a view over the samples")
    columns = []
    for feature in features:
        column = slice_column(feature)
        if column.lower() in taken:
            msg = (
                f"slices: the feature {feature!r} needs the column {column!r}, which "
                f"{taken[column.lower()]} already has; rename the feature in the records"
            )
            raise ConfigError(msg)
        taken[column.lower()] = f"the feature {feature!r}"
        columns.append(column)
    return columns


def samples_schema(columns: Sequence[str]) -> pa.Schema:
    """Schema of `samples`, with one STRING column for each slice feature."""
    return pa.schema(_SAMPLES_HEAD + [(name, pa.string()) for name in columns] + _SAMPLES_TAIL)


def with_metadata(
    schema: pa.Schema, run_id: str, extra: Mapping[bytes, bytes] | None = None, table: str | None = None
) -> pa.Schema:
    """The schema with the file metadata that every dicebeam file carries: whose it is, and of which table."""
    base = {b"dicebeam.schema_version": SCHEMA_VERSION.encode(), RUN_METADATA: run_id.encode()}
    of_table = {} if table is None else {TABLE_METADATA: table.encode()}
    return schema.with_metadata({**base, **(extra or {}), **of_table})


def partition(output: str, table: str, eval_date: str, run_id: str) -> str:
    """Folder of one run's rows of a table."""
    return "/".join([output.rstrip("/"), table, f"eval_date={eval_date}", f"run_id={run_id}"])
