"""The command `preflight`."""

import sys
from collections import Counter

import typer

from ...components.wording import visible_text
from . import library_output, terminal
from .arguments import ConfigPath, Overrides, RequireGpu, Verbose, with_gpu


def preflight(
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    require_gpu: RequireGpu = False,  # noqa: FBT002
    verbose: Verbose = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """Say what would fail on the workers, before a job is submitted. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from ..config import config_file

        settings = config_file.load(config, overrides or ())
        library_output.load_tensorflow(verbose=verbose)
        from ..preflight import findings

        counts: Counter[str] = Counter()
        for finding in findings.findings(settings, with_gpu(context.obj, require_gpu=require_gpu)):
            counts[finding.level] += 1
            sys.stdout.write(visible_text.escaped(str(finding)) + "\n")
            sys.stdout.flush()
        terminal.say(", ".join(f"{counts[level]} {level}" for level in ("ok", "warning", "problem")))
        if counts["problem"]:
            raise typer.Exit(terminal.FAILED)
