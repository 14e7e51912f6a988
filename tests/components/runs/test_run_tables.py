"""Runs read back while another process with the same run id rebuilds their tables."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from dicebeam.components.runs import run_files, run_tables, runs_row
from dicebeam.components.storage import filesystems
from dicebeam.pipeline.runner import run as run_module
from dicebeam.schemas import tables
from dicebeam.schemas.errors import StorageError, TablesError
from tests.support import run_rows

NOT_COMPLETE = r"^run 'r1' is not complete: expected one row in .*/runs/.*run_id=r1, but "
REMEDY = "; another process may be rebuilding its tables: when it has ended, run the same command with --run-id r1$"


@pytest.fixture
def finished(tmp_path: Path) -> run_files.Run:
    run = run_files.Run(str(tmp_path), "2026-11-24", "r1", "c", "m")
    row = pa.Table.from_pylist([{"status": "done", "scored": 1, "failed": 0}], schema=tables.RUNS)
    run_files.write_table(row, run, "runs", runs_row.FILE)
    for name in ("classes", "slices"):
        run_files.write_table(tables.FIXED[name].empty_table(), run, name, runs_row.FILE)
    return run


@pytest.fixture
def hidden_in_between(finished: run_files.Run, monkeypatch: pytest.MonkeyPatch) -> run_files.Run:
    """Its row is there when it is looked for, and gone when it is opened."""
    real = filesystems.reading

    @contextmanager
    def reading(path: str) -> Iterator[BinaryIO]:
        runs_row.hide(finished)
        with real(path) as file:
            yield file

    monkeypatch.setattr(filesystems, "reading", reading)
    return finished


def test_a_finished_run(finished: run_files.Run) -> None:
    assert run_module.outcome(finished).valid
    assert [past.run_id for past in run_rows.finished_runs(finished.output)] == ["r1"]


def test_a_row_that_was_hidden_before(finished: run_files.Run) -> None:
    runs_row.hide(finished)
    with pytest.raises(TablesError, match=NOT_COMPLETE + "got 0" + REMEDY):
        run_module.outcome(finished)


def test_a_row_that_is_hidden_while_it_is_read(hidden_in_between: run_files.Run) -> None:
    with pytest.raises(TablesError, match=NOT_COMPLETE + r".*part-0\.parquet went away" + REMEDY):
        run_module.outcome(hidden_in_between)


def test_a_row_that_is_hidden_while_runs_are_listed(hidden_in_between: run_files.Run) -> None:
    assert run_rows.finished_runs(hidden_in_between.output) == []


def test_the_row_is_found_where_it_was_hidden(hidden_in_between: run_files.Run) -> None:
    row = runs_row.read(hidden_in_between)
    assert row is not None
    assert row["scored"] == 1


@pytest.mark.parametrize("hide", [runs_row.hide, runs_row.set_aside])
def test_a_run_whose_row_is_hidden_is_known_and_not_finished(finished: run_files.Run, hide: Any) -> None:
    assert run_rows.hidden_runs(finished.output) == []
    hide(finished)
    assert run_rows.finished_runs(finished.output) == []
    assert [past.run_id for past in run_rows.hidden_runs(finished.output)] == ["r1"]


def test_what_a_killed_writer_left_is_no_hidden_run(finished: run_files.Run) -> None:
    Path(finished.folder("runs"), ".part-0.parquet.0123.tmp").write_bytes(b"half a row")
    assert run_rows.hidden_runs(finished.output) == []


def test_a_run_that_is_finished_again_is_not_hidden(finished: run_files.Run) -> None:
    row = Path(finished.folder("runs"), "part-0.parquet")
    row.with_name(".part-0.parquet.before").write_bytes(row.read_bytes())
    assert run_rows.hidden_runs(finished.output) == []


DATES = [("2026-11-24", "r1"), ("2025-02-01", "r2"), ("2026-11-24", "r3"), ("2025-02-01", "r0")]


@pytest.fixture
def several(tmp_path: Path) -> str:
    for date, run_id in DATES:
        run = run_files.Run(str(tmp_path), date, run_id, "c", "m")
        row = pa.Table.from_pylist([{"status": "done", "model": run_id}], schema=tables.RUNS)
        run_files.write_table(row, run, "runs", runs_row.FILE)
    return str(tmp_path)


def damage(output: str, date: str, run_id: str) -> None:
    path = Path(output, "runs", f"eval_date={date}", f"run_id={run_id}", runs_row.FILE)
    path.write_bytes(path.read_bytes()[:-9])


def test_names_are_listed_the_last_date_first_and_no_row_is_read(several: str, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(several, "2025-02-01", "r0")
    runs_row.hide(run_files.Place(several, "2025-02-01", "r2"))
    monkeypatch.setattr(filesystems, "reading", None)
    assert run_tables.listed(several) == [
        ("2026-11-24", "r3", True), ("2026-11-24", "r1", True), ("2025-02-01", "r2", False), ("2025-02-01", "r0", True),
    ]  # fmt: skip


def test_one_listing_has_all_names(several: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listings = []
    real = filesystems.match
    monkeypatch.setattr(filesystems, "match", lambda pattern, **how: listings.append(pattern) or real(pattern, **how))
    assert len(run_tables.listed(several)) == len(DATES)
    assert len(listings) == 1


def test_there_are_no_names_where_nothing_was_evaluated(tmp_path: Path) -> None:
    assert run_tables.listed(str(tmp_path)) == []


def test_a_run_is_found_by_its_name(several: str) -> None:
    names = run_tables.listed(several)
    assert run_tables.named(names, "r1") == ("2026-11-24", "r1", True)
    assert run_tables.named(names, "r") is None


def test_an_id_under_two_dates_is_no_run(several: str) -> None:
    shutil.copytree(f"{several}/runs/eval_date=2026-11-24/run_id=r1", f"{several}/runs/eval_date=2026-11-25/run_id=r1")
    with pytest.raises(TablesError, match=r"^run 'r1' is there under several dates, \['2026-11-24', '2026-11-25'\]"):
        run_tables.listed(several)


def test_rows_are_read_in_the_order_of_their_names(several: str) -> None:
    names = run_tables.listed(several)
    found = [row for _, row in run_tables.read_rows(several, names)]
    assert [(past.run_id, past.row["model"], past.stands) for past in found] == [
        (name.run_id, name.run_id, True) for name in names
    ]


def test_a_damaged_row_is_an_error_in_its_place_and_names_its_file(several: str) -> None:
    damage(several, "2025-02-01", "r2")
    names = run_tables.listed(several)
    *_, (_, damaged), (_, sound) = run_tables.read_rows(several, names)
    assert isinstance(damaged, TablesError)
    assert isinstance(sound, run_tables.FinishedRun)
    message = (
        r"^expected the row of run 'r2' in .*/runs/eval_date=2025-02-01/run_id=r2/part-0.parquet, but it is damaged: "
        r".*; to write it anew: dicebeam summarize CONFIG.yaml --run-id r2$"
    )
    with pytest.raises(TablesError, match=message):
        run_rows.finished_runs(several)


def test_a_row_that_was_hidden_since_it_was_listed_is_read_and_does_not_stand(several: str) -> None:
    names = run_tables.listed(several)
    runs_row.set_aside(run_files.Place(several, "2026-11-24", "r1"))
    found = run_tables.read_row(several, run_tables.named(names, "r1"))
    assert (found.run_id, found.stands) == ("r1", False)


def test_a_row_that_was_deleted_since_it_was_listed_is_left_out(several: str) -> None:
    names = run_tables.listed(several)
    Path(several, "runs", "eval_date=2026-11-24", "run_id=r1", runs_row.FILE).unlink()
    assert run_tables.read_row(several, run_tables.named(names, "r1")) is None
    assert [name.run_id for name, _ in run_tables.read_rows(several, names)] == ["r3", "r2", "r0"]


def test_a_file_of_two_rows_is_no_row(several: str) -> None:
    run = run_files.Run(several, "2026-11-24", "r1", "c", "m")
    rows = pa.Table.from_pylist([{"status": "done"}] * 2, schema=tables.RUNS)
    run_files.write_table(rows, run, "runs", runs_row.FILE)
    with pytest.raises(TablesError, match=r"run_id=r1/part-0.parquet, but it is damaged: it has 2 rows; to write"):
        run_tables.read_row(several, run_tables.named(run_tables.listed(several), "r1"))


@pytest.fixture
def tables_of(finished: run_files.Run) -> run_files.Run:
    for name in ("histograms", "replicates"):
        run_files.write_table(tables.FIXED[name].empty_table(), finished, name, runs_row.FILE)
    return finished


@pytest.mark.parametrize("name", ["classes", "slices", "histograms", "replicates"])
@pytest.mark.parametrize("place", ["gone", "a folder", "a link"])
def test_a_table_that_is_lost_is_named_and_not_empty(tables_of: run_files.Run, name: str, place: str) -> None:
    path = Path(tables_of.folder(name), runs_row.FILE)
    path.unlink()
    if place == "a folder":
        path.mkdir()
    if place == "a link":
        path.symlink_to(path.parent / "nowhere")
    with pytest.raises((TablesError, StorageError), match=f"{path.parent}.*; (to write it anew: .*--run-id r1$|m)"):
        run_tables.read(tables_of, name)


@pytest.mark.parametrize("name", ["classes", "slices", "histograms", "replicates", "runs"])
def test_a_table_with_a_file_more_is_not_read_twice(tables_of: run_files.Run, name: str) -> None:
    path = Path(tables_of.folder(name), runs_row.FILE)
    shutil.copy(path, path.with_name("part-0 (1).parquet"))
    with pytest.raises(TablesError, match=rf"in {path} alone, but there is .*/part-0 \(1\)\.parquet as well; delete"):
        run_tables.read(tables_of, name)


def test_a_file_of_another_table_of_the_run_is_foreign(tables_of: run_files.Run) -> None:
    there = Path(tables_of.folder("classes"), runs_row.FILE)
    shutil.copy(there, Path(tables_of.folder("slices"), runs_row.FILE))
    with pytest.raises(TablesError, match=r"^expected `slices` of run 'r1' in .*, but it is of `classes` of run 'r1'"):
        run_tables.read(tables_of, "slices")


def test_a_run_that_was_not_gated_has_no_verdict(tables_of: run_files.Run) -> None:
    assert run_tables.read(tables_of, "verdicts").num_rows == 0
