"""The end of a run: nothing is written unless every record is accounted for, and the `runs` row is last."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.runs import accounting, run_files, runs_row
from dicebeam.components.runs.run_files import Run
from dicebeam.components.storage import parquet_files
from dicebeam.components.summary import write_tables as reports
from dicebeam.components.summary.write_tables import Counted, TableSettings
from dicebeam.schemas import tables
from dicebeam.schemas.accounting import FileSums, RunTotals
from dicebeam.schemas.errors import AccountingError
from dicebeam.schemas.shards import Shard
from dicebeam.schemas.slices import SliceTables
from tests.support import attempts

STARTED = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
EVERY = ["classes", "failures", "histograms", "replicates", "runs", "slices"]
DIGEST, DATA, LABELS = "0123456789abcdef" * 2, "f" * 32, "e" * 32


def slice_report(name, replicates=2):
    """A report whose rows say only which slice they are of."""

    def rows(schema, count):
        return pa.Table.from_pylist([{"slice": name}] * count, schema=schema)

    kept = None if replicates is None else rows(tables.REPLICATES, replicates)
    return SliceTables(name, rows(tables.CLASSES, 3), rows(tables.SLICES, 1), rows(tables.HISTOGRAMS, 4), kept)


SLICES = [slice_report("all")]


def counted(totals, shards=1, scored_now=None, duplicate_ids=0):
    sums = FileSums(totals, DIGEST, DATA, LABELS)
    return Counted(sums, shards, totals.scored if scored_now is None else scored_now, duplicate_ids)


def slices_of(settings, table):
    path = f"{settings.run.folder(table)}/part-0.parquet"
    return pq.read_table(path, partitioning=None).column("slice").to_pylist()


@pytest.fixture
def settings(tmp_path):
    run = Run(str(tmp_path), "2026-11-23", "r1", "cfg", "mdl")
    return TableSettings(
        run=run, max_failed_fraction=0.5, config='{"a": 1}', model="/m",
        versions=json.dumps({"python": "3"}), runner="FnApiRunner", started=STARTED,
    )  # fmt: skip


def fail(settings, rows):
    """A unit of so many records that failed."""
    attempts.score(settings.run, Shard("/data/s", 1), range(rows), rows)


def rewrite_failures(settings, rows):
    """Other rows than the sample file says, in the failures file that it names."""
    (path,) = Path(settings.run.folder("failures")).iterdir()
    table = pa.Table.from_pylist([{"shard": "s", "record": i} for i in range(rows)], schema=tables.FAILURES)
    run_files.write_table(table, settings.run, "failures", path.name)


def row_of(path):
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    return row


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
    assert accounting.status(totals, budget) == status


@pytest.mark.parametrize(
    ("totals", "shards"),
    [(RunTotals(1, 3, 2, 0), 1), (RunTotals(1, 3, 3, 1), 1), (RunTotals(1, 3, 3, 0), 2), (RunTotals(2, 3, 3, 0), 1)],
)
def test_broken_accounting_writes_nothing(settings, totals, shards):
    with pytest.raises(
        AccountingError, match=f"expected {shards} shards and records = scored .* but the sample files hold"
    ):
        reports.write(settings, counted(totals, shards), SLICES)
    assert parts(settings) == []


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_failures_without_their_rows_write_nothing(settings, rows):
    fail(settings, 2)
    rewrite_failures(settings, rows)
    with pytest.raises(AccountingError, match=rf"expected 2 rows in .*/failures/.*, as .*, but it has {rows}; evaluat"):
        reports.write(settings, counted(RunTotals(1, 5, 3, 2)), SLICES)
    assert set(parts(settings)) <= {"failures", "samples"}


def test_a_run_without_failures_has_an_empty_table(settings):
    reports.write(settings, counted(RunTotals(1, 5, 5, 0)), SLICES)
    assert parts(settings) == EVERY
    table = pq.read_table(f"{settings.run.folder('failures')}/part-0.parquet", partitioning=None)
    assert (table.num_rows, table.schema.names) == (0, tables.FAILURES.names)


def test_the_tables_and_their_place(settings):
    fail(settings, 2)
    path = reports.write(settings, counted(RunTotals(1, 5, 3, 2)), SLICES)
    assert path == f"{settings.run.output}/runs/eval_date=2026-11-23/run_id=r1/part-0.parquet"
    assert {table: len(slices_of(settings, table)) for table in ("classes", "slices", "histograms", "replicates")} == {
        "classes": 3, "slices": 1, "histograms": 4, "replicates": 2
    }  # fmt: skip
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    assert (row["status"], row["shards"], row["records"], row["scored"], row["failed"]) == ("done", 1, 5, 3, 2)
    assert (row["config_fingerprint"], row["model_fingerprint"], row["started"]) == ("cfg", "mdl", STARTED)
    assert (row["duplicate_ids"], row["digest"], row["data_fingerprint"]) == (0, DIGEST, DATA)
    assert row["slices_fingerprint"] == LABELS


def test_the_runs_row_is_written_last(settings, monkeypatch):
    order, write_tables = [], run_files.write_tables

    def noted(written, schema, run, name, file):
        order.append(name)
        return write_tables(written, schema, run, name, file)

    monkeypatch.setattr(run_files, "write_tables", noted)
    reports.write(settings, counted(RunTotals(1, 5, 5, 0)), SLICES)
    assert order[-1] == "runs"
    assert sorted(order) == EVERY


def test_writing_again_replaces(settings):
    for _ in range(2):
        reports.write(settings, counted(RunTotals(1, 5, 5, 0)), SLICES)
    assert parts(settings) == EVERY


@pytest.mark.parametrize(("scored_now", "rate"), [(40, 4.0), (0, None)])
def test_speed_is_of_this_attempt(settings, scored_now, rate):
    row = reports.run_row(settings, counted(RunTotals(1, 100, 100, 0), 1, scored_now), STARTED + timedelta(seconds=10))
    assert (row["seconds"], row["samples_per_second"]) == (10.0, rate)
    assert set(row) == set(tables.RUNS.names)


def test_a_finished_run_with_nothing_new_keeps_what_is_of_the_attempt_that_scored(settings):
    first = row_of(reports.write(settings, counted(RunTotals(1, 5, 5, 0), scored_now=5), SLICES))
    seen = runs_row.identity(settings.run)
    later = dataclasses.replace(
        settings, seen=seen, started=STARTED + timedelta(days=7), versions="{}", runner="another"
    )
    again = row_of(reports.write(later, counted(RunTotals(1, 5, 5, 0), scored_now=0), SLICES))
    for name in ("versions", "runner", "started", "finished", "seconds", "samples_per_second"):
        assert again[name] == first[name], name


def test_a_damaged_row_is_written_anew(settings):
    path = Path(reports.write(settings, counted(RunTotals(1, 5, 5, 0), scored_now=5), SLICES))
    path.write_bytes(path.read_bytes()[:-9])
    settings = dataclasses.replace(settings, seen=runs_row.identity(settings.run))
    assert row_of(reports.write(settings, counted(RunTotals(1, 5, 5, 0), scored_now=0), SLICES))["status"] == "done"


def test_a_finished_run_with_more_records_is_finished_anew(settings):
    first = row_of(reports.write(settings, counted(RunTotals(1, 5, 5, 0), scored_now=5), SLICES))
    settings = dataclasses.replace(settings, seen=runs_row.identity(settings.run))
    more = row_of(reports.write(settings, counted(RunTotals(2, 9, 9, 0), 2, scored_now=4), SLICES))
    assert more["finished"] > first["finished"]


def test_a_run_over_budget_is_written_and_says_so(settings):
    fail(settings, 2)
    strict = dataclasses.replace(settings, max_failed_fraction=0.0)
    path = reports.write(strict, counted(RunTotals(1, 5, 3, 2)), SLICES)
    assert pq.read_table(path, partitioning=None).column("status").to_pylist() == ["over_failure_budget"]


def test_all_is_first_and_then_the_slices_by_name(settings):
    given = [slice_report(name) for name in ("z=1", "all", "a=2", "a=10")]
    reports.write(settings, counted(RunTotals(1, 5, 5, 0)), given)
    for table in ("classes", "slices", "histograms", "replicates"):
        found = slices_of(settings, table)
        assert list(dict.fromkeys(found)) == ["all", "a=10", "a=2", "z=1"], table
        assert found == sorted(found, key=lambda name: (name != "all", name))


def test_slices_whose_replicates_are_not_kept(settings):
    reports.write(settings, counted(RunTotals(1, 5, 5, 0)), [slice_report("a=1", None), slice_report("all", 3)])
    assert slices_of(settings, "replicates") == ["all"] * 3
    assert slices_of(settings, "slices") == ["all", "a=1"]


def test_a_run_without_samples_has_every_table(settings):
    fail(settings, 1)
    reports.write(settings, counted(RunTotals(1, 1, 0, 1)), [])
    assert parts(settings) == sorted([*EVERY, "samples"])
    for table in ("classes", "slices", "histograms", "replicates"):
        assert slices_of(settings, table) == []


def test_many_slices_are_written_in_row_groups(settings, monkeypatch):
    monkeypatch.setattr(parquet_files, "ROWS_A_GROUP", 10)
    reports.write(settings, counted(RunTotals(1, 5, 5, 0)), [slice_report(f"a={i:02}") for i in range(25)])
    groups = pq.ParquetFile(f"{settings.run.folder('classes')}/part-0.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [12] * 6 + [3]
    assert slices_of(settings, "slices") == [f"a={i:02}" for i in range(25)]
