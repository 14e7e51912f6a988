"""The command line: which commands there are, and what of their arguments is Beam's.

TensorFlow and Beam are imported inside the commands, so that `--help` does not wait for them.
"""

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from .commands import (
    analyze,
    evaluate,
    first_steps,
    gate,
    interrupts,
    output_streams,
    preflight,
    query,
    tables,
    terminal,
)

app = typer.Typer(
    name="dicebeam",
    help="Evaluate segmentation SavedModels over TFRecords: Dice per sample and class, in Parquet.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ASKED_FOR_OUTPUT = (["query"], ["inspect"])
_JUDGING = (["gate"], ["nightly"])
_WITH_FLAGS = ("evaluate", "summarize", "compact", "gate", "nightly", "report", "analyze", "preflight")


@app.callback()
def options_of_all(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,  # noqa: FBT002
) -> None:
    """Evaluate segmentation SavedModels over TFRecords: Dice per sample and class, in Parquet."""
    if version:
        sys.stdout.write(f"dicebeam {importlib.metadata.version('dicebeam')}\n")
        raise typer.Exit


for _command in (
    evaluate.evaluate,
    tables.summarize,
    tables.compact,
    query.query,
    first_steps.demo,
    first_steps.inspect,
    gate.gate,
    gate.nightly,
    gate.report,
    analyze.analyze,
    preflight.preflight,
):
    app.command()(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: what stands after `--` is Beam's.

    1, 3 and 4 are exit codes of a verdict; what else ends a command early ends it with 2.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    own, flags = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    with output_streams.installed(forgiving=own[:1] not in _ASKED_FOR_OUTPUT):
        if flags and own[:1] not in [[name] for name in _WITH_FLAGS]:
            *names, last = _WITH_FLAGS
            terminal.say(f"error: only {', '.join(names)} and {last} take Beam flags, but got -- {' '.join(flags)}")
            sys.exit(terminal.FAILED)
        try:
            app(args=own, prog_name="dicebeam", obj=flags)
        except SystemExit as end:
            # 1 of another command is a reader that went away, by Click's convention
            code = terminal.FAILED if end.code == 1 and own[:1] not in _JUDGING else end.code
            interrupts.leave(code)
            sys.exit(code)


if __name__ == "__main__":
    main()
