"""Runner options: where and how fast, never what. Everything after `--` goes to Beam untouched."""

from collections.abc import Sequence

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, SetupOptions, StandardOptions

EMBEDDED = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""The runner in this process. Beam's own default, DirectRunner, first tries to download another one."""
IN_PROCESS_MODES = ("in_memory", "multi_threading")


def pipeline_options(flags: Sequence[str]) -> PipelineOptions:
    """Beam's options from its own flags, on the embedded runner unless they name another."""
    options = PipelineOptions(list(flags))
    standard = options.view_as(StandardOptions)
    if standard.runner is None:
        standard.runner = EMBEDDED
    # nothing of the main session is needed on workers: every transform is in an importable module
    options.view_as(SetupOptions).save_main_session = False
    return options


def runner_name(options: PipelineOptions) -> str:
    """As the `runs` table names it, with the mode of the embedded runner."""
    runner = str(options.view_as(StandardOptions).runner).rpartition(".")[2]
    direct = options.view_as(DirectOptions)
    return f"{runner} {direct.direct_running_mode} x{direct.direct_num_workers}" if is_embedded(options) else runner


def is_embedded(options: PipelineOptions) -> bool:
    """Whether the pipeline runs on the embedded runner."""
    return str(options.view_as(StandardOptions).runner) == EMBEDDED


def in_this_process(options: PipelineOptions) -> bool:
    """Whether the workers are threads of this process."""
    return is_embedded(options) and options.view_as(DirectOptions).direct_running_mode in IN_PROCESS_MODES
