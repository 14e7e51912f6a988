"""The tables of `dicebeam analyze`, written by hand: chosen numbers under the id of a run."""

from datetime import UTC, datetime

import pyarrow as pa

from dicebeam.components.runs import run_files
from dicebeam.schemas import tables

TIME = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
CLASSES = {"background": (900, 60), "car": (60, 60), "person": (25, 50), "bicycle": (15, 40)}
"""Pixels and samples of each class of the demo."""
CHANNEL = dict.fromkeys(("min", "p01", "p05", "p25", "p50", "p75", "p95", "p99", "max"), 0.0)


def write(past, channels=((100.0, 50.0),), classes=None, *, pixels=None, **more):
    """Tables of as many records as the finished run has; `classes` are (pixels, samples) by name."""
    counts = CLASSES if classes is None else classes
    records = past.row["records"]
    whole = sum(each[0] for each in counts.values()) if pixels is None else pixels
    rows = {
        "dataset_channels": [
            {"channel": i, "images": records, "pixels": whole, "mean": mean, "std": std, **CHANNEL}
            for i, (mean, std) in enumerate(channels)
        ],
        "dataset_classes": [
            {"class_id": i, "class_name": name, "pixels": each[0], "samples": each[1]}
            for i, (name, each) in enumerate(counts.items())
        ],
        "dataset_slices": [
            {"slice": "all", "n_samples": records, "pixels": whole + 7, "ignored_pixels": 7},
            {"slice": "site=north", "n_samples": 1, "pixels": 2, "ignored_pixels": 0},
        ],
        "datasets": [
            {"status": "done", "records": records, "analyzed": records, "failed": 0, "finished": TIME, **more}
        ],
    }
    for name, of_table in rows.items():
        schema = tables.FIXED[name]
        run_files.write_table(pa.Table.from_pylist(of_table, schema=schema), past.run, name, "part-0.parquet")
