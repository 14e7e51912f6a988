"""What DataflowRunner stages runs in a fresh process that has dicebeam from its wheel alone."""

import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dicebeam.pipeline.runner import run
from tests.support import dataflow, wheels
from tests.support.dataflow import ROOT
from tests.support.evaluating import evaluate, table


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has dicebeam from its wheel, and nothing else."""
    made = tmp_path_factory.mktemp("wheel")
    wheel = wheels.build_wheel(wheels.copy_sources(made / "source"), made)
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(made / "installed")
    return made / "installed"


def test_what_is_staged_runs_with_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    """It gives the tables of in_memory."""
    with pytest.MonkeyPatch.context() as patch:
        submitted = dataflow.submit(tmp_path / "job", patch)
    (tmp_path / "pipeline.pb").write_bytes(submitted.pipeline)
    script = tmp_path / "dataflow_job.py"
    script.write_bytes((ROOT / "tests" / "support" / "dataflow_job.py").read_bytes())
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


def test_the_check_of_the_image_passes_with_the_wheel_alone(installed: Path) -> None:
    """The Dockerfile's last word on the package, in the folder where it is said."""
    dockerfile = (ROOT / "deploy" / "dataflow" / "Dockerfile").read_text(encoding="utf-8")
    (check,) = re.findall(r"RUN cd / && dicebeam (.*)", dockerfile)
    told = wheels.run(
        [sys.executable, "-m", "dicebeam", *shlex.split(check)], Path("/"), {"PYTHONPATH": str(installed)}
    )
    assert told.startswith("dicebeam ")
