"""What the commands print of a verdict: readable in 80 columns, worst first, the verdict itself as the last line."""

from collections.abc import Sequence
from itertools import islice

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...components.verdict import verdict_words as words
from ...components.wording import numbers
from ...components.wording.visible_text import shown
from ...schemas.verdict import INCONCLUSIVE, INVALID, NO_BASELINE, PASS, SKIPPED, CheckVerdict, GateVerdict

MOST_PASSES, MOST_MESSAGES, MOST_REASONS = 30, 10, 20
_LINE = 2000
"""Characters of a message, which has lines of its own."""
_COLOURS = {PASS: "green", SKIPPED: "dim", INCONCLUSIVE: "yellow", NO_BASELINE: "yellow"}
_FAILED = "red"


def show(console: Console, verdict: GateVerdict) -> None:
    """Print the checks, what was found by the worst of them, the headline, reasons, and the verdict."""
    checks = words.worst_first(verdict.checks)
    if checks:
        console.print(check_table(checks))
        _line(console, _hidden(checks))
        console.print()
    for check in islice((check for check in checks if not _said(check, verdict)), MOST_MESSAGES):
        _line(console, Text.assemble(_coloured(check.verdict), " ", shown(check.message, _LINE)))
    _show_drift(console, verdict)
    if verdict.headline:
        console.print()
        console.print(headline_table(verdict))
        console.print()
    _line(console, Text(shown(verdict.foreground_says or "", _LINE)))
    for reason in verdict.reasons[:MOST_REASONS]:
        _line(console, Text(shown(reason, _LINE)))
    if len(verdict.reasons) > MOST_REASONS:
        _line(console, Text(f"and {len(verdict.reasons) - MOST_REASONS:,} more reasons"))
    _line(console, Text(words.accounting(verdict)))
    _line(console, Text(words.compared(verdict) or ""))
    _line(console, last_line(verdict))


def _show_drift(console: Console, verdict: GateVerdict) -> None:
    """The checks of the data, in a block of their own: they are not of the model."""
    if not verdict.drift:
        return
    checks = words.worst_first(verdict.drift)
    console.print()
    console.print(drift_table(checks))
    _line(console, _hidden(checks))
    said = [check for check in checks if not _said(check, verdict)][:MOST_MESSAGES]
    if said or verdict.drift_says:
        console.print()
    for check in said:
        _line(console, Text.assemble(_coloured(check.verdict), " ", shown(check.message, _LINE)))
    _line(console, Text(shown(verdict.drift_says or "", _LINE), style="bold"))


def drift_table(checks: Sequence[CheckVerdict]) -> Table:
    """The checks of the data, already in order, as `check_table`."""
    table = _table()
    table.add_column("data", no_wrap=True)
    for name in ("check", "class or channel"):
        table.add_column(name, overflow="fold", min_width=6)
    for name in ("value", "was", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    for check in _first(checks):
        table.add_row(
            Text.assemble(_coloured(check.verdict), " (warns)" if words.warns(check) else ""),
            Text(shown(f"{check.metric} {words.limit(check)}")),
            Text(shown(words.class_of(check))),
            *words.figures(check),
        )
    return table


def _first(checks: Sequence[CheckVerdict]) -> list[CheckVerdict]:
    """What has not passed, and the first that has."""
    fine = [check for check in checks if words.passed(check)]
    return [*(check for check in checks if not words.passed(check)), *fine[:MOST_PASSES]]


def check_table(checks: Sequence[CheckVerdict]) -> Table:
    """The checks, already in order: every one that has not passed, and the first that have."""
    table = _table()
    table.add_column("verdict", no_wrap=True)
    for name in ("check", "class", "slice"):
        table.add_column(name, overflow="fold", min_width=6)
    for name in ("value", "was", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    for check in _first(checks):
        table.add_row(
            _coloured(check.verdict),
            Text(shown(f"{check.metric} {words.limit(check)}")),
            Text(shown(words.class_of(check))),  # as it is: no markup, no :emoji:
            Text(shown(check.slice)),
            numbers.metric(check.value),
            numbers.metric(check.baseline),
            Text(numbers.signed(check.difference), style="green" if check.improved else ""),
        )
    return table


def headline_table(verdict: GateVerdict) -> Table:
    """Mean Dice of the foreground under each rule for empty masks."""
    table = _table()
    table.add_column("mean Dice", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for name in ("value", "was", "change", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in verdict.headline:
        rule = shown(words.rule(line.rule))
        values = numbers.metric(line.value), numbers.metric(line.baseline), numbers.signed(line.difference)
        table.add_row(Text(rule), _coloured(line.verdict), *values, words.interval(line))
    return table


def last_line(verdict: GateVerdict) -> Text:
    """The verdict in one line."""
    baseline = f"against {verdict.baseline_run_id}" if verdict.baseline_run_id else "without a baseline"
    improved = words.improvements(verdict)
    better = f", {improved:,} improved" if improved else ""
    said = f": {words.counted(verdict)}{better}; run {verdict.run_id} {baseline} (exit code {verdict.exit_code})"
    return Text.assemble("gate: ", _coloured(verdict.verdict, "bold "), shown(said, _LINE))


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)


def _coloured(verdict: str, how: str = "") -> Text:
    return Text(verdict, style=how + _COLOURS.get(verdict, _FAILED))


def _hidden(checks: Sequence[CheckVerdict]) -> Text:
    more = sum(map(words.passed, checks)) - MOST_PASSES
    return Text(f"and {more:,} more that passed or were skipped" if more > 0 else "")


def _said(check: CheckVerdict, verdict: GateVerdict) -> bool:
    """Whether the table, or a reason for all checks, says enough of a check."""
    for_all = check.verdict in (NO_BASELINE, INVALID)
    return words.passed(check) or (for_all and any(check.message.endswith(reason) for reason in verdict.reasons))


def _line(console: Console, text: Text) -> None:
    """One line however long it is, so that a reader of a log can search for it; nothing where it is empty."""
    if text.plain:
        console.print(text, soft_wrap=True)
