"""The command lines that messages tell people to run, quoted for a shell."""

import shlex
from collections.abc import Sequence


def with_config(
    command: str, config: str, overrides: Sequence[str] | None, *options: str, flags: Sequence[str] = ()
) -> str:
    """A command of a config: `dicebeam evaluate c.yaml --set model=m --run-id r1 -- --runner=X`.

    Args:
        command: `evaluate`.
        config: path of the config, as it was given.
        overrides: `key=value`, as they were given.
        options: what else comes before `--`.
        flags: Beam's.
    """
    changed = [part for override in overrides or () for part in ("--set", override)]
    return shlex.join(["dicebeam", command, config, *changed, *options, *(["--", *flags] if flags else [])])


def to_resume(
    config: str,
    overrides: Sequence[str] | None,
    run_id: str,
    flags: Sequence[str],
    command: Sequence[str] = ("evaluate",),
) -> str:
    """Says with which command a run is resumed; `command` is its name, and options of its own."""
    name, *options = command
    return f"to resume: {with_config(name, config, overrides, '--run-id', run_id, *options, flags=flags)}"
