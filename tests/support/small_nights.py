"""Finished runs of two samples and one class, with a chosen status and Dice, written without an evaluation."""

from datetime import UTC, datetime

import pyarrow as pa

from dicebeam.components.runs import run_files
from dicebeam.schemas import tables


def sample(record, dice):
    return {"sample_id": f"s{record}", "shard": "a", "record": record, "class_id": 1, "class_name": "car",
            "state": "present", "dice": dice}  # fmt: skip


def night(output, order, status, dice, config="c", run_id=None):
    """The run `n<order>` (or another id), whose class car has this Dice in both samples, None where it is absent."""
    run = run_files.Run(str(output), f"2026-11-{order:02}", run_id or f"n{order}", config, "m")
    at = datetime(2026, 11, order, 3, tzinfo=UTC)
    row = {"slice": "all", "class_id": 1, "class_name": "car", "n_samples": 2, "dice_mean": dice}
    rows = {
        "runs": [{"status": status, "config_fingerprint": config, "started": at, "finished": at}],
        "classes": [row],
        "slices": [{"slice": "all", "n_samples": 2, "dice_mean": dice}],
        "samples": [sample(0, dice), sample(1, dice)],
    }
    for name, values in rows.items():
        schema = tables.FIXED.get(name, tables.samples_schema([]))
        run_files.write_table(pa.Table.from_pylist(values, schema=schema), run, name, "part-0.parquet")
