"""The command `query`."""

from typing import Annotated

import typer

from . import terminal
from .arguments import Verbose

_ALLOW_FILES = "Let the statement read other files and addresses too; it still cannot write."
Output = Annotated[str, typer.Argument(metavar="OUTPUT", help="The folder of the tables.")]


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
        from ..console import query_console

        question = query_console.Question(output, sql, form, out, allow_files)
        query_console.answer(question, terminal.console(), terminal.say)
