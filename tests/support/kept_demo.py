"""A demo with its runs, made once for a file of tests, whose tables each test finds as they were."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dicebeam.components.explore import demo
from dicebeam.pipeline import cli
from dicebeam.pipeline.config import config_file
from dicebeam.schemas.config.config import Config
from tests.support.evaluating import evaluate

WORSE = "model={demo}/models/v2"
THREE_SHARDS = "examples={demo}/data/val-0000[012]*"
CHECK = "gate.checks=[{metric: dice_mean, class: foreground, max_drop: 0.05}]"


def make(folder: Path, samples: int, runs: Mapping[str, Sequence[str]]) -> Path:
    """A demo that was evaluated under each run id with these overrides, in which {demo} is its folder."""
    path = demo.make(str(folder), samples)
    for run_id, overrides in runs.items():
        evaluate(config_file.load(path, [each.format(demo=folder) for each in overrides]), run_id)
    return folder


def kept(folder: Path) -> Path:
    """The folder, its tables put by for `restored`."""
    shutil.copytree(folder / "reports", folder / "kept")
    return folder


def restored(folder: Path) -> Path:
    """The folder with the tables that were put by."""
    shutil.rmtree(folder / "reports")
    shutil.copytree(folder / "kept", folder / "reports")
    return folder


def config(folder: Path, *overrides: str) -> Config:
    """The demo's config, gated by CHECK unless the overrides say otherwise."""
    return config_file.load(f"{folder}/config.yaml", [CHECK, *overrides])


def command(name: str, folder: Path, *arguments: str) -> int:
    """The exit code of a command on the demo of a folder."""
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, f"{folder}/config.yaml", *arguments])
    return int(stopped.value.code or 0)
