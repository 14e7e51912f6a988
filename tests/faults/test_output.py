"""Output never decides the outcome: with a full, closed or narrow terminal the exit code is still the verdict's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dicebeam.components.explore import demo
from dicebeam.components.verdict import blessing
from dicebeam.pipeline.config import config_file
from tests.support.evaluating import evaluate

LIMIT = "gate.checks=[{metric: dice_mean, class: foreground, min: 0.79, min_samples: 2}]"
SHELLS = {
    "full": "exec {command} >/dev/full 2>/dev/full",
    "closed": "exec {command} >&- 2>&-",
    "no_streams": "exec {command} <&- >&- 2>&-",
    "reader_gone": "{command} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("output") / "demo"
    path = Path(demo.make(str(made), 60))
    path.write_text(path.read_text().replace("bicycle", "Fahrräder ☃"))
    for run_id, model in (("v1", "v1"), ("v2", "v2")):
        evaluate(config_file.load(str(path), [f"model={made}/models/{model}"]), run_id)
    return made


def gate(folder: Path, shell: str, run_id: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    own = f"{sys.executable} -m dicebeam gate {folder}/config.yaml --run-id {run_id} --set '{LIMIT}'"
    command = ["bash", "-c", shell.format(command=own)]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("shell", SHELLS.values(), ids=list(SHELLS))
def test_the_exit_code_is_the_verdicts_and_every_file_is_there(folder: Path, shell: str) -> None:
    shutil.rmtree(folder / "reports/gate", ignore_errors=True)
    assert gate(folder, shell, "v1").returncode == 0
    written = {path.name for path in (folder / "reports/gate").glob("*/run_id=v1/*")}
    assert {blessing.BLESSED, "verdict.json", "junit.xml"} <= written


def test_a_verdict_that_is_no_pass(folder: Path) -> None:
    assert gate(folder, SHELLS["closed"], "v2").returncode == 1


def test_no_file_becomes_a_standard_stream_that_was_closed() -> None:
    own = "from dicebeam.pipeline.commands import output_streams as o; import os, sys"
    code = f"{own}\nwith o.installed(forgiving=True): sys.exit(os.open(os.devnull, os.O_RDONLY))"
    command = ["bash", "-c", f"exec {sys.executable} -c '{code}' <&- >&- 2>&-"]
    assert subprocess.run(command, check=False).returncode > 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_class_that_the_terminal_cannot_encode_is_escaped(folder: Path, encoding: str) -> None:
    done = gate(folder, "exec {command}", "v1", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_query_that_nobody_reads_is_no_verdict(folder: Path) -> None:
    command = ["bash", "-c", f"exec {sys.executable} -m dicebeam query {folder}/reports 'SELECT 1' >&-"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize("shell", SHELLS.values(), ids=list(SHELLS))
def test_an_error_is_no_verdict_whatever_becomes_of_its_message(folder: Path, shell: str) -> None:
    assert gate(folder, shell, "nobody").returncode not in {0, 1, 3, 4, 5}
