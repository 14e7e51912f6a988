"""Runner options: where and how fast, never what. Everything after `--` goes to Beam untouched."""

import difflib
from argparse import ArgumentParser
from collections.abc import Sequence

from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    S3Options,
    SetupOptions,
    StandardOptions,
)
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.job.utils import dict_to_struct
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.runners.runner import PipelineRunner

from .device_options import DeviceOptions

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


def runner(options: PipelineOptions) -> PipelineRunner | None:
    """The embedded runner, None for any other, which Beam makes by its name.

    Made by its name the embedded one gives its worker processes no options at all, so that they would know neither the
    endpoint nor the credentials of a bucket that flags name.
    """
    if not is_embedded(options):
        return None
    known = beam_provision_api_pb2.ProvisionInfo(pipeline_options=dict_to_struct(_storage_options(options)))
    return FnApiRunner(provision_info=ExtendedProvisionInfo(known))


def _storage_options(options: PipelineOptions) -> dict[str, object]:
    """What reaches buckets of the options that were given, by name."""
    names = {action.dest for action in _parser([S3Options, GoogleCloudOptions])._actions}  # noqa: SLF001 - as below
    given = options.get_all_options(drop_default=True)
    return {name: value for name, value in given.items() if name in names and value is not None}


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


def models_here(options: PipelineOptions) -> bool:
    """Whether this process loads the model: its threads are the workers, of the embedded runner or by LOOPBACK."""
    prism = str(options.view_as(StandardOptions).runner).endswith("PrismRunner")
    kind = options.view_as(PortableOptions).environment_type or ("LOOPBACK" if prism else None)
    return in_this_process(options) or (kind == "LOOPBACK" and not is_embedded(options))


def models_elsewhere(options: PipelineOptions) -> bool:
    """Whether it is certain that other processes load the model; of some runners neither this nor `models_here` is."""
    kind = options.view_as(PortableOptions).environment_type
    if is_embedded(options):
        return not in_this_process(options)
    return str(options.view_as(StandardOptions).runner).endswith("DataflowRunner") or kind not in (None, "LOOPBACK")


def unknown_flags(flags: Sequence[str]) -> list[str]:
    """What no option class of Beam's Python side or ours declares, each with the nearest one that is declared.

    They are passed on all the same: an engine's job server has options of its own.
    """
    parser = _parser([*_all_subclasses(PipelineOptions), DeviceOptions])
    declared = {name for action in parser._actions for name in action.option_strings}  # noqa: SLF001 - no public list
    lines = []
    if flags and not flags[0].startswith("-"):
        lines.append(flags[0])  # a value that belongs to no flag
    for name in (flag.partition("=")[0] for flag in flags if flag.startswith("--")):
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            lines.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return lines


def _parser(kinds: Sequence[type[PipelineOptions]]) -> ArgumentParser:
    parser = ArgumentParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for kind in kinds:
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(parser)  # noqa: SLF001 - the hook that option classes implement
    return parser


def _all_subclasses(kind: type[PipelineOptions]) -> list[type[PipelineOptions]]:
    return [found for child in kind.__subclasses__() for found in (child, *_all_subclasses(child))]
