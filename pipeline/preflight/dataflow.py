"""Dataflow's flags before a job is submitted: what its service, its workers and their GPUs would refuse."""

import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    TestOptions,
    WorkerOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

from ...components.storage import filesystems
from ...schemas.finding import Finding, fine, problem, warning
from ..runner import options as runner_options
from . import beam_flags

ENDPOINT = "https://dataflow.googleapis.com"
"""With another endpoint Beam checks less; the flags are held to what the service asks."""
DRIVER = "install-nvidia-driver"
ACCELERATOR = "worker_accelerator="
_OPTIONS, _MACHINE, _IMAGE, _SETUP = (
    "--dataflow_service_options", "--machine_type", "--sdk_container_image", "--setup_file",
)  # fmt: skip
MACHINES: Mapping[str, tuple[str, ...]] = {
    "nvidia-l4": ("g2-",),
    "nvidia-a100-80gb": ("a2-ultragpu-",),
    "nvidia-tesla-a100": ("a2-highgpu-", "a2-megagpu-"),
    "nvidia-h100-80gb": ("a3-highgpu-",),
    "nvidia-h100-mega-80gb": ("a3-megagpu-",),
    **dict.fromkeys(("nvidia-tesla-t4", "nvidia-tesla-v100", "nvidia-tesla-p100", "nvidia-tesla-p4"), ("n1-",)),
}
"""Accelerators and the machine types that they come with; n1 is what Dataflow takes by itself."""
_WITH_GPU = re.compile(r"(g2|a2|a3)-")


