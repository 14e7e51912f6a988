"""The commands `summarize` and `compact`: the tables and files of a run that is scored already."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ...schemas.errors import TablesError, UnfinishedRunError
from ..console import command_lines
from . import library_output, terminal
from .arguments import ConfigPath, Overrides, Verbose

if TYPE_CHECKING:
    from ...components.runs.run_files import Place
    from ...schemas.config.config import Config


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
        from ...components.samples import compaction
        from ..config import config_file
        from ..console import run_console

        settings = config_file.load(config, overrides or ())
        library_output.set_logging(verbose=verbose)
        try:
            done = compaction.compact(_place(settings, run_id, context.obj))
        except UnfinishedRunError:
            terminal.say(command_lines.to_resume(config, overrides, run_id, context.obj))
            raise
        terminal.say(f"run {run_id}: {run_console.compacted(done)}")


def _place(settings: "Config", run_id: str, flags: Sequence[str]) -> "Place":
    """Where a run is; of the config only `output` is used, of the flags storage options.

    Raises:
        TablesError: if there is no such run.
    """
    from ...components.runs import run_files
    from ...components.storage import filesystems
    from ..runner import options

    filesystems.use_options(options.pipeline_options(flags))
    output = filesystems.absolute(settings.output)
    date = run_files.find_eval_date(output, run_files.check_run_id(run_id))
    if date is None:
        msg = f"there is no run {run_id!r}: expected its sample files below {output}/samples"
        raise TablesError(msg)
    return run_files.Place(output, date, run_id)
