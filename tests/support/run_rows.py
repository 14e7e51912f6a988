"""Runs of which there is nothing but the row, and the rows of every run of an output."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from dicebeam.components.runs import run_files, run_tables, runs_row
from dicebeam.components.runs.run_tables import FinishedRun
from dicebeam.schemas import tables
from dicebeam.schemas.errors import TablesError

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def write(output: Path, run_id: str, began: int, ended: float | None = None, **row: Any) -> run_files.Run:
    """A run that began and ended so many days before now."""
    run = run_files.Run(str(output), f"{NOW - timedelta(days=began):%Y-%m-%d}", run_id, "c", "m")
    finished = NOW - timedelta(days=began if ended is None else ended)
    made = pa.Table.from_pylist([{"status": "done", "finished": finished, **row}], schema=tables.RUNS)
    run_files.write_table(made, run, "runs", runs_row.FILE)
    return run


def finished_runs(output: str) -> list[FinishedRun]:
    """Every run whose row stands, the one that finished last first."""
    return _every(output, stands=True)


def hidden_runs(output: str) -> list[FinishedRun]:
    """Runs that were finished and have no row now, in the same order."""
    return _every(output, stands=False)


def _every(output: str, *, stands: bool) -> list[FinishedRun]:
    found = []
    for _, row in run_tables.read_rows(output, [name for name in run_tables.listed(output) if name.stands == stands]):
        if isinstance(row, TablesError):
            raise row
        found.append(row)
    kept = [past for past in found if past.stands == stands]
    return sorted(kept, key=lambda past: (past.finished, past.run_id), reverse=True)
