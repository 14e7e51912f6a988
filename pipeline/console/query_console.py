"""What `dicebeam query` shows: which rows in which format go where."""

import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from ...components.explore import arrow_values, query, query_output
from ...components.wording.visible_text import LONGEST, escaped
from . import run_console

ROWS_SHOWN = 500
"""Rows of a table for the eye."""

LISTED_WIDTH = 120
"""Columns of the list of views, where the terminal has so many."""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement over an output folder, and the format and file that its rows are wanted in, None for the default."""

    output: str
    sql: str | None
    form: str | None
    out: str | None
    allow_files: bool = False


def answer(question: Question, console: Console, say: Callable[[str], None]) -> None:
    """Print the rows of a statement, or write them to a file; without a statement, the tables and views.

    Raises:
        TablesError: if there are no tables. ConfigError: if the statement, the format or the place is wrong.
    """
    kind = query_output.chosen_format(question.form, question.out)
    if question.out:
        query_output.check_place(question.out, question.output)
    if question.sql is None and kind == "table":
        _show_views(query.views(question.output).rows, console)
        return
    with query.reading(question.output, question.sql or query.VIEWS, allow_files=question.allow_files) as reader:
        if question.out:
            say(f"{query_output.write_file(reader, question.out, kind):,} rows in {question.out}")
        elif kind == "table":
            _show(reader, console, say)
        else:
            query_output.write_text(reader, _write, kind)


def _show(reader: pa.RecordBatchReader, console: Console, say: Callable[[str], None]) -> None:
    """The first rows as a table; what is left out is said."""
    rows: list[tuple[object, ...]] = []
    for batch in reader:
        rows += zip(*map(arrow_values.values, batch.columns), strict=True)
        if len(rows) > ROWS_SHOWN:
            break
    longest = LONGEST if console.is_terminal else console.width
    console.print(run_console.rows_table(reader.schema.names, rows[:ROWS_SHOWN], longest))
    if len(rows) > ROWS_SHOWN:
        say(f"the first {ROWS_SHOWN} rows; for all of them: --format csv, or --out FILE.csv, .json or .parquet")


def _show_views(rows: list[tuple[str, ...]], console: Console) -> None:
    """Each view with what a row of it is, and its columns with their types."""
    width = min(console.width, LISTED_WIDTH)
    for (name, of_rows), columns in groupby(rows, key=itemgetter(0, 1)):
        console.print(Text.assemble((name, "bold"), ": ", of_rows))
        listed = ", ".join(f"{escaped(column)} {kind}" for _, _, column, kind in columns)
        wrapped = textwrap.fill(listed, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        console.print(Text(wrapped, style="dim"))


def _write(text: str) -> None:
    sys.stdout.write(escaped(text, keep="\n") if sys.stdout.isatty() else text)
