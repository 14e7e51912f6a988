"""Beam's flags before a job is submitted: which engine, and where its workers come from."""

import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    StandardOptions,
)

from ...schemas.finding import Finding, fine, problem, warning
from ..runner import options as runner_options

CONNECT_SECONDS = 5.0
_PORTABLE = {"PortableRunner", "FlinkRunner", "SparkRunner", "PrismRunner"}
_LOSES_ROWS = "DaskRunner"


def findings(flags: Sequence[str]) -> Iterator[Finding]:
    """What the flags say of the engine and its workers; Dataflow's own are looked at elsewhere."""
    for flag in runner_options.unknown_flags(flags):
        yield warning(f"Beam's Python side does not know {flag}", "flags", "fix it, unless a job server knows it")
    options = runner_options.pipeline_options(flags)
    runner = short_runner(options)
    yield fine(f"the pipeline runs on {runner_options.runner_name(options)}", "--runner")
    if runner == _LOSES_ROWS:
        yield problem("DaskRunner ends as DONE without having written the tables", "--runner", "take another runner")
    if runner == "DirectRunner":
        todo = "leave --runner out for the embedded runner"
        yield warning("Beam's DirectRunner first tries to download Prism", "--runner", todo)
    if runner in _PORTABLE:
        yield from _job_server(options, runner)
        yield from _environment(options, runner)


def short_runner(options: PipelineOptions) -> str:
    """The runner's name without its modules."""
    return str(options.view_as(StandardOptions).runner).rpartition(".")[2]


def _job_server(options: PipelineOptions, runner: str) -> Iterator[Finding]:
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint == "embed":
        return
    if endpoint:
        yield _reachable(endpoint, "--job_endpoint", "start the job server, or fix the address")
    elif runner == "PortableRunner":
        yield problem("PortableRunner has no job server", "--job_endpoint", "name one as HOST:PORT, or embed")
    elif runner == "PrismRunner":
        yield _binary(options.view_as(PrismRunnerOptions).prism_location, "--prism_location", "Prism")
    elif runner == "FlinkRunner":
        jar = options.view_as(FlinkRunnerOptions).flink_job_server_jar
        yield _binary(jar, "--flink_job_server_jar", "Flink's job server")
        launcher = options.view_as(JobServerOptions).job_server_java_launcher
        if shutil.which(launcher) is None:
            yield problem(f"the job server needs Java, and there is no {launcher!r}", "PATH", "install Java")


def _binary(place: str | None, flag: str, what: str) -> Finding:
    if not place:
        return warning(f"Beam will download {what}", flag, "name a file where there is no network")
    if "://" in place or Path(place).is_file():
        return fine(f"{what} is {place}", flag)
    return problem(f"there is no file {place!r}", flag, f"fix the path of {what}")


def _environment(options: PipelineOptions, runner: str) -> Iterator[Finding]:
    given = options.view_as(PortableOptions)
    kind, config = given.environment_type, given.environment_config
    if kind is None and runner == "PrismRunner":
        kind = "LOOPBACK"
    if kind == "LOOPBACK":
        yield fine("workers are threads of this process", "--environment_type")
        if given.job_endpoint not in (None, "embed"):
            todo = "take EXTERNAL or DOCKER for workers beside the engine's"
            yield warning("with LOOPBACK no worker runs anywhere else", "--environment_type", todo)
    elif kind == "EXTERNAL":
        if not config:
            todo = "name the worker pool as HOST:PORT"
            yield problem("EXTERNAL needs a worker pool", "--environment_config", todo)
        else:
            pool = "start one there: python -m apache_beam.runners.worker.worker_pool_main --service_port=PORT"
            yield _reachable(config, "--environment_config", pool)
    elif kind == "PROCESS":
        if not config and not given.environment_options:
            todo = "name the command that starts a worker"
            yield problem("PROCESS needs a command", "--environment_config", todo)
    elif not config and not _container(given):
        todo = "name an image with --environment_config, or take --environment_type=LOOPBACK or EXTERNAL"
        yield problem("workers are containers of Beam's own image, without dicebeam", "--environment_type", todo)


def _container(given: PortableOptions) -> bool:
    return any("docker_container_image" in option for option in given.environment_options or ())


def _reachable(address: str, flag: str, todo: str) -> Finding:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return problem(f"expected HOST:PORT, but got {address!r}", flag, todo)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            return fine(f"something answers at {address}", flag)
    except (OSError, OverflowError) as error:
        return problem(f"nothing answers at {address} ({error})", flag, todo)
