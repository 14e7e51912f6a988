"""What a verdict says, in words and numbers that every output for people shares."""

from collections.abc import Iterable

from schemas.gate import OF_THE_RUN
from schemas.summary import FOREGROUND
from schemas.verdict import EXIT_CODES, PASS, SKIPPED, CheckVerdict, GateVerdict, Headline

RULES = {
    "absent_left_out": "absent classes left out, as in the tables",
    "absent_counts_as_1": "absent classes count as 1",
    "absent_counts_as_0": "absent classes count as 0",
}
_ORDER = (*EXIT_CODES, SKIPPED)
_SMALL = 100
"""Metrics are at most 1 and are told apart by four decimals; a rate of samples is not."""


def gravest_first(checks: Iterable[CheckVerdict]) -> list[CheckVerdict]:
    """The checks by the gravity of their verdict, skipped ones last; in the config's order within each."""
    return sorted(checks, key=lambda check: _ORDER.index(check.verdict))


def passed(check: CheckVerdict) -> bool:
    """Whether there is nothing to be looked at."""
    return check.verdict in (PASS, SKIPPED)


def number(value: float | None) -> str:
    """Four decimals, one for large numbers, or a dash where there is no value."""
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < _SMALL else f"{value:,.1f}"


def change(value: float | None) -> str:
    """A difference with its sign, or a dash."""
    return "-" if value is None else ("+" if value >= 0 else "") + number(value)


def interval(line: CheckVerdict | Headline) -> str:
    """95 % interval of the difference, or a dash."""
    return "-" if line.low is None or line.high is None else f"{change(line.low)} to {change(line.high)}"


def limit(check: CheckVerdict) -> str:
    """What the check holds the metric to: `max_drop 0.01`."""
    return f"{check.limit_name} {check.threshold:g}"


def class_of(check: CheckVerdict) -> str:
    """The class's name, as it is; empty for a metric of the whole run."""
    if check.metric in OF_THE_RUN:
        return ""
    return FOREGROUND if check.class_name is None else check.class_name


def counted(verdict: GateVerdict) -> str:
    """How many checks have each verdict: `1 REGRESSED, 12 PASS`; `no checks`."""
    return ", ".join(f"{count:,} {name}" for name, count in verdict.counts.items()) or "no checks"


def accounting(verdict: GateVerdict) -> str:
    """What became of the records."""
    return f"{verdict.records:,} records = {verdict.scored:,} scored + {verdict.failed:,} failed"


def compared(verdict: GateVerdict) -> str | None:
    """Of which samples the differences are, None where both runs have the same."""
    if verdict.common_samples is None and not verdict.lost and not verdict.added:
        return None
    common = "" if verdict.common_samples is None else f"compared on {verdict.common_samples:,} common samples; "
    return f"{common}{verdict.lost:,} only in the baseline, {verdict.added:,} only in this run"


def improvements(verdict: GateVerdict) -> int:
    """How many checks found the run significantly better than its baseline."""
    return sum(check.improved for check in verdict.checks)
