"""The Parquet contract out: columns, types and places of every table.

`<output>/<table>/eval_date=YYYY-MM-DD/run_id=<id>/*.parquet`. The partition keys are not repeated inside
the files. Counts are INT64, metrics are DOUBLE and NULL where undefined, times are UTC microseconds.
"""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from schemas.errors import ConfigError

SCHEMA_VERSION = "1"
TABLES = ("samples", "classes", "slices", "failures", "runs")
SHARD_METADATA = b"dicebeam.shard"
COMPRESSION = "zstd"

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
        ("iou_mean", pa.float64()),
        ("iou_pooled", pa.float64()),
        ("precision_pooled", pa.float64()),
        ("recall_pooled", pa.float64()),
        ("soft_dice_mean", pa.float64()),
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
        ("versions", pa.string()),
        ("runner", pa.string()),
        ("started", pa.timestamp("us", tz="UTC")),
        ("finished", pa.timestamp("us", tz="UTC")),
        ("seconds", pa.float64()),
        ("samples_per_second", pa.float64()),
    ]
)


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
