"""The end of a run: nothing is written unless every record is accounted for, and the `runs` row is last."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import reports, run_files
from components.reports import ReportSettings
from components.run_files import Run
from schemas import tables
from schemas.errors import AccountingError
from schemas.records import RunTotals
from schemas.summary import GroupState

STARTED = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
STATES = [
    (("all", 0), GroupState(n_present=1, true_positives=3, dice_sum=1.0, dice_sq=1.0, dice_min=1.0, dice_max=1.0))
]


@pytest.fixture
def settings(tmp_path):
    run = Run(str(tmp_path), "2026-11-23", "r1", "cfg", "mdl")
    return ReportSettings(
        run=run, classes=("a", "b"), foreground=(0,), max_failed_fraction=0.5, config='{"a": 1}', model="/m",
        versions=json.dumps({"python": "3"}), runner="FnApiRunner", started=STARTED,
    )  # fmt: skip


def fail(settings, rows):
    table = pa.Table.from_pylist([{"shard": "s", "record": i} for i in range(rows)], schema=tables.FAILURES)
    run_files.write_table(table, settings.run, "failures", "s.parquet")


def parts(settings):
    return sorted(p.relative_to(settings.run.output).parts[0] for p in Path(settings.run.output).rglob("*.parquet"))


@pytest.mark.parametrize(
    ("totals", "budget", "status"),
    [
        (RunTotals(1, 10, 10, 0), 0.0, "done"),
        (RunTotals(1, 10, 9, 1), 0.0, "over_failure_budget"),
        (RunTotals(1, 10, 9, 1), 0.1, "done"),
        (RunTotals(1, 10, 8, 2), 0.1, "over_failure_budget"),
        (RunTotals(1, 10, 0, 10), 1.0, "nothing_scored"),
        (RunTotals(1, 0, 0, 0), 0.0, "nothing_scored"),
    ],
)
def test_status(totals, budget, status):
    assert reports.status(totals, budget) == status


@pytest.mark.parametrize(
    ("totals", "shards"),
    [(RunTotals(1, 3, 2, 0), 1), (RunTotals(1, 3, 3, 1), 1), (RunTotals(1, 3, 3, 0), 2), (RunTotals(2, 3, 3, 0), 1)],
)
def test_broken_accounting_writes_nothing(settings, totals, shards):
    with pytest.raises(
        AccountingError, match=f"expected {shards} shards and records = scored .* but the sample files hold"
    ):
        reports.write(settings, totals, shards, 3, STATES)
    assert parts(settings) == []


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_failures_without_their_rows_write_nothing(settings, rows):
    if rows:
        fail(settings, rows)
    with pytest.raises(AccountingError, match=rf"expected 2 rows in .*/failures/.*, but it has {rows}"):
        reports.write(settings, RunTotals(1, 5, 3, 2), 1, 3, STATES)
    assert set(parts(settings)) <= {"failures"}


def test_a_run_without_failures_has_an_empty_table(settings):
    reports.write(settings, RunTotals(1, 5, 5, 0), 1, 5, STATES)
    assert parts(settings) == ["classes", "failures", "runs", "slices"]
    table = pq.read_table(f"{settings.run.folder('failures')}/part-0.parquet", partitioning=None)
    assert (table.num_rows, table.schema.names) == (0, tables.FAILURES.names)


def test_the_tables_and_their_place(settings):
    fail(settings, 2)
    path = reports.write(settings, RunTotals(1, 5, 3, 2), 1, 3, STATES)
    assert path == f"{settings.run.output}/runs/eval_date=2026-11-23/run_id=r1/part-0.parquet"
    classes = pq.read_table(f"{settings.run.folder('classes')}/part-0.parquet", partitioning=None).to_pylist()
    assert [(r["slice"], r["class_name"], r["true_positives"]) for r in classes] == [("all", "a", 3)]
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    assert (row["status"], row["shards"], row["records"], row["scored"], row["failed"]) == ("done", 1, 5, 3, 2)
    assert (row["config_fingerprint"], row["model_fingerprint"], row["started"]) == ("cfg", "mdl", STARTED)


def test_the_runs_row_is_written_last(settings, monkeypatch):
    order, write_table = [], run_files.write_table

    def noted(table, run, name, file):
        order.append(name)
        return write_table(table, run, name, file)

    monkeypatch.setattr(run_files, "write_table", noted)
    reports.write(settings, RunTotals(1, 5, 5, 0), 1, 5, STATES)
    assert order[-1] == "runs"
    assert sorted(order) == ["classes", "failures", "runs", "slices"]


def test_writing_again_replaces(settings):
    for _ in range(2):
        reports.write(settings, RunTotals(1, 5, 5, 0), 1, 0, STATES)
    assert parts(settings) == ["classes", "failures", "runs", "slices"]


@pytest.mark.parametrize(("scored_now", "rate"), [(40, 4.0), (0, None)])
def test_speed_is_of_this_attempt(settings, scored_now, rate):
    row = reports.run_row(settings, RunTotals(1, 100, 100, 0), scored_now, STARTED + timedelta(seconds=10))
    assert (row["seconds"], row["samples_per_second"]) == (10.0, rate)
    assert set(row) == set(tables.RUNS.names)


def test_a_run_over_budget_is_written_and_says_so(settings):
    fail(settings, 2)
    strict = dataclasses.replace(settings, max_failed_fraction=0.0)
    path = reports.write(strict, RunTotals(1, 5, 3, 2), 1, 3, STATES)
    assert pq.read_table(path, partitioning=None).column("status").to_pylist() == ["over_failure_budget"]
