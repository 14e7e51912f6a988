"""The commands for a first look: `demo` and `inspect`."""

import shlex
from typing import Annotated

import typer

from ...components.wording import visible_text
from . import library_output, terminal
from .arguments import Verbose


def demo(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    samples: Annotated[int, typer.Option(min=4, help="Images in the data set.")] = 200,
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Make a small data set, two models and a config to try everything with."""
    with terminal.exits(verbose=verbose):
        library_output.load_tensorflow(verbose=verbose)
        from ...components.explore import demo as making

        path = making.make(folder, samples)
        terminal.console().print(
            f"made {samples} images, two models and a config; now: dicebeam evaluate {shlex.quote(path)}",
            highlight=False,
            soft_wrap=True,
        )


def inspect(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A TFRecord file, or a SavedModel folder.")],
    verbose: Verbose = False,  # noqa: FBT002
) -> None:
    """Show a TFRecord's features, or a SavedModel's signatures."""
    with terminal.exits(verbose=verbose):
        library_output.load_tensorflow(verbose=verbose)
        from ...components.explore import inspection
        from ..console import run_console

        title, columns, rows = inspection.inspect(path)
        terminal.console().print(visible_text.escaped(title), highlight=False, markup=False, soft_wrap=True)
        terminal.console().print(run_console.rows_table(columns, rows))
