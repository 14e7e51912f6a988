"""Arguments and options that several commands take."""

from collections.abc import Sequence
from typing import Annotated

import typer

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG.yaml", help="The evaluation's config.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a config key; dots reach nested keys."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the workers' logs, and tracebacks.")]
RequireGpu = Annotated[
    bool, typer.Option("--require-gpu", help="End the run where a worker sees no GPU, in place of using its CPU.")
]


def with_gpu(flags: Sequence[str], *, require_gpu: bool) -> list[str]:
    """Beam's flags, with the one of ours that says what `--require-gpu` before them does."""
    return [*flags, "--require_gpu"] if require_gpu and "--require_gpu" not in flags else list(flags)
