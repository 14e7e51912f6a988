"""What Beam's flags would come to, before a job is submitted: each finding on its own."""

import importlib.metadata
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicebeam.pipeline.preflight import beam_flags
from dicebeam.pipeline.preflight import dataflow as preflight_dataflow
from dicebeam.pipeline.preflight.dataflow import ACCELERATOR, DRIVER

PORTABLE = "--runner=PortableRunner"
DATAFLOW = [
    "--runner=DataflowRunner",
    "--project=a-project",
    "--region=europe-west1",
    "--temp_location=gs://bucket/tmp",
]
REMOTE = {"examples": ["gs://bucket/x"], "model": ["gs://bucket/m"], "output": ["gs://bucket/o"]}
VERSION = importlib.metadata.version("dicebeam")
IMAGE = f"--sdk_container_image=registry/dicebeam:{VERSION}"
ONE_CONTAINER = "--experiments=no_use_multiple_sdk_containers"


def accelerator(text: str) -> str:
    return f"--dataflow_service_options={ACCELERATOR}{text}"


T4, L4 = (accelerator(f"type:nvidia-{kind};count:1;{DRIVER}") for kind in ("tesla-t4", "l4"))


def worst(found: Iterator[object]) -> list[str]:
    return [str(finding) for finding in found if not str(finding).startswith("ok")]


def engine(*flags: str) -> list[str]:
    return worst(beam_flags.findings(flags))


def dataflow(*flags: str, paths: object = REMOTE) -> list[str]:
    return worst(preflight_dataflow.findings([*DATAFLOW, *flags], paths))


@pytest.fixture
def server() -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        listening.listen()
        yield f"localhost:{listening.getsockname()[1]}"


def test_the_embedded_runner_needs_nothing() -> None:
    assert engine() == []
    assert engine("--direct_num_workers=2", "--direct_running_mode=multi_processing") == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--runnr=X"], r"^warning: .* does not know --runnr \(did you mean --runner\?\), flags; fix it"),
        (["--runner=DaskRunner"], "^problem: DaskRunner ends as DONE without having written the tables, --runner"),
        (["--runner=DirectRunner"], "^warning: Beam's DirectRunner first tries to download Prism, --runner"),
        ([PORTABLE, "--environment_type=LOOPBACK"], "^problem: PortableRunner has no job server, --job_endpoint"),
        ([PORTABLE, "--job_endpoint=embed"], "^problem: workers are containers of Beam's own image, without dicebeam"),
        (
            [PORTABLE, "--job_endpoint=embed", "--environment_type=EXTERNAL"],
            "^problem: EXTERNAL needs a worker pool, --environment_config; name the worker pool as HOST:PORT",
        ),
        (
            [PORTABLE, "--job_endpoint=embed", "--environment_type=EXTERNAL", "--environment_config=localhost:1"],
            r"^problem: nothing answers at localhost:1 \(.*\), --environment_config; start one there: python -m",
        ),
        (
            [PORTABLE, "--job_endpoint=embed", "--environment_type=PROCESS"],
            "^problem: PROCESS needs a command, --environment_config",
        ),
        (
            [PORTABLE, "--job_endpoint=localhost", "--environment_type=DOCKER", "--environment_config=image"],
            "^problem: expected HOST:PORT, but got 'localhost', --job_endpoint; start the job server",
        ),
        (["--runner=PrismRunner"], "^warning: Beam will download Prism, --prism_location"),
        (["--runner=PrismRunner", "--prism_location=/nowhere"], "^problem: there is no file '/nowhere', --prism_loc"),
        (
            ["--runner=FlinkRunner", "--flink_job_server_jar=/no.jar", "--environment_type=LOOPBACK"],
            "^problem: there is no file '/no.jar', --flink_job_server_jar; fix the path of Flink's job server",
        ),
    ],
)
def test_each_finding_on_an_engine(flags: list[str], said: str) -> None:
    (found, *_) = engine(*flags)
    assert re.search(said, found), found


def test_servers_that_answer_are_fine(server: str) -> None:
    flags = [PORTABLE, "--job_endpoint=embed", "--environment_type=EXTERNAL", f"--environment_config={server}"]
    assert engine(*flags) == []


def test_loopback_with_a_server_elsewhere_runs_all_work_here(server: str) -> None:
    (found,) = engine(PORTABLE, f"--job_endpoint={server}", "--environment_type=LOOPBACK")
    assert found.startswith("warning: with LOOPBACK no worker runs anywhere else")


def test_an_image_with_dicebeam_is_fine() -> None:
    assert engine(PORTABLE, "--job_endpoint=embed", "--environment_type=DOCKER", "--environment_config=ours") == []
    assert engine(PORTABLE, "--job_endpoint=embed", "--environment_options=docker_container_image=ours") == []


