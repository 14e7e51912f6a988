"""docs/reference/exit-codes.md has every command and every code."""

import re
import signal

import pytest
import typer

from dicebeam.components.explore import query
from dicebeam.components.runs import accounting
from dicebeam.pipeline import cli
from dicebeam.pipeline.commands import interrupts, terminal
from dicebeam.schemas.verdict import EXIT_CODES
from tests.support.paths import ROOT

TEXT = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
COMMANDS = {
    name: {int(code) for code in codes.split(", ")}
    for name, codes in re.findall(r"^\| `dicebeam (\w+)` \| .* \| ([\d, ]+) \|$", TEXT, re.MULTILINE)
}
_ROWS = re.findall(r"^\| (\d[\d, ]*)(?: or another signal)? \|", TEXT, re.MULTILINE)
CODES = {int(code) for row in _ROWS for code in row.split(", ")}


def test_every_command_is_in_the_table():
    assert set(COMMANDS) == set(typer.main.get_command(cli.app).commands)


@pytest.mark.parametrize("command", ["gate", "nightly"])
def test_what_judges_ends_with_the_code_of_a_verdict(command):
    assert COMMANDS[command] == {*EXIT_CODES.values(), terminal.FAILED}


def test_every_command_can_be_done_or_fail():
    assert all(codes >= {0, terminal.FAILED} for codes in COMMANDS.values())
    assert terminal.INVALID in COMMANDS["evaluate"] & COMMANDS["summarize"] & COMMANDS["analyze"]


def test_every_code_is_explained():
    stop, stopped = interrupts.Stop(), set()
    for stop.number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        stopped.add(stop.exit_code)
    assert {*EXIT_CODES.values(), terminal.FAILED, *stopped, 128 + signal.SIGKILL} == CODES


def test_every_status_of_a_run_that_is_not_valid_is_explained():
    items = "\n".join(re.findall(r"^- (.*?):", TEXT, re.MULTILINE))
    statuses = {accounting.OVER_BUDGET, accounting.CUT_SHORT, accounting.NOTHING_SCORED, accounting.NOTHING_ANALYZED}
    assert set(re.findall(r"`(\w+)`", items)) == {*statuses, "analyze"}


def test_the_query_gives_rows(nights):
    (sql,) = re.findall(r'dicebeam query OUTPUT "(SELECT [^"]*)"', TEXT)
    assert query.query(nights[0], sql).rows
