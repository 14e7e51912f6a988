"""The commands `summarize` and `compact`: the tables and files of a run that is scored already."""

from typing import Annotated

import typer

from ...schemas.errors import UnfinishedRunError
from ..console import command_lines
from . import library_output, terminal
from .arguments import ConfigPath, Overrides, Verbose


def summarize(
    context: typer.Context,
    config: ConfigPath,
    run_id: Annotated[str, typer.Option(help="The run whose tables are rebuilt.")],
    overrides: Overrides = None,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Rebuild a run's tables from its committed samples, without the model. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file

        settings = config_file.load(config, overrides or ())
        library_output.set_logging(verbose=verbose)
        from ..plans import summary_plan
        from ..runner import run

        try:
            outcome = run.execute(summary_plan.make_plan(settings, run_id, context.obj))
        except UnfinishedRunError:
            terminal.say(command_lines.to_resume(config, overrides, run_id, context.obj))
            raise
        terminal.tell(terminal.console(), outcome, settings)


def compact(
    context: typer.Context,
    config: ConfigPath,
    run_id: Annotated[str, typer.Option(help="The finished run whose files are merged.")],
    overrides: Overrides = None,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Merge the sample files of a finished run into few; nothing is scored. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file
        from ..console import run_console
        from ..plans import compaction

        settings = config_file.load(config, overrides or ())
        library_output.set_logging(verbose=verbose)
        try:
            done = compaction.compact(settings, run_id, context.obj)
        except UnfinishedRunError:
            terminal.say(command_lines.to_resume(config, overrides, run_id, context.obj))
            raise
        terminal.say(f"run {run_id}: {run_console.compacted(done)}")
