"""The latest run: of status done, and never an older one in place of one that is missing."""

from pathlib import Path

import pytest

from dicebeam.components.runs import latest_run, run_tables, runs_row
from dicebeam.schemas.errors import TablesError
from tests.support.run_rows import write

OVER, CUT = "over_failure_budget", "shard_cut_short"


def finished(output: Path, name: str, ago: float, status: str = "done") -> None:
    write(output, name, began=9, ended=ago, status=status, records=10, scored=4, failed=6)


def hide(output: Path, name: str) -> None:
    runs_row.hide(run_tables.read_named(str(output), run_tables.listed(str(output)), name).run)


def latest(output: Path) -> str | None:
    found = latest_run.latest(str(output), run_tables.listed(str(output)))
    return found and found.run_id


def test_the_last_one_that_is_done(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    for name, ago, status in (("old", 4, "done"), ("good", 3, "done"), ("bad", 2, OVER), ("cut", 1, CUT)):
        finished(tmp_path, name, ago, status)
    assert latest(tmp_path) == "good"


@pytest.mark.parametrize("ago", [2.5, 0])
def test_an_older_one_is_no_replacement_for_one_that_is_hidden(tmp_path: Path, ago: float) -> None:
    for name, when, status in (("good", 3, "done"), ("bad", 2, OVER), ("hidden", ago, "done")):
        finished(tmp_path, name, when, status)
    hide(tmp_path, "hidden")
    said = r"the run that finished last is 'hidden', but its row .* To repair it: dicebeam summarize .* --run-id hidden"
    with pytest.raises(TablesError, match=said):
        latest(tmp_path)


@pytest.mark.parametrize(("ago", "status"), [(4, "done"), (0, "nothing_scored")])
def test_a_hidden_one_that_is_older_or_not_done_changes_nothing(tmp_path: Path, ago: float, status: str) -> None:
    finished(tmp_path, "good", 3)
    finished(tmp_path, "hidden", ago, status)
    hide(tmp_path, "hidden")
    assert latest(tmp_path) == "good"


def test_where_none_is_done_it_is_said(tmp_path: Path) -> None:
    finished(tmp_path, "bad", 2, OVER)
    said = (
        r"expected a run of status done, but there is none; the last one, 'bad', has the status over_failure_budget: "
        r"6 of 10 records failed; to judge it: --run-id bad$"
    )
    with pytest.raises(TablesError, match=said):
        latest(tmp_path)


def test_a_run_that_finished_later_is_said(tmp_path: Path) -> None:
    def said() -> str | None:
        names = run_tables.listed(str(tmp_path))
        return latest_run.passed_over(run_tables.read_named(str(tmp_path), names, "good"), str(tmp_path), names)

    finished(tmp_path, "old", 4, OVER)
    finished(tmp_path, "good", 3)
    assert said() is None
    finished(tmp_path, "bad", 2, OVER)
    assert said() == (
        "run bad finished later than good, but its status is over_failure_budget: 6 of 10 records failed; "
        "to judge it: --run-id bad"
    )
