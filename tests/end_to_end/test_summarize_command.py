"""`summarize`: the tables of a run again from its sample files, and what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.runs import run_files
from dicebeam.pipeline import cli
from tests.support import rewriting
from tests.support.paths import ROOT

KEPT = ["started", "finished", "seconds", "samples_per_second", "runner", "versions", "model", "model_fingerprint"]


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    return int(exited.value.code or 0)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo evaluated as `r1`, sliced by site, scanner and age; the model is gone."""
    demo = tmp_path_factory.mktemp("summarize") / "demo"
    code(["demo", str(demo), "--samples", "8"])
    assert code(["evaluate", f"{demo}/config.yaml", "--run-id", "r1"]) == 0
    shutil.rmtree(demo / "models")
    return demo


@pytest.fixture
def demo(scored: Path) -> Path:
    """The demo with tables of its own; the data is shared, and not to be changed."""
    reports = scored / "reports"
    kept = scored / "kept"
    if not kept.exists():
        shutil.copytree(reports, kept)
    shutil.rmtree(reports)
    shutil.copytree(kept, reports)
    return scored


def summarize(demo: Path, *more: str) -> int:
    return code(["summarize", f"{demo}/config.yaml", "--run-id", "r1", *more])


def folder(demo: Path, name: str) -> Path:
    (found,) = demo.glob(f"reports/{name}/*/run_id=r1")
    return found


def table(demo: Path, name: str) -> pa.Table:
    return pq.read_table(folder(demo, name) / "part-0.parquet", partitioning=None)


def row(demo: Path) -> dict[str, object]:
    (found,) = table(demo, "runs").to_pylist()
    return dict(found)


def test_lost_tables_come_back_as_they_were(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: table(demo, name) for name in ("classes", "slices", "failures", "runs")}
    for name in ("classes", "slices", "failures"):
        shutil.rmtree(folder(demo, name))
    assert summarize(demo) == 0
    assert {name: table(demo, name) for name in before} == before
    assert "scored 8 of 8 records in 4 shards, 0 failed" in capsys.readouterr().out


def test_other_slices_foreground_and_budget_over_the_same_samples(demo: Path) -> None:
    before = row(demo)
    changed = ["--set", "slices=[]", "--set", "foreground=[bicycle]", "--set", "max_failed_fraction=0.5"]
    assert summarize(demo, *changed) == 0
    assert set(table(demo, "classes")["slice"].to_pylist()) == {"all"}
    classes = {r["class_name"]: r for r in table(demo, "classes").to_pylist()}
    assert table(demo, "slices")["dice_mean"].to_pylist() == [classes["bicycle"]["dice_mean"]]
    now = row(demo)
    assert {name: now[name] for name in KEPT} == {name: before[name] for name in KEPT}
    config = json.loads(str(now["config"]))
    assert (config["slices"], config["foreground"], config["max_failed_fraction"]) == ([], ["bicycle"], 0.5)
    assert config["model"] == f"{demo}/models/v1"


def test_what_only_a_lost_runs_row_knew_is_null(demo: Path) -> None:
    shutil.rmtree(folder(demo, "runs"))
    assert summarize(demo) == 0
    now = row(demo)
    unknown = ["started", "seconds", "samples_per_second", "runner", "versions", "model"]
    assert [now[name] for name in unknown] == [None] * len(unknown)
    assert (now["status"], now["records"], now["shards"]) == ("done", 8, 4)
    assert len(str(now["model_fingerprint"])) == len(str(now["config_fingerprint"])) == 64
    assert not {"model", "batch_size"} & set(json.loads(str(now["config"])))


def test_an_interrupted_summary_keeps_what_the_row_knew(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row(demo)

    write_tables = run_files.write_tables

    def fail(parts: Any, schema: Any, run: Any, name: str, file: str) -> str:
        if name == "slices":
            raise OSError("stopped")
        return write_tables(parts, schema, run, name, file)

    monkeypatch.setattr(run_files, "write_tables", fail)
    assert summarize(demo) == 2
    assert not list(folder(demo, "runs").glob("*.parquet"))
    monkeypatch.undo()
    assert summarize(demo) == 0
    assert row(demo) == before
    assert [path.name for path in folder(demo, "runs").iterdir()] == ["part-0.parquet"]


def test_a_shard_without_a_sample_file_is_refused_with_the_command_that_goes_on(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    min(folder(demo, "samples").iterdir()).unlink()
    assert summarize(demo, "--set", "max_failed_fraction=0.1") == 2
    error = capsys.readouterr().err
    assert "'r1' is not finished: 1 of 4 shards are not scored whole yet, such as" in error
    assert f"resume: dicebeam evaluate {demo}/config.yaml --set max_failed_fraction=0.1 --run-id r1" in error


def test_without_the_examples_the_runs_row_says_how_many_shards(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = ["--set", "examples=nowhere/*"]
    assert summarize(demo, *gone) == 0
    min(folder(demo, "samples").iterdir()).unlink()
    assert summarize(demo, *gone) == 5
    assert "expected the samples of 4 shards in" in capsys.readouterr().err


def test_without_the_examples_and_the_runs_row_nobody_knows(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(folder(demo, "runs"))
    assert summarize(demo, "--set", "examples=nowhere/*") == 2
    assert "nobody knows how many shards run 'r1' has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("slices=[camera]", "slices: ['camera'] was not read when the run was scored"),
        ("slices=[camera]", "its sample files have the slice columns ['age', 'patient', 'scanner', 'site']"),
        ("threshold=0.25", "run 'r1' was scored with another config: threshold: 0.5 -> 0.25 (see"),
        ("classes=[bg, b, c, d]", 'classes: ["background", "car", "person", "bicycle"] -> ["bg", "b", "c", "d"]'),
    ],
)
def test_what_was_not_scored_cannot_be_summarized(
    change: str, message: str, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert summarize(demo, "--set", change) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("run_id", "message"), [("r2", "there is no run 'r2'"), ("../r1", "--run-id: expected")])
def test_a_run_that_is_not_there(run_id: str, message: str, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["summarize", f"{demo}/config.yaml", "--run-id", run_id]) == 2
    assert message in capsys.readouterr().err


def test_rows_that_are_not_what_a_file_says_end_it(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = min(folder(demo, "samples").iterdir())
    rewriting.rewrite(path, pq.ParquetFile(path).read().slice(1))
    assert summarize(demo) == 2
    assert "rows, but its metadata says" in capsys.readouterr().err


def test_a_summary_loads_no_tensorflow(demo: Path) -> None:
    program = (
        "import sys\nfrom dicebeam.pipeline import cli\n"
        f"try: cli.main(['summarize', {f'{demo}/config.yaml'!r}, '--run-id', 'r1'])\n"
        "except SystemExit as done: print(done.code or 0, 'tensorflow' in sys.modules, 'apache_beam' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False True", done.stderr
