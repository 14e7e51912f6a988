"""The command `evaluate`, and an evaluation as the commands run it: progress, and how to resume it if it is stopped."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from ...schemas.errors import ConfigError, ModelError, SampleError
from ..console import command_lines
from . import library_output, terminal
from .arguments import ConfigPath, Overrides, RequireGpu, Verbose, with_gpu

if TYPE_CHECKING:
    from ...schemas.config.config import Config
    from ..runner.run import Outcome


def evaluate(
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    run_id: Annotated[str | None, typer.Option(help="Name the run, or resume an interrupted one.")] = None,
    require_gpu: RequireGpu = False,  # noqa: FBT002
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Score every sample and class of a data set. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file

        settings = config_file.load(config, overrides or ())
        flags = with_gpu(context.obj, require_gpu=require_gpu)
        outcome, note = run_evaluation(config, overrides or (), settings, run_id, flags, verbose=verbose)
        terminal.tell(terminal.console(), outcome, settings, note)


def run_evaluation(
    config: str,
    overrides: Sequence[str],
    settings: "Config",
    run_id: str | None,
    flags: Sequence[str],
    *,
    command: Sequence[str] = ("evaluate",),
    verbose: bool = False,
) -> "tuple[Outcome, str | None]":
    """Run an evaluation and say so on standard error; returns what became of it, and a note on its files.

    Args:
        config: path of the config, and overrides of its keys: as they were given, to say with which command to resume.
        overrides: `key=value`.
        settings: the config.
        run_id: of a new run or of one that was begun; None for a new one.
        flags: Beam's.
        command: that resumes an interrupted run: its name, and options of its own.
        verbose: whether the workers' logs are shown.

    Raises:
        DicebeamError: by whose fault it is.
    """
    console = terminal.console()
    with console.status("loading TensorFlow and Beam") if console.is_terminal else nullcontext():
        library_output.load_tensorflow(verbose=verbose)
        from ...components.runs import run_files
        from ..console import progress, run_console
        from ..plans import evaluation_plan, trial
        from ..runner import options, run

        for flag in options.unknown_flags(flags):
            terminal.say(f"warning: Beam's Python side does not know {flag}; it is passed on")
        plan = evaluation_plan.make_plan(settings, run_id, flags)
    terminal.say(
        f"run {plan.run.run_id}: {len(plan.shards):,} shards, {sum(s.size_bytes for s in plan.shards) / 1e6:,.1f} MB"
        + (f"; {plan.left_out:,} links to them or their folders left out" if plan.left_out else "")
    )
    try:
        with (
            trial.tried(plan, terminal.say),
            progress.shown(plan, terminal.console(stderr=True)),
            library_output.muted_workers(verbose=verbose or options.in_this_process(plan.options)),
        ):
            outcome = run.execute(plan)
    except (ConfigError, ModelError, SampleError):
        raise  # the same command would fail again
    except BaseException as error:
        what = "interrupted; " if isinstance(error, KeyboardInterrupt) else ""
        again = command_lines.to_resume(config, overrides, plan.run.run_id, flags, command)
        terminal.say(f"{what}finished shards are kept; {again}")
        raise
    files = list(run_files.sample_files(plan.run).values())
    return outcome, run_console.compact_note(files, config, overrides, plan.run.run_id, flags)
