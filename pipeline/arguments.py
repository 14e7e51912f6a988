"""Arguments and options that several commands take."""

from typing import Annotated

import typer

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG.yaml", help="The evaluation's config.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a config key; dots reach nested keys."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the workers' logs, and tracebacks.")]