def findings(flags: Sequence[str], paths: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """What the flags and the config's paths mean on Dataflow; on another runner, which of them are for nothing.

    Args:
        flags: Beam's.
        paths: what the config names, by key.
    """
    options = runner_options.pipeline_options(flags)
    of_service = _of_service(options)
    if beam_flags.short_runner(options) != "DataflowRunner":
        if of_service:
            yield warning("an accelerator is asked for, but not of Dataflow", _OPTIONS, "name --runner=DataflowRunner")
        return
    yield from _local_paths(paths)
    yield from _refused(flags)
    yield from _package(options)
    yield from _gpus(options, of_service)


def accelerators(options: PipelineOptions) -> list[str]:
    """What is asked for, for all workers or as a hint of the whole pipeline: `type:T;count:N;...`."""
    return [*_of_service(options), *_of_hints(options)]


def _of_hints(options: PipelineOptions) -> list[str]:
    hints = options.view_as(StandardOptions).resource_hints or ()
    return [hint.partition("=")[2] for hint in hints if hint.startswith("accelerator=")]


def _of_service(options: PipelineOptions) -> list[str]:
    given = options.view_as(GoogleCloudOptions).dataflow_service_options or ()
    return [option.removeprefix(ACCELERATOR) for option in given if option.startswith(ACCELERATOR)]


def _local_paths(paths: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    for key, values in paths.items():
        for value in values:
            if not filesystems.is_remote(value):
                yield problem(f"Dataflow's workers cannot reach the local path {value!r}", key, "name a gs:// path")


def _refused(flags: Sequence[str]) -> Iterator[Finding]:
    """What Beam's own validation says, without what it does besides: it asks for the bucket, or makes one."""
    options = runner_options.pipeline_options(flags)
    cloud = options.view_as(GoogleCloudOptions)
    cloud.dataflow_endpoint = ENDPOINT
    options.view_as(TestOptions).dry_run = True  # asks no bucket for its policy
    validator = PipelineOptionsValidator(options, DataflowRunner())
    places = {name: validator.validate_gcs_path(cloud, name) for name in ("temp_location", "staging_location")}
    errors = places["temp_location"] if all(places.values()) else []
    if errors:  # Beam would make a bucket of its own
        cloud.temp_location = "gs://unnamed/tmp"
    for error in (*errors, *validator.validate()):
        yield problem(str(error).rstrip("."), "flags", "Dataflow refuses the job; fix the flag")


def _package(options: PipelineOptions) -> Iterator[Finding]:
    version = importlib.metadata.version("dicebeam")
    image = options.view_as(WorkerOptions).sdk_container_image
    setup = options.view_as(SetupOptions)
    if setup.setup_file and not Path(setup.setup_file).is_file():
        yield problem(f"there is no file {setup.setup_file!r}", _SETUP, "name dicebeam's setup.py")
    elif setup.setup_file and not image:
        todo = "take an image that has them (deploy/dataflow): it starts in seconds"
        yield warning("every worker installs TensorFlow and dicebeam as it starts", _SETUP, todo)
    if not image and not setup.setup_file and not setup.extra_packages:
        todo = f"name an image that has it with {_IMAGE}, or {_SETUP}=./setup.py"
        yield problem("the workers would have no dicebeam", _IMAGE, todo)
    if image and version not in image.rpartition("/")[2]:
        todo = f"tag it as deploy/dataflow does (...:{version}), and build it anew with each version"
        yield warning(f"the tag of {image!r} does not say that it has dicebeam {version}", _IMAGE, todo)
    elif image:
        yield fine(f"the tag of the image names dicebeam {version}", _IMAGE)


def _gpus(options: PipelineOptions, of_service: Sequence[str]) -> Iterator[Finding]:
    worker = options.view_as(WorkerOptions)
    machine, of_hints = worker.machine_type or "", _of_hints(options)
    if of_service and of_hints:
        todo = f"keep one of the two: {_OPTIONS} is for all workers"
        yield problem("accelerators are asked for twice", "--resource_hints", todo)
    if _WITH_GPU.match(machine) and not of_service and not of_hints:
        todo = f"add {_OPTIONS}={ACCELERATOR}type:...;count:1;{DRIVER}"
        yield problem(f"{machine} has GPUs, but no accelerator is asked for", _MACHINE, todo)
    for given in (*of_service, *of_hints):
        yield from _gpu(given, machine)
    if not (of_service or of_hints):
        return
    if not worker.sdk_container_image:
        todo = "build deploy/dataflow/Dockerfile and name it"
        yield problem("Beam's own image has no CUDA for the GPU", _IMAGE, todo)
    if not options.view_as(DebugOptions).lookup_experiment("no_use_multiple_sdk_containers"):
        todo = "add --experiments=no_use_multiple_sdk_containers"
        yield warning("each core's process would load the model onto the GPU", "--experiments", todo)


def _gpu(given: str, machine: str) -> Iterator[Finding]:
    """One accelerator: `type:T;count:N;install-nvidia-driver`."""
    parts = dict(part.partition(":")[::2] for part in given.split(";"))
    kind, count = parts.get("type", ""), parts.get("count", "")
    place = f"{ACCELERATOR}{given}"
    for unknown in sorted(set(parts) - {"type", "count", DRIVER, "configuration"}):
        yield problem(f"an accelerator has no {unknown!r}", place, f"expected type:T;count:N;{DRIVER}")
    if not kind or not count.isdigit() or int(count) < 1:
        yield problem("an accelerator needs a type and a count", place, f"expected type:T;count:N;{DRIVER}")
    if DRIVER not in parts:
        yield problem("the workers would have no GPU driver", place, f"add ;{DRIVER}")
    machines = MACHINES.get(kind)
    if kind and machines is None:
        yield warning(f"{kind!r} is no accelerator known here", place, f"known: {', '.join(MACHINES)}")
    elif machines and not (machine or "n1-").startswith(machines):
        named = machine or "the default machine type (n1)"
        yield problem(
            f"{kind} does not come with {named}", _MACHINE, f"take {' or '.join(m + '...' for m in machines)}"
        )
    elif machines:
        yield fine(f"{kind} comes with {machine or 'the default machine type'}", _MACHINE)
