"""How commands talk: lines on standard error, tables on standard output, errors as one line and an exit code."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ...components.wording import visible_text
from ...schemas.errors import AccountingError, DicebeamError
from . import interrupts, library_output

if TYPE_CHECKING:
    from rich.console import Console

    from ...schemas.config.config import Config
    from ..runner.run import Outcome

FAILED, INVALID = 2, 5
PIPED_WIDTH = 10_000
"""Columns of a log or a pipe: nothing is cut there, and a table takes no more than it needs."""


def tell(out: "Console", outcome: "Outcome", settings: "Config", note: str | None = None) -> None:
    """The end of a run, with one more note if there is one, and the exit code of a run that is not valid."""
    show(out, outcome, settings, note)
    if not outcome.valid:
        raise typer.Exit(INVALID)


def show(out: "Console", outcome: "Outcome", settings: "Config", note: str | None = None) -> None:
    """The end of a run, valid or not, with one more note if there is one."""
    from ..console import run_console

    run_console.show_outcome(out, outcome, settings)
    for line in (*run_console.notes(outcome, settings), *([note] if note else [])):
        say(line)


@contextmanager
def exits(*, verbose: bool) -> Iterator[None]:
    """Errors to one clear line and an exit code."""
    with library_output.muted_tracebacks(verbose=verbose), interrupts.interruptible() as stop:
        try:
            yield
        except AccountingError as error:
            _fail(error, INVALID, verbose=verbose)
        except DicebeamError as error:
            _fail(error, FAILED, verbose=verbose)
        except KeyboardInterrupt:
            raise typer.Exit(stop.exit_code) from None
        except (typer.Exit, BrokenPipeError):
            raise  # a reader that has seen enough is no error; typer knows
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
    say(f"error: {text}")
    raise typer.Exit(code) from None


def say(text: str) -> None:
    """One line for people, beside what is printed for programs."""
    sys.stderr.write("dicebeam: " + visible_text.escaped(text, keep="\n") + "\n")
    sys.stderr.flush()


def console(*, stderr: bool = False) -> "Console":
    """What tables are printed to."""
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if is_terminal else PIPED_WIDTH)
