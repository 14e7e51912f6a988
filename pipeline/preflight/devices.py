"""Our own flags of devices before a job is submitted: whether what they ask for can be had."""

import os
from collections.abc import Iterator, Sequence

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from ...components.runtime import gpus
from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import ConfigError
from ...schemas.finding import Finding, fine, problem, warning
from ..runner import device_options
from ..runner import options as runner_options
from ..runner.device_options import REQUIRE_GPU
from . import beam_flags, dataflow

_COPIES, _MEMORY = "--model_copies", "--gpu_memory_mb"


def findings(flags: Sequence[str]) -> Iterator[Finding]:
    """What `--require_gpu`, `--model_copies` and `--gpu_memory_mb` come to."""
    options = runner_options.pipeline_options(flags)
    try:
        asked = device_options.settings(options)
    except ConfigError as error:
        yield problem(str(error), "flags", "fix the number")
        return
    if asked.require_gpu:
        yield _gpu(options)
    if asked.model_copies is not None:
        yield from _copies(options, asked.model_copies)
    if asked.gpu_memory_mb is not None and _here(options) and not gpus.count():
        yield warning("a limit of GPU memory is set, and there is no GPU here", _MEMORY, "leave it out")


def without_requirement(flags: Sequence[str]) -> DeviceSettings:
    """What a look on this machine uses of its GPU, which need not be the workers'."""
    try:
        asked = device_options.settings(runner_options.pipeline_options(flags))
    except ConfigError:
        return DeviceSettings()
    return DeviceSettings(gpu_memory_mb=asked.gpu_memory_mb)


def _gpu(options: PipelineOptions) -> Finding:
    if beam_flags.short_runner(options) == "DataflowRunner":
        asked_for = dataflow.accelerators(options)
        if asked_for:
            return fine(f"the workers have a GPU ({'; '.join(asked_for)})", REQUIRE_GPU)
        todo = "add --dataflow_service_options=worker_accelerator=type:T;count:1;install-nvidia-driver"
        return problem("a GPU is required, and no accelerator is asked for", REQUIRE_GPU, todo)
    if not _here(options):
        todo = "look at one of them: python -c 'import tensorflow as tf; print(tf.config.list_physical_devices())'"
        return warning("the workers are not on this machine; whether they have a GPU is not seen", REQUIRE_GPU, todo)
    if gpus.count():
        return fine(f"TensorFlow sees {gpus.count()} GPUs on this machine", REQUIRE_GPU)
    return problem(gpus.missing(), REQUIRE_GPU, "every worker would end the run so")


def _copies(options: PipelineOptions, copies: int) -> Iterator[Finding]:
    if runner_options.is_embedded(options):
        direct = options.view_as(DirectOptions)
        workers = direct.direct_num_workers or os.cpu_count() or 1  # 0 is a worker for each core
        processes = 1 if runner_options.in_this_process(options) else workers
        if processes <= copies * max(gpus.count(), 1):
            yield warning(f"there are no more processes ({processes}) than copies", _COPIES, "leave it out")
    elif beam_flags.short_runner(options) == "DataflowRunner":
        todo = "take --experiments=no_use_multiple_sdk_containers, which is one process and one model a worker"
        yield warning("processes in containers of their own do not share a model", _COPIES, todo)


def _here(options: PipelineOptions) -> bool:
    """Whether the model is loaded on this machine."""
    return runner_options.is_embedded(options) or runner_options.models_here(options)