def test_flink_needs_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jar = tmp_path / "server.jar"
    jar.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = engine("--runner=FlinkRunner", f"--flink_job_server_jar={jar}", "--environment_type=LOOPBACK")
    assert found == "problem: the job server needs Java, and there is no 'java', PATH; install Java"


def test_a_good_job_for_dataflow_has_no_finding() -> None:
    assert dataflow(IMAGE) == []
    assert dataflow(IMAGE, T4, ONE_CONTAINER) == []
    assert dataflow(IMAGE, L4, ONE_CONTAINER, "--machine_type=g2-standard-8") == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "^problem: the workers would have no dicebeam, --sdk_container_image; name an image that has it"),
        (["--setup_file=/no/setup.py"], "^problem: there is no file '/no/setup.py', --setup_file; name dicebeam's"),
        (["--setup_file=setup.py"], "^warning: every worker installs TensorFlow and dicebeam as it starts, --setup_f"),
        (["--sdk_container_image=dicebeam:latest"], rf"^warning: the tag of 'dicebeam:latest' .* dicebeam {VERSION},"),
        ([IMAGE, T4], "^warning: each core's process would load the model onto the GPU, --experiments; add --exp"),
        (["--extra_package=dicebeam.tar.gz", T4, ONE_CONTAINER], "^problem: Beam's own image has no CUDA for the GPU"),
        (
            [IMAGE, ONE_CONTAINER, accelerator("type:nvidia-tesla-t4;count:1")],
            f"^problem: the workers would have no GPU driver, .*; add ;{DRIVER}",
        ),
        (
            [IMAGE, ONE_CONTAINER, accelerator(f"type:nvidia-tesla-t4;{DRIVER}")],
            "^problem: an accelerator needs a type and a count, .*; expected type:T;count:N",
        ),
        (
            [IMAGE, ONE_CONTAINER, accelerator(f"type:nvidia-tesla-t4;count:1;cuont:2;{DRIVER}")],
            "^problem: an accelerator has no 'cuont'",
        ),
        (
            [IMAGE, ONE_CONTAINER, accelerator(f"type:tpu-v9;count:1;{DRIVER}")],
            "^warning: 'tpu-v9' is no accelerator known here, .*; known: nvidia-l4, ",
        ),
        (
            [IMAGE, ONE_CONTAINER, L4],
            r"^problem: nvidia-l4 does not come with the default machine type \(n1\), --machine_type; take g2-...",
        ),
        (
            [IMAGE, ONE_CONTAINER, T4, "--machine_type=g2-standard-4"],
            "^problem: nvidia-tesla-t4 does not come with g2-standard-4, --machine_type; take n1-...",
        ),
        (
            [IMAGE, "--machine_type=a2-highgpu-1g"],
            "^problem: a2-highgpu-1g has GPUs, but no accelerator is asked for, --machine_type; add --dataflow_service",
        ),
        (
            [IMAGE, ONE_CONTAINER, T4, f"--resource_hint=accelerator=type:nvidia-tesla-t4;count:1;{DRIVER}"],
            "^problem: accelerators are asked for twice, --resource_hints; keep one of the two",
        ),
    ],
)
def test_each_finding_on_dataflow(flags: list[str], said: str) -> None:
    found = dataflow(*flags)
    assert re.search(said, found[0]), found
    assert len(found) == 1


def test_what_beam_itself_refuses_is_found_with_a_local_endpoint_too() -> None:
    found = worst(preflight_dataflow.findings(["--runner=DataflowRunner", IMAGE, "--project=Not A Project"], REMOTE))
    text = "\n".join(found)
    assert "problem: Missing GCS path option: temp_location" in text
    assert "problem: Invalid Project ID (Not A Project)" in text
    local = ["--dataflow_endpoint=http://localhost:1"]
    assert worst(preflight_dataflow.findings(["--runner=DataflowRunner", IMAGE, *local], REMOTE)) != []


def test_local_paths_are_named_one_by_one() -> None:
    found = dataflow(IMAGE, paths={"examples": ["data/*", "gs://bucket/x"], "model": ["/m"], "output": ["s3://b/o"]})
    assert found == [
        "problem: Dataflow's workers cannot reach the local path 'data/*', examples; name a gs:// path",
        "problem: Dataflow's workers cannot reach the local path '/m', model; name a gs:// path",
    ]


def test_an_accelerator_without_dataflow_is_for_nothing() -> None:
    (found,) = worst(preflight_dataflow.findings([T4], REMOTE))
    assert found.startswith("warning: an accelerator is asked for, but not of Dataflow")
