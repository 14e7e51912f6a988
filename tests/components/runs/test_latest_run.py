"""The latest run: of status done, and never an older one in place of one that is missing."""

from datetime import UTC, datetime, timedelta

import pytest

from dicebeam.components.runs import latest_run
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.run_tables import FinishedRun
from dicebeam.schemas.errors import TablesError

START = datetime(2026, 11, 1, tzinfo=UTC)


def past(name, night, status="done"):
    row = {"status": status, "finished": START + timedelta(night), "records": 10, "scored": 4, "failed": 6}
    return FinishedRun(Run("o", "2026-11-01", name, "c", "m"), row)


BAD = past("bad", 3, "over_failure_budget")
CUT = past("cut", 4, "shard_cut_short")
GOOD, OLD = past("good", 2), past("old", 1)


def test_the_last_one_that_is_done():
    assert latest_run.latest([CUT, BAD, GOOD, OLD], []) is GOOD
    assert latest_run.latest([], []) is None


@pytest.mark.parametrize("hidden", [past("hidden", 2.5), past("hidden", 9)])
def test_an_older_one_is_no_replacement_for_one_that_is_hidden(hidden):
    said = r"the run that finished last is 'hidden', but its row .* To repair it: dicebeam summarize .* --run-id hidden"
    with pytest.raises(TablesError, match=said):
        latest_run.latest([CUT, BAD, GOOD], [hidden])
    with pytest.raises(TablesError, match=said):
        latest_run.latest([], [hidden])


@pytest.mark.parametrize("hidden", [past("hidden", 1.5), past("hidden", 9, "nothing_scored")])
def test_a_hidden_one_that_is_older_or_not_done_changes_nothing(hidden):
    assert latest_run.latest([GOOD], [hidden]) is GOOD


def test_where_none_is_done_it_is_said():
    said = (
        r"expected a run of status done, but there is none; the last one, 'bad', has the status over_failure_budget: "
        r"6 of 10 records failed; to judge it: --run-id bad$"
    )
    with pytest.raises(TablesError, match=said):
        latest_run.latest([BAD], [])


def test_runs_that_finished_later_are_said():
    assert latest_run.passed_over(GOOD, [GOOD, OLD]) is None
    assert latest_run.passed_over(GOOD, [BAD, GOOD, OLD]) == (
        "run bad finished later than good, but its status is over_failure_budget: 6 of 10 records failed; "
        "to judge it: --run-id bad"
    )
    assert latest_run.passed_over(GOOD, [CUT, BAD, GOOD]).startswith(
        "run cut finished later than good, as did 1 more that are not done, but its status is shard_cut_short: a shard"
    )
