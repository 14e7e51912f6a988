"""The gate over real tables: baselines, what cannot be compared, common samples, and what the commands leave."""

import json
from pathlib import Path

import pytest

from dicebeam.components.verdict import blessing, verdict_files
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ConfigError, TablesError
from dicebeam.schemas.verdict import INVALID, NO_BASELINE, PASS, REGRESSED
from tests.support import kept_demo, run_rows
from tests.support.evaluating import evaluate
from tests.support.kept_demo import CHECK, THREE_SHARDS, WORSE, config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo with a run of each model, and one of the first model over three of the four shards."""
    runs = {"v1": [], "v2": [WORSE], "part": [WORSE, THREE_SHARDS]}
    return kept_demo.kept(kept_demo.make(tmp_path_factory.mktemp("gating") / "demo", 120, runs))


@pytest.fixture
def folder(made: Path) -> Path:
    return kept_demo.restored(made)


def test_the_worse_model_has_regressed(folder: Path) -> None:
    found = verdict.decide(config(folder), "v2", "v1").verdict
    assert (found.verdict, found.exit_code, found.baseline_run_id) == (REGRESSED, 1, "v1")
    (check,) = found.checks
    assert check.difference == pytest.approx(check.value - check.baseline)
    usual = found.headline[0]
    assert (usual.rule, usual.difference, usual.low) == ("absent_left_out", check.difference, check.low)
    assert (found.scored, found.failed, found.common_samples) == (120, 0, None)


def test_the_better_model_has_not(folder: Path) -> None:
    found = verdict.decide(config(folder), "v1", "v2").verdict
    assert (found.verdict, found.exit_code, found.checks[0].improved) == (PASS, 0, True)


def test_the_previous_run_is_one_of_another_model_on_the_same_data(folder: Path) -> None:
    assert verdict.decide(config(folder), "v2", "previous").verdict.baseline_run_id == "v1"
    first = verdict.decide(config(folder), "v1", "previous").verdict
    assert (first.verdict, first.exit_code, first.baseline_run_id) == (NO_BASELINE, 4, None)
    assert first.reasons == ("no finished run of another model on the same data is there yet",)


def test_without_an_id_it_is_the_run_that_finished_last(folder: Path) -> None:
    assert verdict.decide(config(folder), None).verdict.run_id == "part"


def test_a_night_whose_data_differ_is_invalid(folder: Path) -> None:
    found = verdict.decide(config(folder), "part", "v1").verdict
    assert (found.verdict, found.exit_code) == (INVALID, 5)
    (reason,) = found.reasons
    assert reason.startswith("the data are not the same (sample ids or true masks differ; 120 samples scored then, 90")
    assert reason in found.checks[0].message


def test_common_samples_are_compared_and_the_lost_ones_counted(folder: Path) -> None:
    said: list[str] = []
    found = verdict.decide(config(folder, "gate.common_samples=true"), "part", "v1", tell=said.append).verdict
    assert (found.verdict, found.common_samples, found.lost, found.added) == (REGRESSED, 90, 30, 0)
    assert said == ["reading the samples of both runs: only those that both have are compared"]
    same = verdict.decide(config(folder, "gate.common_samples=true"), "part", "v2").verdict
    assert same.checks[0].difference == 0


def test_samples_that_are_read_again_say_what_the_tables_say(folder: Path) -> None:
    said: list[str] = []
    usual = verdict.decide(config(folder), "v2", "v1").verdict
    again = verdict.decide(config(folder, "bootstrap.keep_slices=99"), "v2", "v1", tell=said.append)
    (line,) = said
    assert line.endswith(
        "the tables were made with other slices, foreground, cluster or bootstrap, or by another version"
    )
    assert again.verdict.checks[0].difference == pytest.approx(usual.checks[0].difference, rel=1e-12)
    assert again.verdict.checks[0].low == pytest.approx(usual.checks[0].low, rel=1e-12)


@pytest.mark.parametrize("keep", [0, 100])
def test_slices_without_replicates_are_measured_again(folder: Path, keep: int) -> None:
    check = "gate.checks=[{metric: dice_mean, class: person, slice: 'site=*', max_drop: 0.05, min_samples: 5}]"
    found = verdict.decide(config(folder, check, f"bootstrap.keep_slices={keep}"), "v2", "v1").verdict
    assert [each.slice for each in found.checks] == ["site=north", "site=south"]
    assert all(each.low is not None for each in found.checks)


def test_another_config_is_refused(folder: Path) -> None:
    with pytest.raises(
        TablesError, match=r"run \'v2\' was scored with another config: threshold: 0\.5 -> 0\.4\. Gate it with"
    ):
        verdict.decide(config(folder, "threshold=0.4"), "v2", "v1")


def test_a_gate_without_checks_is_refused(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"gate: expected checks, but there are none; write for example gate: \{checks"
    ):
        verdict.decide(config(folder, "gate.checks=[]"), "v2", "v1")


def test_a_run_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(
        TablesError, match=r"expected a finished run 'v9' in .*/runs, but there is none; evaluate first"
    ):
        verdict.decide(config(folder), "v9")


def test_absolute_limits_alone_need_no_baseline(folder: Path) -> None:
    found = verdict.decide(config(folder, "gate.checks=[{metric: dice_mean, min: 0.5}]"), "v1", "blessed").verdict
    assert (found.verdict, found.reasons, found.baseline_run_id) == (PASS, (), None)


# the commands


def test_a_gated_run_leaves_its_files_and_its_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept_demo.command("gate", folder, "--run-id", "v2", "--baseline", "v1", "--set", CHECK) == 1
    out, err = capsys.readouterr()
    assert out.rstrip().endswith("gate: REGRESSED: 1 REGRESSED; run v2 against v1 (exit code 1)")
    assert "for a page with pictures: dicebeam report" in err
    (gate,) = folder.glob("reports/gate/*/run_id=v2")
    assert sorted(path.name for path in gate.iterdir()) == ["NOT_BLESSED", "junit.xml", "summary.md", "verdict.json"]
    assert json.loads((gate / "verdict.json").read_text())["baseline_run_id"] == "v1"


def test_a_page_of_an_earlier_verdict_is_removed_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--run-id", "v2", "--baseline", "v1", "--set", CHECK]
    kept_demo.command("gate", folder, *arguments)
    assert "removed the page" not in capsys.readouterr().err
    (summary,) = folder.glob("reports/gate/*/run_id=v2/summary.md")
    page = summary.with_name("report.html")
    page.write_text("yesterday's")
    kept_demo.command("gate", folder, *arguments)
    again = f"to make it again: dicebeam report {folder}/config.yaml "
    assert f"dicebeam: removed the page of the earlier verdict: {page}; {again}" in capsys.readouterr().err
    assert not page.exists()


def test_a_blessed_run_is_the_baseline(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = kept_demo.command("gate", folder, "--run-id", "v1", "--baseline", "blessed", "--set", CHECK)
    assert (nothing, kept_demo.command("gate", folder, "--bless", "v1")) == (4, 0)
    assert "run v1 is blessed: " in capsys.readouterr().err
    assert kept_demo.command("gate", folder, "--run-id", "v2", "--baseline", "blessed", "--set", CHECK) == 1
    run = verdict.find_run(config(folder), "v2", ())[0].run
    assert [each.run_id for each in blessing.listed(run.output)] == ["v1"]
    assert verdict_files.read(run).baseline_run_id == "v1"


@pytest.mark.parametrize("name", [".part-0.parquet.before", ".part-0.parquet.aside", None])
def test_a_blessed_run_whose_row_is_not_there_is_not_replaced_by_an_older_one(folder: Path, name: str | None) -> None:
    """v2 is worse than v1 and blessed first; without v1's row, v2 would be compared with, and the run pass."""
    for run_id in ("v2", "v1"):
        assert kept_demo.command("gate", folder, "--bless", run_id) == 0
    (row,) = (folder / "reports/runs").glob("*/run_id=v1/part-0.parquet")
    row.rename(row.with_name(name)) if name else row.unlink()
    found = verdict.decide(config(folder, "gate.baseline=blessed"), "part").verdict
    assert (found.verdict, found.exit_code) == (NO_BASELINE, 4)
    assert any("To repair it: dicebeam summarize CONFIG.yaml --run-id v1" in reason for reason in found.reasons)


