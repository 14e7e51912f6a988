"""What a verdict says, in words and numbers that every output for people shares."""

from collections.abc import Iterable

from ...schemas.config.drift import DRIFT_METRICS, OF_A_CHANNEL
from ...schemas.config.gate import OF_THE_RUN
from ...schemas.slices import FOREGROUND
from ...schemas.verdict import EXIT_CODES, PASS, RULES, SKIPPED, CheckVerdict, GateVerdict, Headline
from ..wording import numbers

_ORDER = (*EXIT_CODES, SKIPPED)


def worst_first(checks: Iterable[CheckVerdict]) -> list[CheckVerdict]:
    """The checks by the severity of their verdict, skipped ones last; in the config's order within each."""
    return sorted(checks, key=lambda check: _ORDER.index(check.verdict))


def passed(check: CheckVerdict) -> bool:
    """Whether there is nothing to be looked at."""
    return check.verdict in (PASS, SKIPPED)


def rule(name: str) -> str:
    """What a rule for empty masks is; its name where another version made it."""
    return str(RULES[name]) if name in RULES else name


def figures(check: CheckVerdict) -> tuple[str, str, str]:
    """Value, baseline and difference; those of the data to four digits, which tell rare classes apart."""
    if check.metric not in DRIFT_METRICS:
        return numbers.metric(check.value), numbers.metric(check.baseline), numbers.signed(check.difference)
    value, baseline, moved = map(numbers.statistic, (check.value, check.baseline, check.difference))
    return value, baseline, moved if moved.startswith("-") else f"+{moved}"


def interval(line: CheckVerdict | Headline) -> str:
    """95 % interval of the difference, or a dash."""
    return (
        numbers.NO_VALUE
        if line.low is None or line.high is None
        else f"{numbers.signed(line.low)} to {numbers.signed(line.high)}"
    )


def detectable(check: CheckVerdict) -> str:
    """The least change that would be found; a dash where nothing was tested."""
    if check.minimum_detectable_drop is None and check.low is not None:
        return "none, however large, at this number of samples"
    return numbers.metric(check.minimum_detectable_drop)


def limit(check: CheckVerdict) -> str:
    """What the check holds the metric to: `max_drop 0.01`."""
    return f"{check.limit_name} {check.threshold:g}"


def class_of(check: CheckVerdict) -> str:
    """The class's name, as it is, or the channel; empty for a metric of the whole run."""
    if check.metric in OF_THE_RUN:
        return ""
    if check.metric in OF_A_CHANNEL:
        return "every channel" if check.channel is None else f"channel {check.channel}"
    return FOREGROUND if check.class_name is None else check.class_name


def counted(verdict: GateVerdict) -> str:
    """How many checks have each verdict: `1 REGRESSED, 12 PASS`; `no checks`. What only warns is said too."""
    warnings = sum(map(warns, verdict.drift))
    note = " (1 of them only warns)" if warnings == 1 else f" ({warnings:,} of them only warn)" if warnings else ""
    return (", ".join(f"{count:,} {name}" for name, count in verdict.counts.items()) or "no checks") + note


def warns(check: CheckVerdict) -> bool:
    """Whether there is something to be looked at that decides nothing."""
    return not check.decides and not passed(check)


def accounting(verdict: GateVerdict) -> str:
    """What became of the records."""
    return f"{verdict.records:,} records = {verdict.scored:,} scored + {verdict.failed:,} failed"


def compared(verdict: GateVerdict) -> str | None:
    """Which samples the differences are of, None where both runs have the same."""
    if verdict.common_samples is None and not verdict.lost and not verdict.added:
        return None
    common = "" if verdict.common_samples is None else f"compared on {verdict.common_samples:,} common samples; "
    return f"{common}{verdict.lost:,} only in the baseline, {verdict.added:,} only in this run"


def improvements(verdict: GateVerdict) -> int:
    """How many checks found the run significantly better than its baseline."""
    return sum(check.improved for check in verdict.checks)
