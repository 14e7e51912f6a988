"""The commands. Nothing but these and `terminal` prints to the user or exits.

TensorFlow and Beam are imported inside the commands, so that `--help` does not wait for them.
"""

import importlib.metadata
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from ..components.wording import safe_text
from ..schemas.errors import UnfinishedRunError
from .commands import analyze, gate, interrupts, preflight, terminal
from .commands.arguments import ConfigPath, Overrides, RequireGpu, Verbose, with_gpu

app = typer.Typer(
    name="dicebeam",
    help="Evaluate segmentation SavedModels over TFRecords: Dice per sample and class, in Parquet.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_WITH_FLAGS = ("evaluate", "summarize", "compact", "gate", "nightly", "report", "analyze", "preflight")
_ALLOW_FILES = "Let the statement read other files and addresses too; it still cannot write."
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="The folder of the tables.")]


@app.callback()
def options_of_all(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,  # noqa: FBT002
) -> None:
    """Evaluate segmentation SavedModels over TFRecords: Dice per sample and class, in Parquet."""
    if version:
        sys.stdout.write(f"dicebeam {importlib.metadata.version('dicebeam')}\n")
        raise typer.Exit


@app.command()
def evaluate(
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    run_id: Annotated[str | None, typer.Option(help="Name the run, or go on with an interrupted one.")] = None,
    require_gpu: RequireGpu = False,  # noqa: FBT002
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Score every sample and class of a data set. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from .commands import evaluate as evaluating
        from .config import config_file

        settings = config_file.load(config, overrides or ())
        flags = with_gpu(context.obj, require_gpu=require_gpu)
        outcome, note = evaluating.evaluate(config, overrides or (), settings, run_id, flags, verbose=verbose)
        terminal.tell(terminal.console(), outcome, settings, note)


@app.command()
def summarize(
    context: typer.Context,
    config: ConfigPath,
    run_id: Annotated[str, typer.Option(help="The run whose tables are made again.")],
    overrides: Overrides = None,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Make a run's tables again from its committed samples, without the model. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from .commands import library_output
        from .config import config_file

        settings = config_file.load(config, overrides or ())
        library_output.set_logging(verbose=verbose)
        from .console import run_console as printing
        from .plans import summary_plan
        from .runner import run

        try:
            outcome = run.execute(summary_plan.make_plan(settings, run_id, context.obj))
        except UnfinishedRunError:
            terminal.say(printing.again(config, overrides or (), run_id, context.obj))
            raise
        terminal.tell(terminal.console(), outcome, settings)


@app.command()
def compact(
    context: typer.Context,
    config: ConfigPath,
    run_id: Annotated[str, typer.Option(help="The finished run whose files are merged.")],
    overrides: Overrides = None,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Merge the sample files of a finished run into few; nothing is scored. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from .commands import library_output
        from .config import config_file
        from .console import run_console as printing
        from .plans import compaction as compacting

        settings = config_file.load(config, overrides or ())
        library_output.set_logging(verbose=verbose)
        try:
            done = compacting.compact(settings, run_id, context.obj)
        except UnfinishedRunError:
            terminal.say(printing.again(config, overrides or (), run_id, context.obj))
            raise
        terminal.say(f"run {run_id}: {printing.compacted(done)}")


@app.command()
def query(
    output: Output,
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="One statement; without it, the tables and views with their columns."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="table, csv, json or parquet; else as FILE is named."),
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write every row to a file.")] = None,
    allow_files: Annotated[bool, typer.Option("--allow-files", help=_ALLOW_FILES)] = False,  # noqa: FBT002
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Ask the tables and views with DuckDB's SQL; read-only."""
    with terminal.exits(verbose=verbose):
        from .commands import query as ask

        ask.answer(ask.Question(output, sql, form, out, allow_files), terminal.console(), terminal.say)


@app.command()
def demo(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    samples: Annotated[int, typer.Option(min=4, help="Images in the data set.")] = 200,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Make a small data set, two models and a config to try everything with."""
    with terminal.exits(verbose=verbose):
        from .commands import library_output

        library_output.load_tensorflow(verbose=verbose)
        from ..components.explore import demo as making

        path = making.make(folder, samples)
        terminal.console().print(
            f"made {samples} images, two models and a config; now: dicebeam evaluate {shlex.quote(path)}",
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def inspect(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A TFRecord file, or a SavedModel folder.")],
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Show a TFRecord's features, or a SavedModel's signatures."""
    with terminal.exits(verbose=verbose):
        from .commands import library_output

        library_output.load_tensorflow(verbose=verbose)
        from ..components.explore import inspection
        from .console import run_console as printing

        title, columns, rows = inspection.inspect(path)
        terminal.console().print(safe_text.escaped(title), highlight=False, markup=False, soft_wrap=True)
        terminal.console().print(printing.rows_table(columns, rows))


_others: list[Callable[..., None]] = [analyze.analyze, preflight.preflight]
for _command in (*gate.COMMANDS, *_others):
    app.command()(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: what stands after `--` is Beam's."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own, flags = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    if flags and own[:1] not in [[name] for name in _WITH_FLAGS]:
        *names, last = _WITH_FLAGS
        terminal.say(f"error: only {', '.join(names)} and {last} take Beam flags, but got -- {' '.join(flags)}")
        sys.exit(terminal.FAILED)
    try:
        app(args=own, prog_name="dicebeam", obj=flags)
    except SystemExit as end:
        interrupts.leave(end.code)
        raise


if __name__ == "__main__":
    main()
