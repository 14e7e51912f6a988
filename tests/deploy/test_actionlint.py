"""The workflow, read by the linter of such files."""

import os
import shutil
import subprocess

import pytest

from tests.support.paths import ROOT


def test_actionlint_finds_nothing():
    path = f"{ROOT / '.deploy-tools'}{os.pathsep}{os.environ['PATH']}"
    actionlint = shutil.which("actionlint", path=path)
    if actionlint is None:
        pytest.skip("there is no actionlint; make deploy-check installs it where Go is")
    workflow = ROOT / "deploy" / "github-actions.yaml"
    done = subprocess.run([actionlint, workflow], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
