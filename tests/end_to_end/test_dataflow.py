"""The real DataflowRunner against stand-ins: what it asks the service for, and what it stages.

That the staged pipeline runs with the wheel alone is in tests/engines.
"""

import tarfile
from io import BytesIO

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from tests.support import dataflow
from tests.support.dataflow import ACCELERATOR, IMAGE, Submitted


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Submitted:
    with pytest.MonkeyPatch.context() as patch:
        return dataflow.submit(tmp_path_factory.mktemp("dataflow"), patch)


def test_every_worker_gets_the_accelerator_the_machine_and_the_image(submitted: Submitted) -> None:
    environment = submitted.job["environment"]
    (pool,) = environment["workerPools"]
    assert environment["serviceOptions"] == [ACCELERATOR]
    assert "no_use_multiple_sdk_containers" in environment["experiments"]
    assert pool["machineType"] == "n1-standard-8"
    assert {image["containerImage"] for image in pool["sdkHarnessContainerImages"]} == {IMAGE}


def test_the_job_is_a_batch_with_the_labels_and_the_name(submitted: Submitted) -> None:
    assert submitted.job["name"] == "night"
    assert submitted.job["type"] == 1  # batch
    assert submitted.job["labels"].items() >= {"team": "vision", "tool": "dicebeam"}.items()


def test_the_hints_are_those_of_every_transform(submitted: Submitted) -> None:
    components = beam_runner_api_pb2.Pipeline.FromString(submitted.pipeline).components
    used = {transform.environment_id for transform in components.transforms.values()} - {""}
    assert used == set(components.environments)
    hints = [dict(environment.resource_hints) for environment in components.environments.values()]
    assert hints == [{"beam:resources:min_ram_bytes:v1": b"24000000000"}] * len(used)
    assert len(used) == 1


def test_the_staged_package_is_the_three_rooms(submitted: Submitted) -> None:
    packages = submitted.job["environment"]["workerPools"][0]["packages"]
    assert "workflow.tar.gz" in [package["name"] for package in packages]
    with tarfile.open(fileobj=BytesIO(submitted.staged["workflow.tar.gz"])) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"setup.py", "schemas/views.sql", "components/dice.py", "pipeline/graphs/evaluation_graph.py"} <= names
