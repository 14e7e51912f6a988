"""What engines say when they cannot work, in words that name the flag to fix."""

import re
from collections.abc import Callable, Iterable

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
)

from ...schemas.errors import ConfigError, DicebeamError, WorkerError

_Explain = Callable[[PipelineOptions], DicebeamError]


def explained(error: BaseException, options: PipelineOptions) -> DicebeamError | None:
    """An engine's error as one of ours, or None where an engine's words are not known."""
    text = f"{type(error).__name__}: {error}"
    return next((explain(options) for pattern, explain in _KNOWN if pattern.search(text)), None)


def _no_server(options: PipelineOptions) -> DicebeamError:
    given = options.view_as(PortableOptions)
    return ConfigError(
        f"expected a job server at --job_endpoint={given.job_endpoint}, but none answered within "
        f"{given.job_server_timeout} s; start it, or fix --job_endpoint"
    )


def _no_pool(options: PipelineOptions) -> DicebeamError:
    place = options.view_as(PortableOptions).environment_config
    return ConfigError(
        f"expected a worker pool at --environment_config={place}, but nothing answers there; start one with "
        "python -m apache_beam.runners.worker.worker_pool_main --service_port=PORT"
    )


def _no_container(options: PipelineOptions) -> DicebeamError:
    image = options.view_as(PortableOptions).environment_config or "Beam's image, which has no dicebeam"
    return ConfigError(
        f"the engine could not start its workers in a container ({image}); name an image that has dicebeam with "
        "--environment_config, or take --environment_type=LOOPBACK or EXTERNAL"
    )


def _no_prism(options: PipelineOptions) -> DicebeamError:
    place = options.view_as(PrismRunnerOptions).prism_location
    return ConfigError(
        f"expected the Prism binary at --prism_location={place}, but it is not there or cannot be had; build it with "
        "go install github.com/apache/beam/sdks/v2/go/cmd/prism at Beam's version, and name its path"
    )


def _no_jar(options: PipelineOptions) -> DicebeamError:
    place = options.view_as(FlinkRunnerOptions).flink_job_server_jar
    return ConfigError(
        f"expected Flink's job server of Beam at --flink_job_server_jar={place}, but there is no such file; it is "
        "published as beam-runners-flink-VERSION-job-server"
    )


def _no_java(_: PipelineOptions) -> DicebeamError:
    return ConfigError("a job server needs Java, but no `java` is on the PATH; install a JRE of version 11 or 17")


def _server_ended(options: PipelineOptions) -> DicebeamError:
    jar = options.view_as(FlinkRunnerOptions).flink_job_server_jar
    place = options.view_as(PrismRunnerOptions).prism_location
    return ConfigError(
        f"the engine's server ended as soon as it was started, from {jar or place or 'what the runner names'}; what it "
        "said stands above or comes with --verbose"
    )


def _lost_worker(_: PipelineOptions) -> DicebeamError:
    return WorkerError(
        "a worker of the engine went away before its work was done: it was killed, ran out of memory, or the "
        "connection broke; the same --run-id resumes the run"
    )


_KNOWN: Iterable[tuple[re.Pattern[str], _Explain]] = (
    (re.compile(r"^FutureTimeoutError"), _no_server),
    (re.compile(r"StartWorker.*StatusCode\.UNAVAILABLE", re.DOTALL), _no_pool),
    (re.compile(r"'docker', '(run|pull)'|No such file or directory: 'docker'"), _no_container),
    (re.compile(r"Unable to parse binary URL|remote prism binary|a local of Prism"), _no_prism),
    (re.compile(r"Unable to parse jar URL"), _no_jar),
    (re.compile(r"No such file or directory: 'java'"), _no_java),
    (re.compile(r"Service failed to start up with error"), _server_ended),
    (
        re.compile(
            r"Channel closed prematurely|CANCELLED.*sdk worker|worker .* disconnected|"
            r"FAILED: (\S*StatusRuntimeException: )+CANCELLED: client cancelled"
        ),
        _lost_worker,
    ),
)
