"""The command line: exit codes, one clear line on standard error, and what a person reads."""

import json
import re
from pathlib import Path

import pytest
import typer

from dicebeam.components.reading import tfrecord
from dicebeam.pipeline import cli
from dicebeam.pipeline.commands import terminal
from dicebeam.schemas import errors


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "demo"
    with pytest.raises(SystemExit):
        cli.main(["demo", str(folder), "--samples", "12"])
    return folder


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    return int(exited.value.code or 0)


def test_evaluate_prints_the_table_the_counts_and_the_paths(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["evaluate", f"{demo}/config.yaml", "--run-id", "night1"]) == 0
    out, err = capsys.readouterr()
    assert "bicycle" in out
    assert "scored 12 of 12 records in 4 shards, 0 failed" in out
    assert f"{demo}/reports/classes/eval_date=" in out
    assert "run night1: 4 shards" in err


def test_query_reads_what_evaluate_wrote(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code(["evaluate", f"{demo}/config.yaml", "--run-id", "night2"])
    capsys.readouterr()
    sql = "SELECT class_name, n_samples FROM classes WHERE slice = 'all' AND run_id = 'night2' ORDER BY class_id"
    assert code(["query", f"{demo}/reports", sql]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    names = ["background", "car", "person", "bicycle"]
    assert [line for line in lines if line[1:] == ["12"]] == [[name, "12"] for name in names]


def test_query_without_sql_lists_the_views(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code(["evaluate", f"{demo}/config.yaml", "--run-id", "night3"])
    assert code(["query", f"{demo}/reports"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("samples", "classes", "slices", "failures", "runs", "soft_dice_mean"))


def test_a_wrong_query_is_one_line_and_exit_2(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code(["evaluate", f"{demo}/config.yaml", "--run-id", "night4"])
    assert code(["query", f"{demo}/reports", "SELECT nothing FROM nowhere"]) == 2
    assert "dicebeam: error: the query failed: Catalog Error" in capsys.readouterr().err


def test_a_set_option_changes_the_config(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", f"{demo}/config.yaml", "--set", f"model={demo}/models/v2", "--set", "foreground=[bicycle]"]
    assert code(arguments) == 0
    assert "(foreground: bicycle)" in capsys.readouterr().out


def test_beam_flags_follow_two_dashes(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--", "--direct_num_workers=2", "--direct_running_mode=multi_threading"]
    assert code(["evaluate", f"{demo}/config.yaml", "--run-id", "threads", *flags]) == 0
    capsys.readouterr()
    code(["query", f"{demo}/reports", "SELECT runner FROM runs WHERE run_id = 'threads'"])
    assert "FnApiRunner multi_threading x2" in capsys.readouterr().out


def test_beam_flags_for_a_command_that_runs_no_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["query", "somewhere", "--", "--runner=DirectRunner"]) == 2
    assert (
        "only evaluate, summarize, compact, gate, nightly, report, analyze and preflight take Beam flags"
        in capsys.readouterr().err
    )


def test_failed_records_over_the_budget_exit_5_with_the_tables_written(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (demo / "data" / "extra.tfrecord").write_bytes(tfrecord.frame(b"what?"))
    try:
        assert code(["evaluate", f"{demo}/config.yaml", "--run-id", "broken"]) == 5
    finally:
        (demo / "data" / "extra.tfrecord").unlink()
    out, err = capsys.readouterr()
    assert "failed" in out
    assert "is not a tf.Example" in out
    assert "1 of 13 records failed, max_failed_fraction is 0.0; the tables are written" in err
    assert list(demo.glob("reports/runs/*/run_id=broken/*.parquet"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("examples: [", r"config.yaml is not valid YAML"),
        ("clases: [a, b]", r"clases: no such key; did you mean 'classes'\?"),
        ("[1, 2]", r"expected a mapping"),
    ],
)
def test_config_mistakes_exit_2(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert code(["evaluate", str(path)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error


def test_a_json_config_is_yaml(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {
        "examples": f"{demo}/data/*.tfrecord",
        "model": f"{demo}/models/v1",
        "output": str(tmp_path / "out"),
        "classes": ["background", "car", "person", "bicycle"],
    }
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert code(["evaluate", str(tmp_path / "config.json")]) == 0
    assert "scored 12 of 12" in capsys.readouterr().out


def test_a_model_that_is_not_there_is_one_line(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["evaluate", f"{demo}/config.yaml", "--set", "model=nowhere"]) == 2
    assert "expected a SavedModel folder (with saved_model.pb) at" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_without_traceback(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("dicebeam.pipeline.plans.evaluation_plan.make_plan", explode)
    assert code(["evaluate", f"{demo}/config.yaml"]) == 2
    error = capsys.readouterr().err
    assert "dicebeam: error: ZeroDivisionError: a bug (more with --verbose)" in error
    assert "Traceback" not in error


def test_verbose_shows_the_traceback(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("dicebeam.pipeline.plans.evaluation_plan.make_plan", explode)
    assert code(["evaluate", f"{demo}/config.yaml", "--verbose"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_says_how_to_go_on(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dicebeam.pipeline.runner.run.execute", interrupt)
    assert code(["evaluate", f"{demo}/config.yaml", "--set", "batch_size=8", "--run-id", "stopped"]) == 130
    error = capsys.readouterr().err
    assert f"to resume: dicebeam evaluate {demo}/config.yaml --set batch_size=8 --run-id stopped" in error


def test_a_run_id_that_looks_like_a_number_is_refused(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["evaluate", f"{demo}/config.yaml", "--run-id", "20261123"]) == 2
    assert "--run-id: expected a letter and then" in capsys.readouterr().err


def test_inspect_shows_features_and_signatures(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["inspect", f"{demo}/data/val-00000-of-00004.tfrecord"]) == 0
    assert "PNG image, 128 x 128" in capsys.readouterr().out
    assert code(["inspect", f"{demo}/models/v1"]) == 0
    assert "images: float32 [?, ?, ?, 3]" in capsys.readouterr().out


def test_the_demo_refuses_a_folder_with_something_in_it(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["demo", str(demo)]) == 2
    assert "expected a new or empty folder for the demo" in capsys.readouterr().err


def test_the_worse_demo_model_is_worse(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("v1", "v2"):
        code(["evaluate", f"{demo}/config.yaml", "--run-id", name, "--set", f"model={demo}/models/{name}"])
    capsys.readouterr()
    sql = (
        "SELECT run_id, 'is', round(dice_mean, 3) FROM slices WHERE slice = 'all' AND run_id IN ('v1', 'v2') ORDER BY 1"
    )
    code(["query", f"{demo}/reports", sql])
    means = [float(line.split()[2]) for line in capsys.readouterr().out.splitlines() if " is " in f" {line} "]
    assert means[0] - means[1] > 0.02


def test_a_demo_folder_with_an_odd_name_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my: demo #1"
    assert code(["demo", str(folder), "--samples", "4"]) == 0
    assert code(["evaluate", f"{folder}/config.yaml"]) == 0
    assert "scored 4 of 4" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["--version"]) == 0
    assert re.fullmatch(r"dicebeam \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(("kind", "hint"), [("ModelError", False), ("StorageError", True)])
def test_only_what_can_go_on_says_how(
    kind: str, hint: bool, demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise getattr(errors, kind)("no")

    monkeypatch.setattr("dicebeam.pipeline.runner.run.execute", fail)
    assert code(["evaluate", f"{demo}/config.yaml"]) == 2
    assert ("to resume:" in capsys.readouterr().err) is hint


@pytest.mark.parametrize(
    ("text", "safe"), [("a\x1b[2Jb", r"a\x1b[2Jb"), ("a\r\u202eb", r"a\r\u202eb"), ("a\n  b", "a\n  b")]
)
def test_an_error_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str], text: str, safe: str) -> None:
    with pytest.raises(typer.Exit), terminal.exits(verbose=False):
        raise errors.ConfigError(text)
    assert capsys.readouterr().err == f"dicebeam: error: {safe}\n"


def test_a_run_goes_on_with_another_batch_size_and_is_refused_with_another_threshold(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", f"{demo}/config.yaml", "--run-id", "keys"]
    assert code(command) == 0
    next(demo.glob("reports/samples/*/run_id=keys/*.parquet")).unlink()
    may_change = [
        "batch_size=3",
        "shard_split_bytes=9",
        "foreground=[bicycle]",
        "slices=[[site, scanner], age]",
        "max_failed_fraction=0.5",
    ]
    assert code([*command, *(part for change in may_change for part in ("--set", change))]) == 0
    capsys.readouterr()
    assert code([*command, "--set", "threshold=0.25", "--set", "slices=[]", "--set", "input.scale=none"]) == 2
    shown = (
        "error: run 'keys' was begun with another config: "
        'input.scale: "unit" -> "none"; slice_features: ["age", "patient", "scanner", "site"] -> ["patient"]; '
        "threshold: 0.5 -> 0.25 (see"
    )
    assert shown in capsys.readouterr().err
