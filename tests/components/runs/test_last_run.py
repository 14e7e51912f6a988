"""The last run of those that are wanted: the rows of old ones are not read, and none that may be it is passed over."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.runs import last_run, run_files, run_tables, runs_row
from dicebeam.components.runs.run_tables import FinishedRun, RunName
from dicebeam.schemas.errors import TablesError
from tests.support.run_rows import NOW, write


def damage(run: run_files.Run) -> None:
    Path(run.folder("runs"), runs_row.FILE).write_bytes(b"no row")


def found(output: Path, *wanted: Any) -> str | None:
    past = last_run.find(str(output), run_tables.listed(str(output)), *(wanted or (is_done,)))
    return past and past.run_id


def is_done(past: FinishedRun) -> bool:
    return past.row["status"] == "done"


def test_it_is_the_one_that_ended_last_and_not_that_of_the_last_date(tmp_path: Path) -> None:
    write(tmp_path, "resumed", began=9, ended=0)
    write(tmp_path, "newer", began=1)
    assert found(tmp_path) == "resumed"


def test_of_two_that_ended_together_it_is_that_of_the_last_id(tmp_path: Path) -> None:
    for name in ("a", "c", "b"):
        write(tmp_path, name, began=1)
    assert found(tmp_path) == "c"


def test_it_is_one_that_is_wanted(tmp_path: Path) -> None:
    write(tmp_path, "good", began=100)
    for day in range(50):
        write(tmp_path, f"bad{day}", began=day, status="nothing_scored")
    assert found(tmp_path) == "good"
    assert found(tmp_path, lambda _: False) is None


def test_what_it_is_instead_is_asked_for_when_nothing_else_is_there(tmp_path: Path) -> None:
    for day in range(50):
        write(tmp_path, f"r{day:02}", began=day, scored=day)
    assert found(tmp_path, lambda past: past.row["scored"] == 49, is_done) == "r49"
    assert found(tmp_path, lambda _: False, is_done) == "r00"


def test_there_is_none_where_there_are_no_runs(tmp_path: Path) -> None:
    assert found(tmp_path) is None


def test_a_hidden_run_is_found_and_does_not_stand(tmp_path: Path) -> None:
    write(tmp_path, "older", began=1)
    runs_row.hide(write(tmp_path, "last", began=0))
    past = last_run.find(str(tmp_path), run_tables.listed(str(tmp_path)), is_done)
    assert (past.run_id, past.stands) == ("last", False)


def test_no_more_rows_are_read_of_a_long_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in range(120):
        write(tmp_path, f"r{day:03}", began=day)
    read: list[RunName] = []
    real = run_tables.read_row
    monkeypatch.setattr(run_tables, "read_row", lambda output, name: read.append(name) or real(output, name))
    assert found(tmp_path) == "r000"
    assert len(read) <= last_run.NAMES_AT_ONCE


def test_a_damaged_row_that_may_be_it_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    write(tmp_path, "last", began=0)
    damage(write(tmp_path, "slow", began=last_run.LONGEST_DAYS))
    with pytest.raises(
        TablesError, match=r"^expected the row of run 'slow' in .*/run_id=slow/part-0.parquet, but it is"
    ):
        found(tmp_path)


def test_a_damaged_row_that_cannot_be_it_is_in_nobodys_way(tmp_path: Path) -> None:
    write(tmp_path, "last", began=0)
    damage(write(tmp_path, "old", began=last_run.LONGEST_DAYS + 1))
    assert found(tmp_path) == "last"


def test_any_damaged_row_may_be_it_where_none_is_found(tmp_path: Path) -> None:
    write(tmp_path, "last", began=0, status="nothing_scored")
    damage(write(tmp_path, "old", began=400))
    with pytest.raises(TablesError, match="expected the row of run 'old'"):
        found(tmp_path)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, last_run.LONGEST_DAYS - 1), st.booleans()), max_size=90))
def test_it_is_what_reading_every_row_finds(runs: list[tuple[int, int, bool]]) -> None:
    rows = {}
    for number, (began, took, done) in enumerate(runs):
        name = RunName(f"{NOW - timedelta(days=began):%Y-%m-%d}", f"r{number:02}", stands=True)
        row = {"finished": NOW - timedelta(days=began - took), "status": "done" if done else "bad"}
        rows[name] = FinishedRun(run_files.Run("o", name.eval_date, name.run_id, "c", "m"), row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_tables, "read_row", lambda _, name: rows[name])
        past = last_run.find("o", sorted(rows, reverse=True), is_done)
    wanted = [each for each in rows.values() if is_done(each)]
    assert past == max(wanted, key=lambda each: (each.finished, each.run_id), default=None)
