"""Runs read back while another process with the same run id rebuilds their tables."""

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
from dicebeam.schemas.errors import TablesError

NOT_COMPLETE = r"^run 'r1' is not complete: expected one row in .*/runs/.*run_id=r1, but "
REMEDY = "; another process may be rebuilding its tables: when it has ended, run the same command with --run-id r1$"


@pytest.fixture
def finished(tmp_path: Path) -> run_files.Run:
    run = run_files.Run(str(tmp_path), "2026-11-24", "r1", "c", "m")
    row = pa.Table.from_pylist([{"status": "done", "scored": 1, "failed": 0}], schema=tables.RUNS)
    run_files.write_table(row, run, "runs", runs_row.FILE)
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
    assert [past.run_id for past in run_tables.finished_runs(finished.output)] == ["r1"]


def test_a_row_that_was_hidden_before(finished: run_files.Run) -> None:
    runs_row.hide(finished)
    with pytest.raises(TablesError, match=NOT_COMPLETE + "got 0" + REMEDY):
        run_module.outcome(finished)


def test_a_row_that_is_hidden_while_it_is_read(hidden_in_between: run_files.Run) -> None:
    with pytest.raises(TablesError, match=NOT_COMPLETE + r".*part-0\.parquet went away" + REMEDY):
        run_module.outcome(hidden_in_between)


def test_a_row_that_is_hidden_while_runs_are_listed(hidden_in_between: run_files.Run) -> None:
    assert run_tables.finished_runs(hidden_in_between.output) == []


def test_the_row_is_found_where_it_was_hidden(hidden_in_between: run_files.Run) -> None:
    row = runs_row.read(hidden_in_between)
    assert row is not None
    assert row["scored"] == 1


@pytest.mark.parametrize("hide", [runs_row.hide, runs_row.set_aside])
def test_a_run_whose_row_is_hidden_is_known_and_not_finished(finished: run_files.Run, hide: Any) -> None:
    assert run_tables.hidden_runs(finished.output) == []
    hide(finished)
    assert run_tables.finished_runs(finished.output) == []
    assert [past.run_id for past in run_tables.hidden_runs(finished.output)] == ["r1"]


def test_what_a_killed_writer_left_is_no_hidden_run(finished: run_files.Run) -> None:
    Path(finished.folder("runs"), ".part-0.parquet.0123.tmp").write_bytes(b"half a row")
    assert run_tables.hidden_runs(finished.output) == []


def test_a_run_that_is_finished_again_is_not_hidden(finished: run_files.Run) -> None:
    row = Path(finished.folder("runs"), "part-0.parquet")
    row.with_name(".part-0.parquet.before").write_bytes(row.read_bytes())
    assert run_tables.hidden_runs(finished.output, run_tables.finished_runs(finished.output)) == []
