"""Which runs are the latest and the run before: those of status done; histories show every finished run."""
# ruff: noqa: S608 - the statements are the point

import pytest

from dicebeam.components.explore import query
from dicebeam.components.runs import accounting
from tests.support.small_nights import night

NOT_DONE = [accounting.OVER_BUDGET, accounting.CUT_SHORT, accounting.NOTHING_SCORED]


def ask(output, sql):
    return query.query(str(output), sql).rows


@pytest.fixture(params=NOT_DONE)
def output(request, tmp_path):
    """Done, not done, done, not done."""
    for order, (status, dice) in enumerate(
        [("done", 0.8), (request.param, 0.1), ("done", 0.6), (request.param, 0.2)], start=1
    ):
        night(tmp_path, order, status, dice)
    return tmp_path


def test_the_latest_run_is_done_and_so_is_the_one_before(output):
    assert ask(output, "SELECT run_id, previous_run_id, status FROM latest_run") == [("n3", "n1", "done")]


@pytest.mark.parametrize("view", ["latest_classes", "worst_samples", "latest_changes", "worst_slices"])
def test_every_view_of_the_latest_run_is_of_that_one(view, output):
    assert ask(output, f"SELECT DISTINCT run_id FROM {view}") == [("n3",)]


def test_changes_are_against_the_last_run_that_is_done(output):
    changes = "SELECT DISTINCT baseline_run_id, round(dice_change, 9) FROM latest_changes"
    assert ask(output, changes) == [("n1", -0.2)]
    slices = "SELECT previous_run_id, previous_dice_mean, round(dice_mean_change, 9) FROM worst_slices"
    assert ask(output, slices) == [("n1", 0.8, -0.2)]


def test_finished_runs_are_all_there_with_their_status(output):
    rows = ask(output, "SELECT run_id, status = 'done', previous_run_id FROM finished_runs ORDER BY finished")
    assert rows == [("n1", True, None), ("n2", False, "n1"), ("n3", True, "n1"), ("n4", False, "n3")]


def test_a_history_has_every_night_with_its_status_and_no_change_against_one_that_is_not_done(output):
    rows = ask(
        output, "SELECT run_id, status = 'done', round(dice_mean_change, 9) FROM class_history ORDER BY finished"
    )
    assert rows == [("n1", True, None), ("n2", False, -0.7), ("n3", True, -0.2), ("n4", False, -0.4)]


def test_runs_of_choice_and_finished_samples_may_be_of_any_status(output):
    assert ask(output, "SELECT DISTINCT run_id FROM finished_samples ORDER BY 1") == [
        ("n1",),
        ("n2",),
        ("n3",),
        ("n4",),
    ]
    chosen = "SELECT DISTINCT round(dice_change, 9) FROM sample_changes WHERE run_id = 'n3' AND baseline_run_id = 'n2'"
    assert ask(output, chosen) == [(0.5,)]


@pytest.mark.parametrize("status", NOT_DONE)
@pytest.mark.parametrize("view", ["latest_run", "latest_classes", "worst_samples", "latest_changes", "worst_slices"])
def test_where_no_run_is_done_none_is_the_latest(view, status, tmp_path):
    night(tmp_path, 1, status, 0.5)
    assert ask(tmp_path, f"FROM {view}") == []


def test_a_night_without_a_dice_is_not_skipped_by_the_change(tmp_path):
    """The class was not there on the second night: the change of the third is not against the first."""
    for order, dice in enumerate([0.8, None, 0.6], start=1):
        night(tmp_path, order, "done", dice)
    rows = ask(tmp_path, "SELECT run_id, dice_mean_change FROM class_history ORDER BY finished")
    assert rows == [("n1", None), ("n2", None), ("n3", None)]


def test_a_trial_of_another_config_is_not_the_run_before(tmp_path):
    night(tmp_path, 1, "done", 0.8)
    night(tmp_path, 2, "done", 0.7, config="trial")
    night(tmp_path, 3, "done", 0.6)
    assert ask(tmp_path, "SELECT run_id, previous_run_id FROM latest_run") == [("n3", "n1")]
