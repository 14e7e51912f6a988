"""The pipeline, compiled and run by Kubeflow Pipelines itself."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.stub_command import CODES, Stub

DEPLOY = ROOT / "deploy"


def test_the_compiled_pipeline_is_that_of_its_source(kfp_python, tmp_path):
    source = tmp_path / "kubeflow_pipeline.py"
    source.write_text((DEPLOY / source.name).read_text(encoding="utf-8"))
    subprocess.run([kfp_python, source], check=True)
    assert source.with_suffix(".yaml").read_text() == (DEPLOY / "kubeflow_pipeline.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", CODES)
def test_what_an_exit_code_is_in_a_pipeline(kfp_python, tmp_path, code):
    stub = Stub(tmp_path / "bin", code)
    variables = {**stub.environment, "PATH": f"{Path(kfp_python).parent}:{stub.environment['PATH']}"}
    probe, text = (
        Path(__file__).with_name("kfp_probe.py"),
        (DEPLOY / "kubeflow_pipeline.py").read_text(encoding="utf-8"),
    )
    assert '"60s"' in text
    (tmp_path / "kubeflow_pipeline.py").write_text(text.replace('"60s"', '"0s"'))
    done = subprocess.run(
        [kfp_python, probe, tmp_path], env=variables, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    ended = re.sub(r"\x1b\[\d*m", "", json.loads(done.stdout.splitlines()[-1])["ended"])
    if code == 0:
        assert "FAILURE" not in ended
    else:
        assert f"Inner task failed: '{'nightly' if code == 2 else 'passed'}'" in ended
    calls = stub.calls
    assert [call[0] for call in calls] == (["nightly"] * 3 if code == 2 else ["nightly", "report"])
    assert calls[0][:6] == ["nightly", "c.yaml", "--set", "model=m", "--set", "output=o"]
    assert re.fullmatch(r"n[A-Za-z0-9_.-]+", calls[0][7])
    assert all(call[1:8] == calls[0][1:8] for call in calls)  # each try has the same run id
    pages = [path.read_text() for path in tmp_path.glob("root/*/nightly/report")]
    assert pages == ([] if code == 2 else ["<html>the page</html>"])


def test_only_what_failed_is_tried_again(kfp_python):
    assert kfp_python
    tasks = yaml.safe_load((DEPLOY / "kubeflow_pipeline.yaml").read_text(encoding="utf-8"))["root"]["dag"]["tasks"]
    assert tasks["nightly"]["retryPolicy"]["maxRetryCount"] == 2
    assert "retryPolicy" not in tasks["passed"]
    assert not any(task["cachingOptions"] for task in tasks.values())
