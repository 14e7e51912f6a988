"""The Parquet contract out: columns, types and places of every table.

`<output>/<table>/eval_date=YYYY-MM-DD/run_id=<id>/*.parquet`. The partition keys are not repeated inside
the files. Counts are INT64, metrics are DOUBLE and NULL where undefined, times are UTC microseconds.
"""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas.errors import ConfigError

SCHEMA_VERSION = "1"
TABLES = ("samples", "classes", "slices", "histograms", "replicates", "failures", "runs", "verdicts")
ROWS = {
    "samples": "one row for each sample and class, of runs that are not finished too",
    "classes": "one row for each run, slice and class: means, quantiles, intervals, sums",
    "slices": "one row for each run and slice: Dice of the foreground classes",
    "histograms": "one row for each run, slice, class and bin of Dice",
    "replicates": "one row for each run, slice, class and bootstrap replicate; class_id is NULL for the foreground",
    "failures": "one row for each record that could not be scored",
    "runs": "one row for each finished run",
    "verdicts": "one row for each run that was gated, limit of a check, slice and class",
}
"""What a row of each table is."""
SHARD_METADATA = b"dicebeam.shard"
SHARDS_METADATA = b"dicebeam.shards"
"""In place of the former in a file that holds several shards."""
SLICE_FEATURES = "slice_features"
"""The key of a scoring config that names the features that have a column in `samples`."""
SAMPLES_ORDER = ("shard", "record", "class_id")
FAILURES_ORDER = ("shard", "record")
"""What the rows of a file are sorted by."""

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

CLASSES = pa.schema(
    [
        ("slice", pa.string()),
        ("class_id", pa.int32()),
        ("class_name", pa.string()),
        ("n_samples", pa.int64()),
        ("n_present", pa.int64()),
        ("n_missed", pa.int64()),
        ("n_false_alarm", pa.int64()),
        ("n_absent", pa.int64()),
        ("true_positives", pa.int64()),
        ("false_positives", pa.int64()),
        ("false_negatives", pa.int64()),
        ("pixels", pa.int64()),
        ("ignored_pixels", pa.int64()),
        ("soft_intersection", pa.float64()),
        ("soft_predicted", pa.float64()),
        ("soft_predicted_sq", pa.float64()),
        ("dice_mean", pa.float64()),
        ("dice_std", pa.float64()),
        ("dice_min", pa.float64()),
        ("dice_p05", pa.float64()),
        ("dice_p25", pa.float64()),
        ("dice_p50", pa.float64()),
        ("dice_p75", pa.float64()),
        ("dice_p95", pa.float64()),
        ("dice_max", pa.float64()),
        ("dice_mean_low", pa.float64()),
        ("dice_mean_high", pa.float64()),
        ("dice_pooled", pa.float64()),
        ("dice_pooled_low", pa.float64()),
        ("dice_pooled_high", pa.float64()),
        ("iou_mean", pa.float64()),
        ("iou_mean_low", pa.float64()),
        ("iou_mean_high", pa.float64()),
        ("iou_pooled", pa.float64()),
        ("iou_pooled_low", pa.float64()),
        ("iou_pooled_high", pa.float64()),
        ("precision_pooled", pa.float64()),
        ("precision_pooled_low", pa.float64()),
        ("precision_pooled_high", pa.float64()),
        ("recall_pooled", pa.float64()),
        ("recall_pooled_low", pa.float64()),
        ("recall_pooled_high", pa.float64()),
        ("soft_dice_mean", pa.float64()),
        ("soft_dice_mean_low", pa.float64()),
        ("soft_dice_mean_high", pa.float64()),
    ]
)

SLICES = pa.schema(
    [
        ("slice", pa.string()),
        ("n_samples", pa.int64()),
        ("dice_mean", pa.float64()),
        ("dice_mean_low", pa.float64()),
        ("dice_mean_high", pa.float64()),
        ("dice_pooled", pa.float64()),
        ("dice_pooled_low", pa.float64()),
        ("dice_pooled_high", pa.float64()),
    ]
)

HISTOGRAMS = pa.schema(
    [
        ("slice", pa.string()),
        ("class_id", pa.int32()),
        ("class_name", pa.string()),
        ("bin", pa.int32()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n_samples", pa.int64()),
    ]
)

REPLICATES = pa.schema(
    [
        ("slice", pa.string()),
        ("class_id", pa.int32()),
        ("class_name", pa.string()),
        ("replicate", pa.int32()),
        ("dice_mean", pa.float64()),
        ("iou_mean", pa.float64()),
        ("soft_dice_mean", pa.float64()),
        ("dice_pooled", pa.float64()),
        ("iou_pooled", pa.float64()),
        ("precision_pooled", pa.float64()),
        ("recall_pooled", pa.float64()),
    ]
)

FAILURES = pa.schema(
    [
        ("shard", pa.string()),
        ("record", pa.int64()),
        ("byte_offset", pa.int64()),
        ("sample_id", pa.string()),
        ("stage", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
    ]
)

RUNS = pa.schema(
    [
        ("status", pa.string()),
        ("config", pa.string()),
        ("config_fingerprint", pa.string()),
        ("model", pa.string()),
        ("model_fingerprint", pa.string()),
        ("shards", pa.int64()),
        ("records", pa.int64()),
        ("scored", pa.int64()),
        ("failed", pa.int64()),
        ("duplicate_ids", pa.int64()),
        ("digest", pa.string()),
        ("versions", pa.string()),
        ("runner", pa.string()),
        ("started", pa.timestamp("us", tz="UTC")),
        ("finished", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),
        ("samples_per_second", pa.float64()),
    ]
)

VERDICTS = pa.schema(
    [
        ("metric", pa.string()),
        ("slice", pa.string()),
        ("class_id", pa.int32()),
        ("class_name", pa.string()),
        ("limit_name", pa.string()),
        ("threshold", pa.float64()),
        ("verdict", pa.string()),
        ("improved", pa.bool_()),
        ("value", pa.float64()),
        ("baseline", pa.float64()),
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("n_pairs", pa.int64()),
        ("minimum_detectable_drop", pa.float64()),
        ("message", pa.string()),
        ("run_verdict", pa.string()),
        ("baseline_run_id", pa.string()),
        ("decided", pa.timestamp("us", tz="UTC")),
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
}
"""Schemas of the tables that have the same columns whatever the config; `samples` has one for each slice feature."""


def slice_column(feature: str) -> str:
    """The column of a slice feature: anything but letters, digits and `_` becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", feature)


def slice_columns(features: Sequence[str]) -> list[str]:
    """The columns of the slice features, in order.

    Raises:
        ConfigError: if two features, or a feature and a fixed column, would share a column. SQL column
            names know no case, so neither does the comparison.
    """
    taken = {name.lower(): f"the column {name!r}" for name in RESERVED}
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


def with_metadata(schema: pa.Schema, run_id: str, extra: Mapping[bytes, bytes] | None = None) -> pa.Schema:
    """The schema with the file metadata that every dicebeam file carries."""
    base = {b"dicebeam.schema_version": SCHEMA_VERSION.encode(), b"dicebeam.run_id": run_id.encode()}
    return schema.with_metadata({**base, **(extra or {})})


def partition(output: str, table: str, eval_date: str, run_id: str) -> str:
    """Folder of one run's rows of a table."""
    return "/".join([output.rstrip("/"), table, f"eval_date={eval_date}", f"run_id={run_id}"])