def test_the_command_that_the_reason_names_repairs_it(folder: Path) -> None:
    assert kept_demo.command("gate", folder, "--bless", "v1") == 0
    (row,) = (folder / "reports/runs").glob("*/run_id=v1/part-0.parquet")
    row.rename(row.with_name(".part-0.parquet.before"))
    assert kept_demo.command("summarize", folder, "--run-id", "v1") == 0
    assert verdict.decide(config(folder, "gate.baseline=blessed"), "v2").verdict.baseline_run_id == "v1"


def test_a_finished_run_that_is_evaluated_again_does_not_become_the_previous_one(folder: Path) -> None:
    before = {past.run_id: past.finished for past in run_rows.finished_runs(f"{folder}/reports")}
    evaluate(config(folder), "v1")
    after = {past.run_id: past.finished for past in run_rows.finished_runs(f"{folder}/reports")}
    assert after == before


def test_a_blessing_by_hand_outlives_a_baseline_that_is_not_there(folder: Path) -> None:
    kept_demo.command("gate", folder, "--bless", "v1")
    assert kept_demo.command("gate", folder, "--run-id", "v1", "--baseline", "v9", "--set", CHECK) == 4
    assert [path.name for path in folder.glob("reports/gate/*/run_id=v1/*BLESSED")] == ["BLESSED"]


