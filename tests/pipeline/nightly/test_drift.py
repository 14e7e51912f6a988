"""The gate with checks of the data, over real runs and data statistics that are made by hand."""

import json
import shutil
from pathlib import Path

import pytest

from dicebeam.components.runs import run_tables
from dicebeam.components.verdict import blessing
from dicebeam.pipeline import cli
from dicebeam.pipeline.nightly import drift, verdict
from dicebeam.pipeline.nightly.comparison import Comparison
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import TablesError
from dicebeam.schemas.verdict import DRIFTED, INVALID, NO_BASELINE, OUT_OF_BOUNDS, PASS, REGRESSED
from tests.support import analyzed, kept_demo, rewriting, run_rows
from tests.support.kept_demo import CHECK, THREE_SHARDS, WORSE

MEAN = "gate.drift=[{metric: channel_mean, max_shift: 0.1}]"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo with a run and a copy of it, as the same model makes; one of a worse model, and one over three shards."""
    runs = {"v1": [], "v2": [WORSE], "part": [THREE_SHARDS]}
    folder = kept_demo.make(tmp_path_factory.mktemp("drifting") / "demo", 60, runs)
    for table in (folder / "reports").glob("*/*/run_id=v1"):
        copy = shutil.copytree(table, table.with_name("run_id=again"))
        for file in copy.glob("*.parquet"):
            rewriting.rewrite(file, run_id="again")
    return kept_demo.kept(folder)


@pytest.fixture
def folder(made: Path) -> Path:
    return kept_demo.restored(made)


def config(folder: Path, *overrides: str) -> Config:
    return kept_demo.config(folder, MEAN, *overrides)


def past(folder: Path, run_id: str) -> run_tables.FinishedRun:
    return next(run for run in run_rows.finished_runs(str(folder / "reports")) if run.run_id == run_id)


def analyze(folder: Path, run_id: str, mean: float = 100.0, **more: object) -> None:
    analyzed.write(past(folder, run_id), [(mean, 50.0)], **more)


def test_the_data_changed_and_the_model_did_not(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "again", 110.0)
    found = verdict.decide(config(folder), "again", "v1").verdict
    assert (found.verdict, found.exit_code) == (DRIFTED, 5)
    assert [check.verdict for check in found.checks] == [PASS]
    (moved,) = found.drift
    assert (moved.verdict, moved.value, moved.baseline, moved.difference, moved.channel) == (DRIFTED, 110, 100, 10, 0)
    assert found.drift_says.startswith("the data changed, not the model: both runs have the same model files")
    assert {line.verdict for line in found.headline} == {DRIFTED}
    assert found.reasons == ()


def test_a_regression_beside_changed_data_says_so(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "v2", 110.0)
    found = verdict.decide(config(folder), "v2", "v1").verdict
    (check,) = found.checks
    assert (found.verdict, check.verdict) == (DRIFTED, REGRESSED)
    assert check.message.endswith("; the data drifted too")
    assert found.drift_says.startswith("the data changed, and so did the model: the scores do not tell")
    high = "gate.checks=[{metric: dice_mean, class: foreground, min: 0.99}]"
    found = verdict.decide(config(folder, high), "v2", "v1").verdict
    assert found.checks[0].verdict == OUT_OF_BOUNDS
    assert found.checks[0].message.endswith("below 0.99; the data drifted too")


def test_a_regression_on_data_that_did_not_change(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "v2", 105.0)  # just the limit
    found = verdict.decide(config(folder), "v2", "v1").verdict
    assert (found.verdict, found.drift[0].verdict) == (REGRESSED, PASS)
    assert "drifted" not in found.checks[0].message
    assert found.drift_says.startswith("the model changed, and no statistic of the data moved beyond its limit")


def test_data_that_did_not_change_pass(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "again")
    found = verdict.decide(config(folder), "again", "v1").verdict
    assert (found.verdict, found.drift_says) == (PASS, None)


def test_a_warning_decides_nothing(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "again", 110.0)
    warn = "gate.drift=[{metric: channel_mean, max_shift: 0.1, action: warn}]"
    found = verdict.decide(config(folder, warn), "again", "v1").verdict
    assert (found.verdict, found.exit_code, found.drift[0].verdict) == (PASS, 0, DRIFTED)
    assert found.drift_says.startswith("the data changed, not the model")


def test_classes_are_counted_among_the_pixels_that_count(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "again", classes={**analyzed.CLASSES, "background": (930, 60), "car": (30, 45)})
    both = "gate.drift=[{metric: class_pixels, max_ratio: 1.5}, {metric: class_samples, class: car, max_change: 0.2}]"
    found = verdict.decide(config(folder, both), "again", "v1").verdict
    assert {check.class_name: check.verdict for check in found.drift[:4]} == {
        "background": PASS, "car": DRIFTED, "person": PASS, "bicycle": PASS,
    }  # fmt: skip
    assert (found.drift[1].value, found.drift[1].baseline) == (0.03, 0.06)
    assert (found.drift[4].verdict, found.drift[4].value, found.drift[4].baseline) == (DRIFTED, 45 / 60, 60 / 60)


def test_other_samples_are_invalid_and_the_data_say_how_they_differ(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "part", 110.0)
    found = verdict.decide(config(folder), "part", "v1").verdict
    assert (found.verdict, found.drift[0].verdict) == (INVALID, DRIFTED)
    assert found.drift_says == "the data changed, not the model; the scores of the two runs are not compared"
    common = verdict.decide(config(folder, "gate.common_samples=true", "gate.min_samples=5"), "part", "v1").verdict
    assert (common.verdict, common.checks[0].verdict) == (DRIFTED, PASS)
    assert common.drift_says.endswith("the statistics are of all data, the scores of the common samples alone")


def test_a_gate_that_looked_at_nothing_does_not_pass_because_its_data_did(folder: Path) -> None:
    analyze(folder, "v1")
    analyze(folder, "again")
    skipped = "gate.checks=[{metric: dice_mean, class: foreground, max_drop: 0.05, min_samples: 999, too_few: skip}]"
    assert verdict.decide(config(folder, skipped), "again", "v1").verdict.verdict == INVALID


def test_an_analysis_is_due_where_it_is_asked_for_and_not_there_whole(folder: Path) -> None:
    run = past(folder, "v1")
    assert drift.is_due(config(folder), run)
    assert not drift.is_due(config(folder, "gate.drift=[]"), run)
    analyze(folder, "v1")
    assert not drift.is_due(config(folder), run)
    analyze(folder, "v1", records=45)
    assert drift.is_due(config(folder), run)


OTHERS = [
    ({}, True, True),
    ({"model_fingerprint": "another"}, False, True),
    ({"transform_fingerprint": "another"}, False, True),
    ({"model_fingerprint": None}, False, True),
    ({"versions": "{}"}, True, False),
]


@pytest.mark.parametrize(("changed", "same_model", "same_libraries"), OTHERS)
def test_a_model_is_the_same_with_its_files_and_its_transform_alone(
    folder, changed, same_model, same_libraries
) -> None:
    tonight = past(folder, "again")
    before = run_tables.FinishedRun(tonight.run, {**tonight.row, **changed})
    found = drift.between(tonight, before, Comparison({}, {}))
    assert (found.same_model, found.same_libraries) == (same_model, same_libraries)
    assert not drift.between(tonight, None, Comparison({}, None)).same_model


# what is missing


def test_a_night_whose_data_were_not_analyzed_is_refused(folder: Path) -> None:
    analyze(folder, "v1")
    said = r"run 'again', but they were not analyzed\. First: dicebeam analyze CONFIG\.yaml --run-id again; or judge "
    with pytest.raises(TablesError, match=said):
        verdict.decide(config(folder), "again", "v1")
    assert verdict.decide(config(folder, "gate.drift=[]"), "again", "v1").verdict.verdict == PASS


def test_a_refused_night_keeps_its_blessing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = past(folder, "again").run
    assert command("gate", folder, "--bless", "again") == 0
    assert command("gate", folder, "--run-id", "again", "--set", MEAN) == 2
    assert "First: dicebeam analyze CONFIG.yaml --run-id again" in capsys.readouterr().err
    assert blessing.is_blessed(run)


def command(name: str, folder: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, f"{folder}/config.yaml", *arguments])
    return int(stopped.value.code or 0)


def test_a_baseline_whose_data_were_not_analyzed_blocks_until_a_run_is_blessed(folder: Path) -> None:
    analyze(folder, "again")
    found = verdict.decide(config(folder), "again", "v1").verdict
    assert (found.verdict, found.exit_code, found.checks[0].verdict) == (NO_BASELINE, 4, PASS)
    assert "the data of the baseline 'v1' were not analyzed; if they are still there" in found.drift[0].message
    assert (found.drift[0].value, found.drift[0].baseline, found.drift_says) == (100, None, None)
    blessing.grant(past(folder, "again").run, "hand", analyzed.TIME)
    analyze(folder, "v2")
    found = verdict.decide(config(folder, "gate.baseline=blessed"), "v2").verdict
    assert (found.baseline_run_id, found.drift[0].verdict) == ("again", PASS)


def test_the_first_night(folder: Path) -> None:
    analyze(folder, "v1")
    low = "gate.checks=[{metric: dice_mean, class: foreground, min: 0.1}]"  # needs no baseline; the data do
    found = verdict.decide(config(folder, low, "gate.baseline=blessed"), "v1").verdict
    assert (found.verdict, found.drift[0].verdict) == (NO_BASELINE, NO_BASELINE)
    assert found.reasons == ("no run is blessed yet; bless one by hand: dicebeam gate CONFIG.yaml --bless RUN_ID",)
    assert found.drift[0].message == f"channel_mean of channel 0: {found.reasons[0]}"


@pytest.mark.parametrize("which", ["again", "v1"])
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"status": "over_failure_budget", "failed": 3},
            "the status of its analysis is over_failure_budget: 3 of 60 records failed",
        ),
        ({"records": 45}, "45 records were analyzed, and 60 evaluated: other data; analyze again"),
        ({"data_fingerprint": "x"}, "the masks that were analyzed are not those that were evaluated; analyze again"),
    ],
)
def test_an_analysis_that_is_not_of_the_runs_data_compares_nothing(folder, which, more, said) -> None:
    for run_id in ("again", "v1"):
        analyze(folder, run_id, **(more if run_id == which else {}))
    found = verdict.decide(config(folder), "again", "v1").verdict
    assert (found.verdict, found.drift[0].verdict) == (INVALID, INVALID)
    assert said in found.drift[0].message


@pytest.mark.parametrize("table", ["dataset_slices", "dataset_classes"])
def test_a_table_of_the_analysis_that_is_gone(folder: Path, table: str) -> None:
    for run_id in ("again", "v1"):
        analyze(folder, run_id)
    shutil.rmtree(past(folder, "v1").run.folder(table))
    said = rf"expected `{table}` of run 'v1' in .*, but there is no file; delete .*/datasets/.*, and analyze again"
    with pytest.raises(TablesError, match=said):
        verdict.decide(config(folder), "again", "v1")


def test_an_analysis_of_another_day_is_found(folder: Path) -> None:
    for run_id in ("again", "v1"):
        analyze(folder, run_id)
    for table in (folder / "reports").glob("dataset*/eval_date=*/run_id=v1"):
        (day := table.parent.with_name("eval_date=2020-01-01")).mkdir()
        table.rename(day / table.name)
    assert verdict.decide(config(folder), "again", "v1").verdict.verdict == PASS


def test_a_baseline_of_another_config(folder: Path) -> None:
    for run_id in ("again", "v1"):
        analyze(folder, run_id)
    before = past(folder, "v1")
    other = run_tables.FinishedRun(before.run, {**before.row, "config_fingerprint": "another"})
    (found,) = drift.judge(config(folder), past(folder, "again"), other, "")
    assert (found.verdict, found.value, found.baseline) == (INVALID, 100, None)
    assert "the baseline has another config, which may read data otherwise" in found.message


# what the command leaves


def test_every_output_says_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analyze(folder, "v1")
    analyze(folder, "again", 110.0)
    assert command("gate", folder, "--run-id", "again", "--baseline", "v1", "--set", MEAN, "--set", CHECK) == 5
    moved = "rose by 10, from 100 to 110, 0.2 of the baseline's standard deviation of 50: more than max_shift 0.1"
    printed = capsys.readouterr().out
    for said in (
        f"DRIFTED channel_mean of channel 0 {moved}",
        "the data changed, not the model: ",
        "gate: DRIFTED: 1 DRI",
    ):
        assert said in printed
    assert command("report", folder, "--run-id", "again") == 0
    where = Path(past(folder, "again").run.folder("gate"))
    assert {path.name for path in where.iterdir()} >= {"NOT_BLESSED", "report.html"}
    for name in ("summary.md", "junit.xml", "verdict.json", "report.html"):
        text = (where / name).read_text()
        assert "the data changed, not the model" in text
        assert "rose by 10, from 100 to 110" in text
        assert "DRIFTED" in text
    assert json.loads((where / "verdict.json").read_text())["drift"][0]["decides"] is True
    *_, row = run_tables.read(past(folder, "again").run, "verdicts").to_pylist()
    assert (row["metric"], row["channel"], row["verdict"], row["run_verdict"]) == ("channel_mean", 0, DRIFTED, DRIFTED)
