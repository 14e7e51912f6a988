"""The command `analyze`, and an analysis as the commands run it."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from ...components.runs import accounting
from . import library_output, terminal
from .arguments import ConfigPath, Overrides, Verbose

if TYPE_CHECKING:
    from ...schemas.config.config import Config
    from ..console.dataset_console import AnalysisTables


def analyze(
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    run_id: Annotated[str | None, typer.Option(help="Name the analysis; an evaluation may have the name too.")] = None,
    verbose: Verbose = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """Describe a data set: channels, classes, sizes, slices; no model is needed. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file

        settings = config_file.load(config, overrides or ())
        analysis = run_analysis(settings, run_id, context.obj, verbose=verbose)
        from ..console import dataset_console

        dataset_console.show(terminal.console(), analysis)
        if not analysis.valid:
            why = accounting.why_invalid(analysis.row, settings.max_failed_fraction)
            terminal.say(f"the analysis is {analysis.row['status']}: {why}")
            raise typer.Exit(terminal.INVALID)


def run_analysis(settings: "Config", run_id: str | None, flags: Sequence[str], *, verbose: bool) -> "AnalysisTables":
    """Analyze the examples of a config and say so on standard error; returns the tables.

    Raises:
        DicebeamError: by whose fault it is.
    """
    console = terminal.console()
    with console.status("loading TensorFlow and Beam") if console.is_terminal else nullcontext():
        library_output.load_transform(verbose=verbose)
        from ..console import dataset_console, progress
        from ..plans import analysis_plan
        from ..runner import options, run

    for flag in options.unknown_flags(flags):
        terminal.say(f"warning: Beam's Python side does not know {flag}; it is passed on")
    with analysis_plan.planned(settings, run_id, flags) as plan:
        size = sum(shard.size_bytes for shard in plan.shards) / 1e6
        terminal.say(f"analysis {plan.run.run_id}: {len(plan.shards):,} shards, {size:,.1f} MB")
        with (
            progress.shown_here(plan, terminal.console(stderr=True)),
            library_output.muted_workers(verbose=verbose or options.in_this_process(plan.options)),
        ):
            run.finish(plan)
    return dataset_console.read(plan.run)


def analyze_if_due(settings: "Config", run_id: str, flags: Sequence[str], again: str, *, verbose: bool) -> None:
    """Analyze the data of a finished run for the gate, if they are not analyzed, or not as many as it has now.

    An analysis that is over the failure budget is the gate's to judge.

    Args:
        settings: the config.
        run_id: of the run.
        flags: Beam's.
        again: what to say where it does not end.
        verbose: whether the workers' logs are shown.

    Raises:
        DicebeamError: by whose fault it is.
    """
    from ...components.runs import analysis_files
    from ..console import dataset_console
    from ..nightly import drift, verdict

    past, _ = verdict.find_run(settings, run_id, flags)
    if not drift.is_due(settings, past):
        terminal.say(f"the data of run {run_id} are analyzed already")
        return
    before = analysis_files.find(past.run.output, run_id)
    if before is not None:
        analysis_files.forget(before)
    try:
        analysis = run_analysis(settings, run_id, flags, verbose=verbose)
    except BaseException:
        terminal.say(f"the run is kept; {again}")
        raise
    terminal.say(dataset_console.summary(analysis))
