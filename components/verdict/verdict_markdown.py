"""The verdict as GitHub-flavoured Markdown, for the summary page of a CI job.

Names from the data stand as code, where no renderer makes links, mentions or emoji of them; messages have every
character that Markdown knows taken from it.
"""

import re
from collections.abc import Sequence

from ...schemas.verdict import INCONCLUSIVE, NO_BASELINE, PASS, RULES, CheckVerdict, GateVerdict
from ..wording import numbers
from ..wording.visible_text import LONGEST_NAME, visible
from . import verdict_words as words

MOST_ROWS, MOST_REASONS = 50, 20
LONGEST_MESSAGE = 500
_SIGNS = {PASS: "\u2705", INCONCLUSIVE: "\u26a0\ufe0f", NO_BASELINE: "\u26a0\ufe0f"}
_FAILED = "\u274c"
_HEAD = ("verdict", "metric", "class", "slice", "value", "baseline", "difference", "95 %", "limit", "what was found")
_RULE = "|---|---|---|---|--:|--:|--:|:-:|---|---|"
_HEADLINE_HEAD = ("empty masks", "verdict", "mean Dice", "baseline", "difference", "95 %")
_HEADLINE_RULE = "|---|---|--:|--:|--:|:-:|"

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_NO_SPAN = re.compile(r"[`|\\]")
_MARKUP = re.compile(r"(?P<entity>[\\`|<>&])|[*_\[\]{}~$^#!]")
_LINKED = re.compile(r"(?<=@)|(?<=#)(?=\w)|(?<=:)(?=[/\w+-])|(?<=www)(?=\.)", re.IGNORECASE)
_LIST = re.compile(r"^(?=[-+=])|(?<=^\d)(?=\d*[.)](?:\s|$))")
_JOINER = "\u2060"
"""A word joiner: not to be seen, and it keeps a renderer from finding a link, a mention, an emoji or a list."""


def text(verdict: GateVerdict) -> str:
    """The page."""
    checks = words.worst_first(verdict.checks)
    grave = [check for check in checks if not words.passed(check)]
    fine = [check for check in checks if words.passed(check)]
    parts = [
        f"## {_SIGNS.get(verdict.verdict, _FAILED)} dicebeam: {verdict.verdict}",
        "\n".join(f"- {line}" for line in _facts(verdict)),
        _reasons(verdict.reasons),
        _drift(verdict),
        _table(grave),
        _headline(verdict),
        _folded(fine),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def code(name: str) -> str:
    """A name as code: what it is, and nothing else. In HTML where a code span could not hold it within a table."""
    shown = visible(name, LONGEST_NAME)
    if shown.strip() == shown != "" and not _NO_SPAN.search(shown):
        return f"`{shown}`"
    inside = _PUNCTUATION.sub(_entity, _LINKED.sub(_JOINER, shown))
    return f"<code>{inside}</code>"


def prose(message: str) -> str:
    """A message as running text, in a table or a list."""
    apart = _LIST.sub(_JOINER, _LINKED.sub(_JOINER, visible(message, LONGEST_MESSAGE).strip()))
    return _MARKUP.sub(lambda found: _entity(found) if found["entity"] else "\\" + found[0], apart)


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _facts(verdict: GateVerdict) -> list[str]:
    baseline = f"baseline {code(verdict.baseline_run_id)}" if verdict.baseline_run_id else "no baseline"
    models = [code(model) for model in (verdict.model, verdict.baseline_model) if model]
    improved = words.improvements(verdict)
    lines = [
        f"run {code(verdict.run_id)} of {code(verdict.eval_date)}, {baseline} ({prose(verdict.baseline_kind)})",
        f"checks: {words.counted(verdict)}" + (f"; {improved:,} improved" if improved else ""),
        f"{words.accounting(verdict)}, status {code(verdict.status)}",
    ]
    if models:
        lines.append("model " + " against ".join(models))
    compared = words.compared(verdict)
    says = prose(verdict.foreground_says) if verdict.foreground_says else None
    return [*lines, *(line for line in (compared, says) if line)]


def _reasons(reasons: Sequence[str]) -> str:
    shown = [f"- {prose(reason)}" for reason in reasons[:MOST_REASONS]]
    return "\n".join(["**Of the run**\n", *shown, *_more(len(reasons) - MOST_REASONS, "- ")]) if reasons else ""


def _more(count: int, prefix: str) -> list[str]:
    return [f"{prefix}and {count:,} more"] if count > 0 else []


def _table(checks: Sequence[CheckVerdict]) -> str:
    if not checks:
        return ""
    rows = [_row(_cells(check)) for check in checks[:MOST_ROWS]]
    more = [f"\n{line}" for line in _more(len(checks) - MOST_ROWS, "")]
    return "\n".join([_row(_HEAD), _RULE, *rows, *more])


def _drift(verdict: GateVerdict) -> str:
    """The checks of the data, in a block of their own: they are not of the model."""
    if not verdict.drift:
        return ""
    checks = words.worst_first(verdict.drift)
    grave, fine = ([c for c in checks if words.passed(c) == passed] for passed in (False, True))
    says = "" if verdict.drift_says is None else f"- {prose(verdict.drift_says)}"
    parts = ["**Of the data**", says, _table(grave), _folded(fine)]
    return "\n\n".join(part for part in parts if part)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(check: CheckVerdict) -> tuple[str, ...]:
    name = words.class_of(check)
    return (
        f"**{check.verdict}**" + (" (improved)" if check.improved else "") + (" (warns)" if words.warns(check) else ""),
        code(check.metric),
        code(name) if name else "",
        code(check.slice),
        *words.figures(check),
        words.interval(check),
        code(words.limit(check)),
        prose(check.message),
    )


def _headline(verdict: GateVerdict) -> str:
    if not verdict.headline:
        return ""
    rows = [
        _row((
            words.rule(line.rule) if line.rule in RULES else code(line.rule), f"**{line.verdict}**",
            numbers.metric(line.value),
            numbers.metric(line.baseline), numbers.signed(line.difference), words.interval(line),
        ))
        for line in verdict.headline
    ]  # fmt: skip
    return "\n".join(["**Mean Dice of the foreground**\n", _row(_HEADLINE_HEAD), _HEADLINE_RULE, *rows])


def _folded(checks: Sequence[CheckVerdict]) -> str:
    if not checks:
        return ""
    summary = f"<details><summary>{len(checks):,} passed or skipped</summary>"
    return f"{summary}\n\n{_table(checks)}\n\n</details>"
