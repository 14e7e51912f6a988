"""A run that is killed at any commit: readers see whole files and no `runs` row, and going on gives the same tables.

The kill is played in this process: from some rename on, nothing more reaches the disk, and nothing is cleaned up.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dicebeam.components.storage import exclusive_files, filesystems
from dicebeam.pipeline.runner import run
from tests.support import builders
from tests.support.evaluating import evaluate, table

pytestmark = pytest.mark.long


COMMITS = ["failures", "samples", "samples", "classes", "slices", "histograms", "replicates", "runs"]
TABLES = ["samples", "failures", "classes", "slices", "histograms", "replicates", "runs"]
OF_THE_ATTEMPT = ["started", "finished", "seconds", "samples_per_second", "config"]


class Killed(Exception):  # noqa: N818
    """Nothing happens after this."""


def even(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six records in two shards; one of them is bad."""
    folder, rng = tmp_path_factory.mktemp("crash"), np.random.default_rng(5)
    for part in range(2):
        records = [
            builders.sample(rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 2, (6, 5)), f"{part}-{i}")
            for i in range(3)
        ]
        builders.write_shard(folder / f"part-{part}", [*records[:2], b"what?" if part == 0 else records[2]])
    model = builders.save_model(folder / "model", even, builders.images_spec())
    base = {"examples": f"{folder}/part-*", "model": model, "classes": ["a", "b"], "max_failed_fraction": 0.5}
    return {**base, "output": str(folder / "whole"), "batch_size": 2}


@pytest.fixture(scope="module")
def whole(settings: dict[str, Any]) -> run.Outcome:
    return evaluate(settings, "r1")


def commits(monkeypatch: pytest.MonkeyPatch, at: int | None, *, after: bool = False) -> list[str]:
    """Watch the commits, and kill the run before or after one of them; returns the paths that were committed."""
    done: list[str] = []

    def watched(real: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def commit(source: Any, destination: Any) -> Any:
            if len(done) == at and not after:
                die()
            found = real(source, destination)
            if not any(f"/{folder}/" in str(destination) for folder in ("_claims", "_shards")):
                done.append(str(destination))
                if len(done) - 1 == at:
                    die()
            return found

        return commit

    def die(*_: object, **__: object) -> None:
        for name in ("create", "delete"):
            monkeypatch.setattr(filesystems.FileSystems, name, die)
        monkeypatch.setattr(filesystems, "rename", die)
        monkeypatch.setattr(exclusive_files, "link", die)
        raise Killed

    monkeypatch.setattr(filesystems, "rename", watched(filesystems.rename))
    monkeypatch.setattr(exclusive_files, "link", watched(exclusive_files.link))
    return done


def table_of(path: str) -> str:
    return Path(path).parents[2].name


def comparable(outcome: run.Outcome, name: str) -> pd.DataFrame:
    return table(outcome, name).drop(columns=OF_THE_ATTEMPT, errors="ignore")


def assert_whole(output: Path) -> None:
    """What a reader sees can be read, and is of an unfinished run."""
    for path in output.rglob("*.parquet"):
        assert pq.ParquetFile(path).read().num_rows >= 0
    assert not list(output.glob("runs/*/*/*.parquet"))


def test_these_are_the_commits_of_a_run(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = commits(monkeypatch, at=None)
    evaluate({**settings, "output": str(tmp_path)}, "r1")
    assert [table_of(path) for path in done] == COMMITS


@pytest.mark.parametrize(
    ("at", "after"),
    [*((i, False) for i in range(len(COMMITS))), (COMMITS.index("samples"), True), (COMMITS.index("runs"), True)],
)
def test_a_run_killed_at_any_commit_goes_on_to_the_same_tables(
    at: int, after: bool, settings: dict[str, Any], whole: run.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {**settings, "output": str(tmp_path)}
    with monkeypatch.context() as patch:
        done = commits(patch, at, after=after)
        with pytest.raises(Exception, match="Killed"):
            evaluate(here, "r1")
    assert [table_of(path) for path in done] == COMMITS[: at + after]
    if len(done) < len(COMMITS):
        assert_whole(tmp_path)
    samples = {path: path.stat().st_mtime_ns for path in tmp_path.glob("samples/*/*/*.parquet")}
    again = evaluate(here, "r1")
    assert {path: path.stat().st_mtime_ns for path in samples} == samples  # scored once
    for name in TABLES:
        pd.testing.assert_frame_equal(comparable(again, name), comparable(whole, name), check_exact=True)


def test_shards_added_to_a_finished_run_take_its_row_away_until_they_are_scored(
    settings: dict[str, Any], whole: run.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {**settings, "output": str(tmp_path)}
    first = {**here, "examples": settings["examples"].replace("*", "0")}
    assert evaluate(first, "r1").row["shards"] == 1
    with monkeypatch.context() as patch:
        commits(patch, at=0, after=True)  # before any sample file of the new shard
        with pytest.raises(Exception, match="Killed"):
            evaluate(here, "r1")
    assert_whole(tmp_path)
    again = evaluate(here, "r1")
    for name in TABLES:
        pd.testing.assert_frame_equal(comparable(again, name), comparable(whole, name), check_exact=True)


def test_what_a_killed_attempt_left_is_removed_after_a_day(settings: dict[str, Any], tmp_path: Path) -> None:
    outcome = evaluate({**settings, "output": str(tmp_path)}, "r1")
    folders = [Path(outcome.run.folder(name)) for name in TABLES]
    for folder in folders:
        for name, days in ((".old.parquet.0.tmp", 2), (".young.parquet.1.tmp", 0.5)):
            (folder / name).write_bytes(b"half")
            os.utime(folder / name, (time.time() - days * 86400,) * 2)
    evaluate({**settings, "output": str(tmp_path)}, "r1")
    hidden = [path.name for folder in folders for path in folder.iterdir() if path.name.startswith(".")]
    assert hidden == [".young.parquet.1.tmp"] * len(folders)


@pytest.mark.parametrize("at", [0, 1, 3, 5], ids=["failures", "samples", "classes", "runs"])
def test_a_second_process_that_finishes_in_the_midst_of_the_first_does_no_harm(
    at: int, settings: dict[str, Any], whole: run.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, seen, second = {**settings, "output": str(tmp_path)}, [], []

    def watched(real: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def commit(source: Any, destination: Any) -> Any:
            seen.append(destination)
            if len(seen) == at + 1:
                second.append(evaluate(here, "r1"))
            return real(source, destination)

        return commit

    monkeypatch.setattr(filesystems, "rename", watched(filesystems.rename))
    monkeypatch.setattr(exclusive_files, "link", watched(exclusive_files.link))
    first = evaluate(here, "r1")
    for outcome in (first, *second):
        assert outcome.valid
        for name in TABLES:
            pd.testing.assert_frame_equal(comparable(outcome, name), comparable(whole, name), check_exact=True)
    assert len(second) == 1
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]
