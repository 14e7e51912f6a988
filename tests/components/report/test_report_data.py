"""What a page says, from thirty nights of tables, against pandas and the tables themselves."""

import pytest

from dicebeam.components.report import charts, report_data, report_lines, trend
from dicebeam.components.report.report_lines import Compared
from dicebeam.schemas.errors import DamagedError
from dicebeam.schemas.verdict import RULES, SKIPPED
from tests.support import pages, run_rows, small_nights, verdicts

FOREGROUND = ("car", "person")


@pytest.fixture(scope="module")
def runs(nights):
    return run_rows.finished_runs(nights[0])


def run_of(runs, run_id):
    return next(run for run in runs if run.run_id == run_id)


def collected(runs, *checks, run_id="night-29", baseline="night-28", **more):
    verdict = verdicts.verdict(*checks, run_id=run_id, baseline_run_id=baseline, **more) if checks else None
    return report_data.collect(run_of(runs, run_id), runs, verdict, FOREGROUND)


def foreground_check(**more):
    return verdicts.check("PASS", class_id=None, class_name="foreground", **more)


def test_lines_are_the_rows_of_the_tables(runs, nights):
    data = collected(runs, foreground_check())
    rows = nights[1]["classes"].set_index(["run_id", "slice", "class_name"])
    assert len(data.lines) == 9
    for line in data.lines:
        now, before = rows.loc[("night-29", line.slice, line.name)], rows.loc[("night-28", line.slice, line.name)]
        assert (line.dice.value, line.dice.baseline) == (now.dice_mean, before.dice_mean)
        assert line.dice.difference == pytest.approx(now.dice_mean - before.dice_mean)
        assert (line.n_missed, line.pooled, line.median) == (now.n_missed, now.dice_pooled, now.dice_p50)
    assert [line.slice for line in data.lines[:3]] == ["all"] * 3


def test_the_paired_interval_and_the_verdict_are_the_gate_s(runs):
    check = verdicts.check("REGRESSED", class_name="car", baseline=0.7, difference=-0.1, low=-0.2, high=-0.05)
    lines = {line.name: line for line in collected(runs, check).lines if line.slice == "all"}
    car = lines["car"]
    assert (car.dice.baseline, car.dice.difference, car.dice.paired_low) == (0.7, -0.1, -0.2)
    assert (car.verdict, lines["person"].verdict) == ("REGRESSED", None)
    assert lines["person"].dice.paired_low is None


def test_checks_of_the_foreground_are_of_the_slices_and_of_no_class_of_that_name(runs):
    data = collected(runs, foreground_check(slice="site=south", low=-0.3, high=-0.1))
    by_name = {line.slice: line for line in data.slices}
    assert (by_name["site=south"].dice.paired_low, by_name["site=south"].verdict) == (-0.3, "PASS")
    assert by_name["site=north"].dice.paired_low is None


def test_skipped_checks_are_no_pass_and_nothing_invalid():
    found = report_lines._verdicts([verdicts.check(SKIPPED), verdicts.check("PASS", slice="x"),
                                    verdicts.check(SKIPPED, slice="x")])  # fmt: skip
    assert found == {("all", "car"): SKIPPED, ("x", "car"): "PASS"}


def test_slices_that_moved_most_come_first_and_without_a_baseline_the_lowest(runs):
    moved = collected(runs, foreground_check(slice="nowhere")).slices
    assert moved[0].slice == "all"
    assert abs(moved[1].dice.difference) >= abs(moved[2].dice.difference)
    lowest = collected(runs).slices
    assert lowest[1].dice.value <= lowest[2].dice.value
    assert all(line.dice.baseline is None for line in lowest)


def test_too_many_classes_and_slices_are_cut(runs, monkeypatch):
    monkeypatch.setattr(report_lines, "MAX_CLASSES", 1)
    monkeypatch.setattr(report_lines, "MAX_SLICES", 2)
    data = collected(runs, foreground_check())
    assert (len({line.name for line in data.lines}), data.n_lines) == (1, 3)
    assert (len(data.slices), data.n_slices) == (2, 3)
    monkeypatch.setattr(report_lines, "MAX_LINES", 1)
    assert len(collected(runs, foreground_check()).lines) == 1


def test_histograms_have_every_sample_of_both_runs(runs, nights):
    rows = nights[1]["histograms"].query("slice == 'all'").groupby(["run_id", "class_name"]).n_samples.sum()
    for histogram in collected(runs, foreground_check()).histograms:
        assert sum(histogram.now) == rows["night-29", histogram.class_name]
        assert sum(histogram.before) == rows["night-28", histogram.class_name]
        assert len(histogram.now) == len(histogram.before) == 50


