"""A gate that can never pass is said on the first night and before any, not after weeks without a verdict."""

import contextlib
import shutil
from pathlib import Path

import pytest

from dicebeam.components.verdict import verdict_files
from dicebeam.pipeline import cli
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.schemas.verdict import INCONCLUSIVE, NO_BASELINE
from tests.support import kept_demo
from tests.support.kept_demo import WORSE, config

FEW = "gate.checks=[{metric: dice_mean, class: car, slice: 'site=*', max_drop: 0.5, min_samples: 90}]"
SAID = "2 checks cannot pass with these data: dice_mean of car in site="


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_demo.make(tmp_path_factory.mktemp("never") / "demo", 60, {"r1": [], "r2": [WORSE]})


def gate(folder: Path, *overrides: str) -> int:
    sets = [part for each in overrides for part in ("--set", each)]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["gate", f"{folder}/config.yaml", "--run-id", "r1", *sets])
    return stopped.value.code


def test_the_first_night_says_it(folder: Path) -> None:
    found = verdict.decide(config(folder, FEW), "r1").verdict
    assert found.verdict == NO_BASELINE
    assert found.reasons[1].startswith(SAID)
    assert found.reasons[1].endswith("; lower min_samples, set too_few: skip, or leave the slice out")


def test_later_nights_say_it_of_each_check(folder: Path) -> None:
    found = verdict.decide(config(folder, FEW), "r1", "r2").verdict
    assert [check.verdict for check in found.checks] == [INCONCLUSIVE] * 2
    assert not any("cannot pass" in reason for reason in found.reasons)


def test_absolute_limits_that_cannot_pass_are_said_too(folder: Path) -> None:
    few = "gate.checks=[{metric: dice_mean, class: car, min: 0.1, min_samples: 900}]"
    (reason,) = verdict.decide(config(folder, few), "r1").verdict.reasons
    assert "fewer than min_samples, 900: this check cannot pass with these data; lower min_samples, set" in reason


def test_a_gate_that_can_pass_says_nothing(folder: Path) -> None:
    usual = "gate.checks=[{metric: dice_mean, class: car, max_drop: 0.5, min_samples: 5}]"
    assert len(verdict.decide(config(folder, usual), "r1").verdict.reasons) == 1


def test_every_output_says_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(folder, FEW) == 4
    assert SAID in capsys.readouterr().out
    files = {file.name: file.read_text().replace("&#95;", "_") for file in folder.glob("reports/gate/*/run_id=r1/*.*")}
    for name in (verdict_files.JSON, verdict_files.JUNIT, verdict_files.MARKDOWN):
        assert "checks cannot pass with these data" in files[name], name
    assert "checks cannot pass with these data" in Path(report.write_report(config(folder, FEW), "r1")).read_text()


# preflight


def preflight(folder: Path, capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
    sets = [part for each in overrides for part in ("--set", each)]
    with contextlib.suppress(SystemExit):
        cli.main(["preflight", f"{folder}/config.yaml", *sets])
    return capsys.readouterr().out


def test_preflight_knows_it_from_the_last_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = preflight(folder, capsys, FEW)
    (line,) = [line for line in out.splitlines() if "cannot pass" in line]
    assert line.startswith(f"warning: {SAID}")
    assert ", as in run r2; lower min_samples" in line
    usual = preflight(folder, capsys, "gate.checks=[{metric: dice_mean, class: car, max_drop: 0.5, min_samples: 5}]")
    assert "ok: no check is known that cannot pass, as in run r2" in usual


def test_preflight_says_what_no_slice_matches(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = preflight(folder, capsys, "gate.checks=[{metric: dice_mean, slice: site=nowhere, max_drop: 0.5}]")
    assert "warning: there is no slice 'site=nowhere'; there are 'all', " in out


def test_without_a_run_it_knows_it_from_the_analysis(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = f"output={tmp_path}"
    with contextlib.suppress(SystemExit):
        cli.main(["analyze", f"{folder}/config.yaml", "--run-id", "a1", "--set", output])
    capsys.readouterr()
    assert f"warning: {SAID}" in (out := preflight(folder, capsys, FEW, output))
    assert ", as in the analysis a1; lower" in out
    rare = "gate.checks=[{metric: recall, class: bicycle, max_drop: 0.5, min_samples: 50}]"
    assert "recall_pooled of bicycle: " in preflight(folder, capsys, rare, output)
    assert "cannot pass" not in preflight(folder, capsys, "gate.min_samples=5", output).replace("that cannot", "")


def test_without_either_it_counts_records(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = f"output={tmp_path}"
    few = "gate.checks=[{metric: dice_mean, slice: 'site=*', max_drop: 0.5, min_samples: 61}]"
    out = preflight(folder, capsys, few, output)
    assert (
        "dice_mean of foreground in site=*: 60 samples to judge by, fewer than min_samples, 61: this check cannot pass"
        in out
    )
    assert ", by the records of the examples; lower" in out
    assert "cannot pass with" not in preflight(folder, capsys, few.replace("61", "60"), output)


def test_a_run_of_another_config_tells_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "reports", tmp_path / "o")
    output = f"output={tmp_path}/o"
    assert ", as in run r2" not in preflight(folder, capsys, FEW, output, "threshold=0.25")
    assert ", as in run r2" not in preflight(folder, capsys, FEW, output, "slices=[[site, scanner]]")


def test_tables_that_cannot_be_read_end_no_preflight(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "reports", tmp_path / "o")
    for path in tmp_path.glob("o/classes/*/*/*.parquet"):
        path.write_bytes(b"junk")
    assert ", by the records of the examples" in preflight(folder, capsys, FEW, f"output={tmp_path}/o")


def test_the_foreground_is_said_before_the_night(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = preflight(folder, capsys)
    assert "ok: foreground: car, person, bicycle (background is left out by its name; set foreground to choose)" in out
    assert "set foreground" not in preflight(folder, capsys, "foreground=[car]")
