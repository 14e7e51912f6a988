"""The foreground of a run: guessed from the names of the classes, kept with the run, and said where it was a guess."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dicebeam.components.verdict import verdict_files
from dicebeam.pipeline import cli
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ConfigError
from dicebeam.schemas.verdict import OUT_OF_BOUNDS
from tests.support import builders, rewriting
from tests.support.evaluating import evaluate, table

SAYS = "foreground: lesion (background is left out by its name; set foreground to choose)"
GATE = {"min_samples": 2, "checks": [{"metric": "dice_mean", "min": 0.6}]}


def half_of_it(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Finds the bright half of the lesions: Dice 0.5 of these, and almost 1 of the background."""
    lesion = tf.cast(images[..., :1] > 0.8, tf.float32)
    return {"p": tf.concat([1 - lesion, lesion], -1)}


def one_channel(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.cast(images[..., :1] > 0.8, tf.float32)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Eight images with a lesion of four pixels, of which one is found, with one that is none."""
    folder = tmp_path_factory.mktemp("lesions")
    mask, image = np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint8)
    mask[2:4, 2:4] = 1
    image[2:4, 2:4], image[2, 2], image[7, 7] = 128, 255, 255
    builders.write_shard(folder / "data/part-0", [builders.sample(image, mask, f"{i}.png") for i in range(8)])
    model = builders.save_model(folder / "model", half_of_it, builders.images_spec())
    names = ["background", "lesion"]
    given = {"examples": f"{folder}/data/*", "model": model, "output": f"{folder}/out", "classes": names, "gate": GATE}
    evaluate(given, "r1")
    shutil.copytree(folder / "out", folder / "kept")
    return given


@pytest.fixture
def settings(made: dict[str, Any]) -> dict[str, Any]:
    out = Path(made["output"])
    shutil.rmtree(out)
    shutil.copytree(out.with_name("kept"), out)
    return made


def config_file(settings: dict[str, Any], folder: Path, **more: Any) -> str:
    path = folder / "config.yaml"
    path.write_text(json.dumps({**settings, **more}))
    return str(path)


def command(name: str, *arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, *arguments])
    return stopped.value.code


def stored(settings: dict[str, Any]) -> dict[str, Any]:
    (row,) = pq.read_table(run_row(settings), partitioning=None).to_pylist()
    return json.loads(row["config"])


def run_row(settings: dict[str, Any]) -> Path:
    (path,) = Path(settings["output"]).glob("runs/*/run_id=r1/*.parquet")
    return path


def as_an_older_version_kept_it(settings: dict[str, Any]) -> None:
    """The row says nothing of the foreground, and the tables have the mean over both classes."""
    path = run_row(settings)
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    row["config"] = json.dumps({**json.loads(row["config"]), "foreground": None})
    rewriting.rewrite(path, pa.Table.from_pylist([row], schema=pq.read_schema(path)))


def test_a_background_is_in_no_mean(settings: dict[str, Any]) -> None:
    """The lesion has 2 * 1 / (4 + 2) = 1/3; with the background, at about 0.97, the mean would be 0.65 and pass."""
    found = verdict.decide(Config.model_validate(settings), "r1").verdict
    assert found.checks[0].value == found.headline[0].value == pytest.approx(1 / 3)
    assert (found.verdict, found.foreground, found.foreground_says) == (OUT_OF_BOUNDS, ("lesion",), SAYS)


def test_the_run_keeps_the_names(settings: dict[str, Any]) -> None:
    assert stored(settings)["foreground"] == ["lesion"]


def test_tables_that_were_made_with_another_foreground_are_not_taken_for_these(settings: dict[str, Any]) -> None:
    as_an_older_version_kept_it(settings)
    said: list[str] = []
    found = verdict.decide(Config.model_validate(settings), "r1", tell=said.append).verdict
    assert found.checks[0].value == pytest.approx(1 / 3)
    (line,) = said
    assert "the tables were made with other slices, foreground, cluster or bootstrap, or by another version" in line


@pytest.mark.parametrize("chosen", [["lesion"], None])
def test_tables_of_the_same_foreground_are_read_whether_it_was_guessed_or_not(
    settings: dict[str, Any], chosen: list[str] | None
) -> None:
    said: list[str] = []
    verdict.decide(Config.model_validate({**settings, "foreground": chosen}), "r1", tell=said.append)
    assert said == []


def test_a_summary_keeps_the_names_too(settings: dict[str, Any], tmp_path: Path) -> None:
    as_an_older_version_kept_it(settings)
    assert command("summarize", config_file(settings, tmp_path), "--run-id", "r1") == 0
    assert stored(settings)["foreground"] == ["lesion"]


def test_a_guess_is_printed_and_in_every_file(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file(settings, tmp_path)
    assert command("summarize", path, "--run-id", "r1") == 0
    assert f"dicebeam: {SAYS}\n" in capsys.readouterr().err
    assert command("gate", path, "--run-id", "r1") == 1
    assert f"{SAYS}\n" in capsys.readouterr().out
    files = {file.name: file.read_text() for file in Path(settings["output"]).glob("gate/*/run_id=r1/*.*")}
    assert {name for name, text in files.items() if SAYS in text.replace("\\", "")} == {
        verdict_files.JSON, verdict_files.JUNIT, verdict_files.MARKDOWN,
    }  # fmt: skip
    assert SAYS in Path(report.write_report(Config.model_validate(settings), "r1")).read_text()


def test_a_night_says_it_before_the_verdict(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("nightly", config_file(settings, tmp_path), "--run-id", "r1") == 1
    printed = capsys.readouterr()
    assert f"dicebeam: {SAYS}\n" in printed.err
    assert SAYS in printed.out


def test_what_was_chosen_is_no_guess(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file(settings, tmp_path, foreground=["lesion"])
    assert command("summarize", path, "--run-id", "r1") == 0
    assert command("gate", path, "--run-id", "r1") == 1
    assert "set foreground to choose" not in "".join(capsys.readouterr())
    page = Path(report.write_report(Config.model_validate({**settings, "foreground": ["lesion"]}), "r1")).read_text()
    assert "set foreground to choose" not in page


def test_a_page_without_a_verdict_says_it(settings: dict[str, Any]) -> None:
    assert SAYS in Path(report.write_report(Config.model_validate(settings), "r1")).read_text()


def test_a_page_of_an_older_run_names_what_its_mean_is_of(settings: dict[str, Any]) -> None:
    as_an_older_version_kept_it(settings)
    page = Path(report.write_report(Config.model_validate(settings), "r1")).read_text()
    assert "background, lesion</p>" in page
    assert "set foreground to choose" not in page


def test_without_a_background_the_mean_is_of_every_class(settings: dict[str, Any], tmp_path: Path) -> None:
    given = {**settings, "classes": ["tissue", "lesion"], "output": str(tmp_path), "gate": {}}
    outcome = evaluate(given, "r2")
    means = table(outcome, "classes").dice_mean
    assert table(outcome, "slices").dice_mean[0] == pytest.approx(means.mean())
    with pytest.raises(ValueError, match="none of tissue, lesion is named like a background"):
        Config.model_validate({**given, "gate": GATE})
    found = verdict.decide(Config.model_validate({**given, "gate": GATE, "foreground": ["lesion"]}), "r2").verdict
    assert found.checks[0].value == pytest.approx(1 / 3)


@pytest.mark.parametrize("names", [["background", "lesion"], ["tissue", "lesion"]])
def test_one_sigmoid_channel_is_its_own_foreground(settings: dict[str, Any], tmp_path: Path, names: list[str]) -> None:
    model = builders.save_model(tmp_path / "m", one_channel, builders.images_spec())
    given = {
        **settings,
        "classes": names,
        "model": model,
        "output": f"{tmp_path}/o",
        "output_kind": "sigmoid",
        "gate": {},
    }
    slices = table(evaluate(given), "slices")
    assert slices.dice_mean[0] == pytest.approx(1 / 3)


def test_one_sigmoid_channel_of_the_background_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    model = builders.save_model(tmp_path / "m", one_channel, builders.images_spec())
    given = {**settings, "classes": ["lesion", "background"], "model": model, "output_kind": "sigmoid"}
    with pytest.raises(ConfigError, match=r"foreground: \['lesion'\] has no channel .*: put the background first"):
        evaluate({**given, "output": f"{tmp_path}/o"})
