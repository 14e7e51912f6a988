"""What engines say, in words that name the flag to fix."""

import grpc
import pytest

from dicebeam.pipeline.runner import engine_errors
from dicebeam.pipeline.runner.options import pipeline_options
from dicebeam.schemas.errors import ConfigError, WorkerError

START_WORKER = """Pipeline job-1 failed in state FAILED: Error running pipeline.
    response = stub.StartWorker(
	status = StatusCode.UNAVAILABLE
	details = "failed to connect to all addresses"
>"""
DOCKER = "subprocess.CalledProcessError: Command '['docker', 'run', '-d', 'image']' returned non-zero exit status 125."


def explained(error: BaseException, *flags: str) -> str:
    known = engine_errors.explained(error, pipeline_options(flags))
    assert isinstance(known, ConfigError)
    return str(known)


def test_a_job_server_that_is_not_there() -> None:
    text = explained(grpc.FutureTimeoutError(), "--job_endpoint=there:1", "--job_server_timeout=5")
    assert text.startswith("expected a job server at --job_endpoint=there:1, but none answered within 5 s")


def test_a_worker_pool_that_is_not_there() -> None:
    text = explained(RuntimeError(START_WORKER), "--environment_config=there:2")
    assert text.startswith("expected a worker pool at --environment_config=there:2, but nothing answers there")


@pytest.mark.parametrize("said", [DOCKER, "FileNotFoundError: [Errno 2] No such file or directory: 'docker'"])
def test_containers_that_cannot_be_started(said: str) -> None:
    assert "in a container (Beam's image, which has no dicebeam)" in explained(RuntimeError(said))
    assert "in a container (ours)" in explained(RuntimeError(said), "--environment_config=ours")


def test_a_prism_that_is_not_there() -> None:
    text = explained(ValueError('Unable to parse binary URL "/no". If ...'), "--prism_location=/no")
    assert text.startswith("expected the Prism binary at --prism_location=/no, but it is not there")


def test_a_job_server_of_flink_that_is_not_there() -> None:
    text = explained(ValueError('Unable to parse jar URL "/no.jar". If ...'), "--flink_job_server_jar=/no.jar")
    assert text.startswith(
        "expected Flink's job server of Beam at --flink_job_server_jar=/no.jar, but there is no such"
    )


def test_no_java() -> None:
    text = explained(FileNotFoundError(2, "No such file or directory", "java"))
    assert text.startswith("a job server needs Java, but no `java` is on the PATH")


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--flink_job_server_jar=/a.jar", "/a.jar"),
        ("--prism_location=/p", "/p"),
        ("--streaming", "what the runner names"),
    ],
)
def test_a_server_that_ends_at_once(flag: str, named: str) -> None:
    text = explained(RuntimeError("Service failed to start up with error 1"), flag)
    assert text.startswith(f"the engine's server ended as soon as it was started, from {named};")


GRPC = "org.apache.beam.vendor.grpc.v1p60p1.io.grpc.StatusRuntimeException: "
FLINK_WITHOUT_RESTARTS = f"Pipeline job-1 failed in state FAILED: {GRPC}{GRPC}CANCELLED: client cancelled"


@pytest.mark.parametrize("said", ["RuntimeError: Channel closed prematurely.", FLINK_WITHOUT_RESTARTS])
def test_a_worker_that_went_away(said: str) -> None:
    error = engine_errors.explained(RuntimeError(said), pipeline_options([]))
    assert isinstance(error, WorkerError)
    assert "went away before its work was done" in str(error)


def test_what_is_cancelled_because_of_another_error_does_not_hide_that() -> None:
    said = f"failed in state FAILED: java.lang.IllegalStateException: no\nSuppressed: {GRPC}CANCELLED: client cancelled"
    assert engine_errors.explained(RuntimeError(said), pipeline_options([])) is None


def test_other_errors_are_left_as_they_are() -> None:
    assert engine_errors.explained(RuntimeError("something else"), pipeline_options([])) is None