def test_a_blessing_that_is_taken_away_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "warning: run v1 was blessed, and is not any more; to bless it again by hand: dicebeam gate "
    assert kept_demo.command("gate", folder, "--run-id", "v1", "--baseline", "v2", "--set", CHECK) == 0
    assert said not in capsys.readouterr().err
    assert kept_demo.command("gate", folder, "--run-id", "v1", "--baseline", "v9", "--set", CHECK) == 4
    again = f"{folder}/config.yaml --set '{CHECK}' --bless v1\n"
    assert f"{said}{again}" in capsys.readouterr().err
    assert kept_demo.command("gate", folder, "--run-id", "v1", "--baseline", "v9", "--set", CHECK) == 4
    assert said not in capsys.readouterr().err


def test_a_run_that_passes_is_blessed(folder: Path) -> None:
    assert kept_demo.command("gate", folder, "--run-id", "v1", "--baseline", "v2", "--set", CHECK) == 0
    assert [path.name for path in folder.glob("reports/gate/*/run_id=v1/*BLESSED")] == ["BLESSED"]


def test_bless_judges_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept_demo.command("gate", folder, "--bless", "v1", "--run-id", "v2") == 2
    assert "--bless takes no --run-id and no --baseline" in capsys.readouterr().err
    assert kept_demo.command("gate", folder, "--bless", "v9") == 2
    assert "expected a finished run 'v9'" in capsys.readouterr().err


def test_nightly_without_checks_evaluates_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept_demo.command("nightly", folder, "--run-id", "night", "--set", "gate.checks=[]") == 2
    assert "gate: expected checks, but there are none" in capsys.readouterr().err
    assert not list(folder.glob("reports/*/*/run_id=night"))


def test_a_report_that_cannot_be_written_changes_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("no ink")

    monkeypatch.setattr(report, "write_report", fail)
    arguments = ("--run-id", "v2", "--baseline", "v1", "--set", CHECK, "--set", f"model={folder}/models/v2")
    assert kept_demo.command("nightly", folder, *arguments) == 1
    out, err = capsys.readouterr()
    assert "gate: REGRESSED" in out
    assert "warning: the report is not written: no ink; to try again: dicebeam report" in err
    assert f"--set model={folder}/models/v2 --run-id v2" in err


def test_nightly_goes_on_with_a_finished_run_and_leaves_a_page(folder: Path) -> None:
    assert kept_demo.command("nightly", folder, "--run-id", "v1", "--baseline", "v2", "--set", CHECK) == 0
    (gate,) = folder.glob("reports/gate/*/run_id=v1")
    assert {path.name for path in gate.iterdir()} >= {"BLESSED", "blessing.json", "report.html", "verdict.json"}


def of_slice(pattern: str) -> Config:
    values = {"examples": "a", "model": "m", "output": "o", "classes": ["bg", "b"]}
    slices = ["site", ["site", {"feature": "age", "edges": [40, 60]}], "meta/sequence"]
    check = {"metric": "dice_mean", "min": 0, "slice": pattern}
    return Config.model_validate({**values, "slices": slices, "gate": {"checks": [check]}})


@pytest.mark.parametrize("pattern", ["all", "*", "site=A", "site=*", "site=A*/age=[40,60)", "meta/sequence=*"])
def test_a_gate_takes_the_slices_that_there_can_be(pattern: str) -> None:
    verdict.check_config(of_slice(pattern))


@pytest.mark.parametrize("pattern", ["sit=*", "site=A/sequence=*", "A", "age=[40,60)"])
def test_a_slice_that_cannot_be_is_refused_before_anything_runs(pattern: str) -> None:
    shapes = r"'all', '\*', 'site=\*', 'site=\*/age=\*', 'meta/sequence=\*'"
    with pytest.raises(ConfigError, match=rf"gate\.checks\.0\.slice: expected {shapes}, or values in the place of the"):
        verdict.check_config(of_slice(pattern))
