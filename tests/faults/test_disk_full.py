"""A disk that is full, and an output that cannot be written: one clear error, no half file, and the run goes on."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dicebeam.pipeline import cli
from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import StorageError
from tests.support import builders
from tests.support.evaluating import evaluate, table


def even(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A shard of two records, and one of 400 with long ids, so that its sample file is much the larger one."""
    folder, rng = tmp_path_factory.mktemp("full"), np.random.default_rng(5)
    for part, count in enumerate((2, 400)):
        records = [
            builders.sample(rng.integers(0, 256, (4, 4, 3), np.uint8), rng.integers(0, 2, (4, 4)), rng.bytes(60).hex())
            for _ in range(count)
        ]
        builders.write_shard(folder / f"part-{part}", records)
    model = builders.save_model(folder / "model", even, builders.images_spec())
    return {"examples": f"{folder}/part-*", "model": model, "classes": ["a", "b"], "output": str(folder / "out")}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Writing beyond the size fails as it does on a full disk, with another errno; Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    return int(exited.value.code or 0)


def test_a_full_disk_is_one_error_and_the_run_goes_on(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = evaluate(settings, "r1")
    sizes = [path.stat().st_size for path in sorted(Path(whole.run.folder("samples")).iterdir())]
    assert sizes[0] * 2 < sizes[1]
    config, out = tmp_path / "config.json", tmp_path / "out"
    config.write_text(json.dumps({**settings, "output": str(out)}))
    command = ["evaluate", str(config), "--run-id", "r1"]
    with file_size_limit(sum(sizes) // 2):
        assert code(command) == 2
    error = capsys.readouterr().err
    assert f"error: {out}/samples/" in error
    assert ".parquet cannot be written: File too large; free space there or fix its permissions" in error
    assert f"to resume: dicebeam evaluate {config} --run-id r1" in error
    files = [path for path in out.rglob("*") if path.is_file() and path.parent.name not in ("_claims", "_shards")]
    assert [path.stat().st_size for path in files] == sizes[:1]  # the first shard is whole, and nothing else is there
    assert code(command) == 0
    here = {path.parents[2].name: path for path in out.rglob("part-0.parquet")}
    pd.testing.assert_frame_equal(
        pd.concat(pd.read_parquet(path) for path in sorted(files[0].parent.glob("*.parquet"))).reset_index(drop=True),
        table(whole, "samples"),
    )
    pd.testing.assert_frame_equal(pd.read_parquet(here["classes"]), table(whole, "classes"))


@pytest.mark.parametrize("output", ["file", "file/reports", "/proc/reports"])
def test_output_that_cannot_be_written_is_refused_before_anything_is_scored(
    output: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    config = Config.model_validate({**settings, "output": str(tmp_path / output)})
    with pytest.raises(StorageError, match=r"/samples/.* cannot be written: .*; free space there or fix its perm"):
        make_plan(config, None, [])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_refused_plan_makes_no_folders(settings: dict[str, Any], tmp_path: Path) -> None:
    config = Config.model_validate({**settings, "output": str(tmp_path / "out"), "classes": ["a", "b", "c"]})
    with pytest.raises(Exception, match="classes"):
        make_plan(config, None, [])
    assert not list(tmp_path.iterdir())
