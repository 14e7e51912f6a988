"""The Parquet contract of what `analyze` says about a data set: the tables whose names begin with `dataset`.

They lie as all tables do, see schemas.tables. The row of `datasets` is written last: an analysis without it does not
exist for readers that ask for complete ones.
"""

import pyarrow as pa


def _of(kind: pa.DataType, names: str) -> list[tuple[str, pa.DataType]]:
    """Columns of one type."""
    return [(name, kind) for name in names.split()]


CHANNELS = pa.schema(
    [
        *_of(pa.int32(), "channel"),
        *_of(pa.int64(), "images pixels"),
        *_of(pa.float64(), "mean std min p01 p05 p25 p50 p75 p95 p99 max"),
    ]
)

CLASSES = pa.schema(
    [
        *_of(pa.int32(), "class_id"),
        *_of(pa.string(), "class_name"),
        *_of(pa.int64(), "pixels samples"),
        *_of(pa.float64(), "pixel_fraction sample_fraction"),
    ]
)

SLICES = pa.schema([*_of(pa.string(), "slice"), *_of(pa.int64(), "n_samples pixels ignored_pixels")])

SIZES = pa.schema([*_of(pa.int64(), "depth height width"), *_of(pa.int32(), "channels"), *_of(pa.int64(), "n_samples")])

FAILURES = pa.schema(
    [
        *_of(pa.string(), "shard"),
        *_of(pa.int64(), "record byte_offset"),
        *_of(pa.string(), "sample_id stage error message"),
    ]
)

DATASETS = pa.schema(
    [
        *_of(pa.string(), "status config"),
        *_of(pa.int64(), "shards records analyzed failed"),
        *_of(pa.string(), "data_fingerprint transform versions runner"),
        *_of(pa.timestamp("us", tz="UTC"), "started finished"),
        *_of(pa.float64(), "seconds samples_per_second"),
    ]
)

FIXED = {
    "dataset_channels": CHANNELS,
    "dataset_classes": CLASSES,
    "dataset_slices": SLICES,
    "dataset_sizes": SIZES,
    "dataset_failures": FAILURES,
    "datasets": DATASETS,
}
"""Schemas by table, in the order in which they are written."""

ROWS = {
    "dataset_channels": "one row for each analysis and channel of its images: mean, deviation, quantiles",
    "dataset_classes": "one row for each analysis and class: pixels, samples, and their fractions",
    "dataset_slices": "one row for each analysis and slice: samples and pixels",
    "dataset_sizes": "one row for each analysis and size of images",
    "dataset_failures": "one row for each record that could not be analyzed",
    "datasets": "one row for each finished analysis of a data set",
}
"""What a row of each table is."""

TRANSFORM = "dataset_transform"
"""Beside the tables, in folders named as theirs: the transform graphs."""
