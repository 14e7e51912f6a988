"""The DAG, parsed and run by Airflow itself."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.stub_command import CODES, Stub, of_a_night

DAG = ROOT / "deploy" / "airflow_dag.py"
KILLED = 143


@pytest.fixture(scope="module")
def airflow(airflow_python, tmp_path_factory):
    """What Airflow says of the DAG, and the stub that it has called: once for each exit code, and for a kill."""
    folder = tmp_path_factory.mktemp("airflow")
    stub = Stub(folder / "bin", 0)
    (folder / "dags").mkdir()
    text = DAG.read_text(encoding="utf-8").replace('"/srv/dicebeam"', repr(str(folder)))
    assert "minutes=5" in text
    (folder / "dags" / DAG.name).write_text(text.replace("minutes=5", "seconds=1"))
    variables = {
        **stub.environment, "AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
    }  # fmt: skip

    def run(*command):
        done = subprocess.run(
            [airflow_python, *map(str, command)], env=variables, cwd=folder, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "airflow", "db", "migrate")
    probe = Path(__file__).with_name("airflow_probe.py")
    said = run(probe, folder / "dags", stub.folder / "code", *CODES, KILLED)
    return json.loads(said.splitlines()[-1]), stub


def test_airflow_takes_the_dag(airflow):
    said, _ = airflow
    assert said["errors"] == {}
    assert said["dags"] == {"dicebeam_nightly": ["nightly"]}


@pytest.mark.parametrize(
    ("code", "task", "run"),
    [
        (0, "success", "success"), (1, "failed", "failed"), (2, "failed", "failed"), (3, "skipped", "success"),
        (4, "failed", "failed"), (5, "failed", "failed"), (KILLED, "failed", "failed"),
    ],
)  # fmt: skip
def test_what_an_exit_code_is_in_airflow(airflow, code, task, run):
    found = airflow[0]["states"][str(code)]
    assert (found["task"], found["run"]) == (task, run)


def test_only_what_was_killed_is_tried_again_and_under_its_run_id(airflow):
    said, stub = airflow
    assert len(stub.calls) == len(CODES) + 3
    assert all(map(of_a_night, stub.calls))
    dates = [said["states"][str(code)]["date"] for code in (*CODES, *[KILLED] * 3)]
    assert [call[-1] for call in stub.calls] == [f"n{date}" for date in dates]
    assert set(stub.folders) == {str(stub.folder.parent)}
