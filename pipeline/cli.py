"""The command line: the only place that prints to the user, and the only one that exits.

TensorFlow and Beam are imported inside the commands, so that `--help` does not wait for them.
"""

import importlib.metadata
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import AccountingError, ConfigError, DicebeamError, ModelError

if TYPE_CHECKING:
    from rich.console import Console

FAILED, INVALID, INTERRUPTED = 2, 5, 130
PIPED_WIDTH = 10_000
"""Columns of a log or a pipe: nothing is cut there, and a table takes no more than it needs."""

app = typer.Typer(
    name="dicebeam",
    help="Evaluate segmentation SavedModels over TFRecords: Dice per sample and class, in Parquet.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG.yaml", help="The evaluation's config.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a config key; dots reach nested keys."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the workers' logs, and tracebacks.")]
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
    verbose: Verbose = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """Score every sample and class of a data set. Flags after -- go to Beam."""
    with exits(verbose=verbose):
        from pipeline import config_file, quiet

        settings = config_file.load(config, overrides or ())
        console = _console()
        with console.status("loading TensorFlow and Beam") if console.is_terminal else nullcontext():
            quiet.load_tensorflow(verbose=verbose)
            from pipeline import console as printing
            from pipeline import options, progress, run
            from pipeline import plan as planning

            for flag in options.unknown_flags(context.obj):
                _say(f"warning: Beam's Python side does not know {flag}; it is passed on")
            plan = planning.make_plan(settings, run_id, context.obj)
        _say(
            f"run {plan.run.run_id}: {len(plan.shards):,} shards, "
            f"{sum(s.size_bytes for s in plan.shards) / 1e6:,.1f} MB"
        )
        try:
            with (
                progress.shown(plan, _console(stderr=True)),
                quiet.muted_workers(verbose=verbose or options.in_this_process(plan.options)),
            ):
                outcome = run.execute(plan)
        except (ConfigError, ModelError):
            raise  # the same command would fail again
        except BaseException as error:
            what = "interrupted; " if isinstance(error, KeyboardInterrupt) else ""
            again = _again(config, overrides or (), plan.run.run_id, context.obj)
            _say(f"{what}finished shards are kept; to go on: {again}")
            raise
        printing.show_outcome(console, outcome, settings)
        if not outcome.valid:
            why = printing.why_invalid(outcome, settings)
            _say(f"the run is {outcome.row['status']}: {why}; the tables are written")
            raise typer.Exit(INVALID)


@app.command()
def query(
    output: Output,
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="One statement; without it, the views and their columns."),
    ] = None,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Ask the tables with DuckDB's SQL; read-only."""
    with exits(verbose=verbose):
        from components import query as tables
        from pipeline import console as printing

        result = tables.query(output, sql) if sql else tables.views(output)
        _console().print(printing.rows_table(result.columns, result.rows))


@app.command()
def demo(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    samples: Annotated[int, typer.Option(min=4, help="Images in the data set.")] = 200,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Make a small data set, two models and a config to try everything with."""
    with exits(verbose=verbose):
        from pipeline import quiet

        quiet.load_tensorflow(verbose=verbose)
        from components import demo as making

        path = making.make(folder, samples)
        _console().print(
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
    with exits(verbose=verbose):
        from pipeline import quiet

        quiet.load_tensorflow(verbose=verbose)
        from components import inspection
        from pipeline import console as printing

        title, columns, rows = inspection.inspect(path)
        _console().print(title, highlight=False, markup=False, soft_wrap=True)
        _console().print(printing.rows_table(columns, rows))


def _again(config: str, overrides: Sequence[str], run_id: str, flags: Sequence[str]) -> str:
    """The command that goes on with a run."""
    options = [part for override in overrides for part in ("--set", override)]
    beam = ["--", *flags] if flags else []
    return shlex.join(["dicebeam", "evaluate", config, *options, "--run-id", run_id, *beam])


@contextmanager
def exits(*, verbose: bool) -> Iterator[None]:
    """Errors to one clear line and an exit code."""
    try:
        yield
    except AccountingError as error:
        _fail(error, INVALID, verbose=verbose)
    except DicebeamError as error:
        _fail(error, FAILED, verbose=verbose)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except typer.Exit:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the shell gets an exit code and the user a line
        _fail(error, FAILED, verbose=verbose)


def _fail(error: Exception, code: int, *, verbose: bool) -> None:
    if verbose:
        traceback.print_exception(error)
    known = isinstance(error, DicebeamError)
    text = (
        str(error)
        if known
        else f"{type(error).__name__}: {(str(error).splitlines() or [''])[-1]} (more with --verbose)"
    )
    _say(f"error: {text}")
    raise typer.Exit(code) from None


def _say(text: str) -> None:
    sys.stderr.write(f"dicebeam: {text}\n")
    sys.stderr.flush()


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if is_terminal else PIPED_WIDTH)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: what stands after `--` is Beam's."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own, flags = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    if flags and own[:1] not in (["evaluate"],):
        _say(f"error: only evaluate takes Beam flags, but got -- {' '.join(flags)}")
        sys.exit(FAILED)
    app(args=own, prog_name="dicebeam", obj=flags)


if __name__ == "__main__":
    main()
