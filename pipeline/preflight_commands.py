"""The command `preflight`."""

import sys
from collections import Counter

import typer

from pipeline import safe_text, terminal
from pipeline.arguments import ConfigPath, Overrides, RequireGpu, Verbose, with_gpu


def preflight(
    context: typer.Context,
    config: ConfigPath,
    overrides: Overrides = None,
    require_gpu: RequireGpu = False,  # noqa: FBT002
    verbose: Verbose = False,  # noqa: FBT002 - typer's idiom
) -> None:
    """Say what would fail on the workers, before a job is submitted. Flags after -- go to Beam."""
    with terminal.exits(verbose=verbose):
        from pipeline import config_file, quiet

        settings = config_file.load(config, overrides or ())
        quiet.load_tensorflow(verbose=verbose)
        from pipeline import preflight as looking

        counts: Counter[str] = Counter()
        for finding in looking.findings(settings, with_gpu(context.obj, require_gpu=require_gpu)):
            counts[finding.level] += 1
            sys.stdout.write(safe_text.escaped(str(finding)) + "\n")
            sys.stdout.flush()
        terminal.say(", ".join(f"{counts[level]} {level}" for level in ("ok", "warning", "problem")))
        if counts["problem"]:
            raise typer.Exit(terminal.FAILED)
