"""A link to a model that is switched while a run goes on: never the numbers of one under the fingerprint of another."""

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.model import fingerprints
from dicebeam.components.storage import filesystems
from dicebeam.pipeline import cli
from dicebeam.pipeline.plans import evaluation_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import StorageError
from tests.support import builders
from tests.support.evaluating import evaluate


def first(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


def second(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"other": tf.nn.softmax(images[..., 1:] * 3.0)}


def third(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """It gives what the first one gives, turned round."""
    return {"p": tf.nn.softmax(images[..., 1::-1] * 3.0)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("switched"), np.random.default_rng(7)
    for part in range(4):
        record = builders.sample(rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 2, (6, 5)), f"s{part}")
        builders.write_shard(folder / "data" / f"part-{part}", [record])
    for function in (first, second, third):
        builders.save_model(folder / function.__name__, function, builders.images_spec())
    return folder


def switch(folder: Path, to: str) -> None:
    (folder / "new").symlink_to(folder / to)
    (folder / "new").replace(folder / "current")


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> dict[str, Any]:
    switch(made, "first")
    base = {"examples": f"{made}/data/*", "model": f"{made}/current", "classes": ["a", "b"]}
    return {**base, "output": f"{tmp_path}/out"}


PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
MODES = [(), pytest.param(PROCESSES, marks=pytest.mark.long)]


@pytest.mark.parametrize("flags", MODES)
def test_a_link_that_is_switched_between_plan_and_load_ends_the_run(
    made: Path, settings: dict[str, Any], flags: tuple[str, ...]
) -> None:
    plan = evaluation_plan.make_plan(Config.model_validate(settings), "r1", flags)
    switch(made, "second")
    now = fingerprints.model_fingerprint(f"{made}/second")
    planned = plan.run.model_fingerprint[:12]
    with pytest.raises(StorageError, match=rf"current: expected the one .*fingerprint {planned}, but got {now[:12]}"):
        run.execute(plan)
    assert not list(Path(settings["output"], "runs").glob("eval*/*/*.parquet"))
    if not flags:
        return  # what resumes it is the same
    resumed = evaluate({**settings, "model": f"{made}/first"}, "r1")
    assert resumed.row["model_fingerprint"] == plan.run.model_fingerprint
    assert resumed.row["digest"] == evaluate({**settings, "model": f"{made}/first"}, "r2").row["digest"]


def test_the_command_ends_with_2_and_one_line(
    made: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    check = filesystems.check_writable
    monkeypatch.setattr(filesystems, "check_writable", lambda folder: (check(folder), switch(made, "second")))
    config = tmp_path / "config.json"
    config.write_text(Config.model_validate(settings).model_dump_json(exclude_unset=True))
    with pytest.raises(SystemExit) as exited:
        cli.main(["evaluate", str(config), "--run-id", "r1"])
    assert exited.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "current" in line]
    assert "Evaluate the new one with another --run-id; to resume, put the old one back, or name a folder" in line
    assert "Traceback" not in line


@pytest.mark.long
def test_what_is_agreed_is_of_the_model_that_the_fingerprint_is_of(
    made: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the link is switched while the plan is made."""
    agree = evaluation_plan.agree

    def between(*given: Any) -> Any:
        switch(made, "second")
        agreed = agree(*given)
        switch(made, "first")
        return agreed

    monkeypatch.setattr(evaluation_plan, "agree", between)
    plan = evaluation_plan.make_plan(Config.model_validate(settings), "r1", [])
    assert plan.run.model_fingerprint == fingerprints.model_fingerprint(f"{made}/first")
    assert run.execute(plan).row["scored"] == 4


def test_a_model_that_is_written_over_in_its_place_ends_the_run(made: Path, settings: dict[str, Any]) -> None:
    folder = Path(settings["output"]).parent / "model"
    shutil.copytree(made / "first", folder)
    plan = evaluation_plan.make_plan(Config.model_validate({**settings, "model": str(folder)}), "r1", [])
    shutil.copytree(made / "second", folder, dirs_exist_ok=True)
    with pytest.raises(StorageError, match="expected the one that the run was planned with"):
        run.execute(plan)


@pytest.mark.long
def test_a_link_that_is_switched_all_the_time_never_gives_numbers_of_another_model(
    made: Path, settings: dict[str, Any]
) -> None:
    models = {name: {**settings, "model": f"{made}/{name}"} for name in ("first", "third")}
    rows = [evaluate(config, f"of-{name}").row for name, config in models.items()]
    right = {row["model_fingerprint"]: row["digest"] for row in rows}
    assert len(set(right.values())) == 2
    stop = threading.Event()

    def switching() -> None:
        names = ["third", "first"]
        while not stop.wait(0.003):
            switch(made, names[0])
            names.reverse()

    switcher = threading.Thread(target=switching)
    switcher.start()
    finished, refused = 0, 0
    try:
        for night in range(30):
            try:
                row = evaluate(settings, f"night-{night}").row
            except StorageError as error:
                refused += "it was changed meanwhile" in str(error)
            else:
                assert row["digest"] == right[row["model_fingerprint"]]
                finished += 1
    finally:
        stop.set()
        switcher.join()
    assert finished
    assert finished + refused == 30