def test_without_a_verdict_the_headline_is_the_mean_of_the_classes_under_each_rule(runs, nights):
    rows = nights[1]["samples"].query("run_id == 'night-29' and class_name in @FOREGROUND")
    dice = rows.assign(dice=rows.dice.astype(float)).groupby("class_name").dice
    expected = [dice.mean().mean(), *(dice.apply(lambda d, v=v: d.fillna(v).mean()).mean() for v in (1, 0))]
    found = collected(runs).headline
    assert [line.rule for line in found] == list(RULES)
    assert [line.value for line in found] == pytest.approx(expected)


@pytest.mark.parametrize("limit", ["MAX_CLASSES", "MAX_LINES", "MAX_SLICES"])
def test_the_headline_is_of_every_foreground_class_however_few_are_shown(runs, limit, monkeypatch):
    every = collected(runs).headline
    monkeypatch.setattr(report_lines, limit, 1)
    assert collected(runs).headline == every


def test_the_headline_is_the_value_of_slices(runs, nights):
    row = nights[1]["slices"].query("run_id == 'night-29' and slice == 'all'").iloc[0]
    assert collected(runs).headline[0].value == row.dice_mean


@pytest.mark.parametrize(("n_samples", "n_absent", "mean", "expected"), [
    (10, 4, 0.5, (0.5, 0.7, 0.3)),
    (10, 10, None, (None, 1.0, 0.0)),
    (0, 0, None, (None, None, None)),
])  # fmt: skip
def test_rules_by_hand(n_samples, n_absent, mean, expected):
    line = pages.class_line("a", dice=Compared(mean, None, None), n_samples=n_samples, n_absent=n_absent)
    assert tuple(line.under(rule) for rule in RULES) == pytest.approx(expected)


def test_a_baseline_that_is_gone_is_said(runs):
    data = collected(runs, foreground_check(), baseline="long-gone")
    assert data.baseline is None
    assert data.notes == ("The tables of the baseline long-gone are not there any more.",)


def test_the_first_failures_are_listed_in_order(runs):
    data = collected(runs, run_id="night-14")
    assert [row["record"] for row in data.failures] == [5]
    assert collected(runs).failures == ()


def test_the_trend_ends_with_the_run_and_has_others_apart(runs, nights):
    found = trend.points(run_of(runs, "night-20"), runs).points
    own = [point for point in found if point.comparable]
    assert [point.run_id for point in own] == [f"night-{i:02}" for i in range(21)]
    assert [point.run_id for point in found if not point.comparable] == ["trial"]
    rows = nights[1]["slices"].query("slice == 'all'").set_index("run_id")
    for point in own:
        assert (point.value, point.low) == (rows.dice_mean[point.run_id], rows.dice_mean_low[point.run_id])


def test_the_trend_has_no_more_nights_than_asked_and_others_of_their_time_alone(runs):
    found = trend.points(run_of(runs, "night-29"), runs, nights=5).points
    assert [point.run_id for point in found] == [f"night-{i}" for i in range(25, 30)]


def test_the_trend_has_runs_that_are_not_done_with_their_status(tmp_path):
    for order, status in enumerate(["done", "over_failure_budget", "done"], start=1):
        small_nights.night(tmp_path, order, status, 0.8)
    every = run_rows.finished_runs(str(tmp_path))
    points = trend.points(every[0], every).points
    assert [(point.run_id, point.status) for point in points] == [
        ("n1", "done"), ("n2", "over_failure_budget"), ("n3", "done"),
    ]  # fmt: skip
    assert str(charts.trend(points, None)).count(", status over_failure_budget") == 1


def test_the_trend_has_the_gate_s_verdicts(runs, nights):
    rows = nights[1]["verdicts"].drop_duplicates("run_id").set_index("run_id").run_verdict
    found = {point.run_id: point.verdict for point in trend.points(run_of(runs, "night-29"), runs).points}
    assert found == {run_id: rows.get(run_id) for run_id in found}
    assert any(found.values())


def test_a_damaged_night_is_left_out_of_the_trend_and_named(tmp_path):
    for order in (1, 2, 3):
        small_nights.night(tmp_path, order, "done", 0.8)
    path, *_ = tmp_path.glob("slices/*/run_id=n1/*.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    every = run_rows.finished_runs(str(tmp_path))
    found = trend.points(every[0], every)
    assert [point.run_id for point in found.points] == ["n2", "n3"]
    assert [str(path) in line for line in found.left_out] == [True]
    path, *_ = tmp_path.glob("slices/*/run_id=n3/*.parquet")
    path.unlink()
    with pytest.raises(DamagedError, match="but there is no file"):
        trend.points(every[0], every)
