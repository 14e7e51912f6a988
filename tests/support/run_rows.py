"""Runs of which there is nothing but the row."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dicebeam.components.runs import run_files, runs_row
from dicebeam.schemas import tables

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def write(output: Path, run_id: str, began: int, ended: float | None = None, **row: Any) -> run_files.Run:
    """A run that began and ended so many days before now."""
    run = run_files.Run(str(output), f"{NOW - timedelta(days=began):%Y-%m-%d}", run_id, "c", "m")
    finished = NOW - timedelta(days=began if ended is None else ended)
    made = pa.Table.from_pylist([{"status": "done", "finished": finished, **row}], schema=tables.RUNS)
    run_files.write_table(made, run, "runs", runs_row.FILE)
    return run
