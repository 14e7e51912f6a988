"""The tools of deploy/ that need environments of their own, which `make deploy-check` makes."""

import os

import pytest

from tests.support.paths import ROOT


def _python(name):
    if not os.environ.get("DICEBEAM_DEPLOY_CHECK"):
        pytest.skip(f"{name} needs an environment of its own; make deploy-check makes it and runs this test")
    return str(ROOT / f".venv-{name}" / "bin" / "python")


@pytest.fixture(scope="session")
def airflow_python():
    """Python of the environment that has Airflow."""
    return _python("airflow")


@pytest.fixture(scope="session")
def kfp_python():
    """Python of the environment that has Kubeflow Pipelines."""
    return _python("kfp")
