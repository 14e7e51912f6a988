"""What DataflowRunner stages runs in a fresh process that has dicebeam from its wheel alone."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dicebeam.pipeline.runner import run
from tests.support import dataflow
from tests.support.dataflow import ROOT
from tests.support.evaluating import evaluate, table


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has dicebeam from its wheel, and nothing else."""
    made = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(made), str(ROOT)]
    subprocess.run(wheel, check=True, capture_output=True, cwd=made)
    (path,) = made.glob("dicebeam-*.whl")
    with zipfile.ZipFile(path) as opened:
        opened.extractall(made / "installed")
    return made / "installed"


def test_what_is_staged_runs_with_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    """It gives the tables of in_memory."""
    with pytest.MonkeyPatch.context() as patch:
        submitted = dataflow.submit(tmp_path / "job", patch)
    (tmp_path / "pipeline.pb").write_bytes(submitted.pipeline)
    script = tmp_path / "dataflow_job.py"
    script.write_bytes((ROOT / "tests" / "dataflow_job.py").read_bytes())
    environment = {**os.environ, "PYTHONPATH": str(installed), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, str(script), f"{tmp_path}/pipeline.pb"],
        cwd=tmp_path, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    where, kinds, state = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert {
        f"dicebeam.components.{name}"
        for name in ("reading.read_samples", "samples.write_samples", "reading.find_shards", "summary.summarize")
    } <= set(kinds.split())
    assert state == "DONE"
    found = run.outcome(submitted.plan.run)
    expected = evaluate({**submitted.settings, "output": f"{tmp_path}/expected"}, "n1")
    for name in ("samples", "classes", "slices", "failures"):
        assert table(found, name).equals(table(expected, name)), name
    assert found.row["digest"] == expected.row["digest"]
    assert found.row["runner"] == "DataflowRunner"


def test_the_image_checks_that_the_root_packages_are_ours(installed: Path, tmp_path: Path) -> None:
    """The check of the Dockerfile passes with the wheel, and fails where another package has one of the names."""
    dockerfile = (ROOT / "deploy" / "dataflow" / "Dockerfile").read_text(encoding="utf-8")
    (check,) = re.findall(r'RUN cd / && python -c "(.*)"', dockerfile)
    stranger = tmp_path / "stranger-1.dist-info"
    stranger.mkdir()
    (stranger / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (stranger / "top_level.txt").write_text("components\n")
    for path, code in ((str(installed), 0), (f"{installed}{os.pathsep}{tmp_path}", 1)):
        command = [sys.executable, "-c", check]
        done = subprocess.run(
            command, cwd="/", env={**os.environ, "PYTHONPATH": path}, check=False, capture_output=True
        )
        assert done.returncode == code, done.stderr
