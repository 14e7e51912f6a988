"""Commands that messages tell people to run: a shell reads back what was meant."""

import shlex

from dicebeam.pipeline.console import command_lines


def test_a_shell_reads_back_what_was_given():
    line = command_lines.with_config("report", "my config.yaml", ["classes=[a b]"], "--run-id", "r1", flags=["--x=1 2"])
    assert shlex.split(line) == [
        "dicebeam", "report", "my config.yaml", "--set", "classes=[a b]", "--run-id", "r1", "--", "--x=1 2",
    ]  # fmt: skip


def test_how_a_run_is_resumed():
    said = command_lines.to_resume("c.yaml", None, "r1", [], ("nightly", "--baseline", "r0"))
    assert said == "to resume: dicebeam nightly c.yaml --run-id r1 --baseline r0"
