"""Lines of the tables of classes and slices: a run beside its baseline, and what the gate found between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...schemas.config.gate import OF_THE_RUN
from ...schemas.slices import ALL
from ...schemas.verdict import RULES, SKIPPED, CheckVerdict, worst
from ..runs import past_foreground, run_tables
from ..runs.run_tables import FinishedRun

MAX_SLICES, MAX_LINES, MAX_CLASSES = 50, 250, 100
METRIC = "dice_mean"

_Key = tuple[str, str | None]
"""A slice and a class; None for the foreground."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A mean Dice with its interval, the baseline's, and the difference.

    paired_low, paired_high: 95 % interval of the paired difference, None where the gate has not made one.
    """

    value: float | None
    low: float | None
    high: float | None
    baseline: float | None = None
    baseline_low: float | None = None
    baseline_high: float | None = None
    difference: float | None = None
    paired_low: float | None = None
    paired_high: float | None = None


@dataclass(frozen=True, slots=True)
class ClassLine:
    """A class in a slice; counts are of samples. verdict: the worst of its checks, None without any."""

    slice: str
    class_id: int
    name: str
    dice: Compared
    n_samples: int
    n_present: int
    n_missed: int
    n_false_alarm: int
    n_absent: int
    pooled: float | None
    precision: float | None
    recall: float | None
    median: float | None
    verdict: str | None = None

    def under(self, rule: str) -> float | None:
        """The mean Dice under a rule for absent classes; None where it is undefined."""
        defined, mean = self.n_samples - self.n_absent, self.dice.value
        counts_as = RULES[rule].counts_as
        if counts_as is None:
            return mean
        if not self.n_samples:
            return None
        return ((mean or 0.0) * defined + counts_as * self.n_absent) / self.n_samples


@dataclass(frozen=True, slots=True)
class SliceLine:
    """The foreground's mean in a slice; verdict as of a class."""

    slice: str
    n_samples: int
    dice: Compared
    verdict: str | None = None


def slice_lines(past: FinishedRun, baseline: FinishedRun | None, checks: Sequence[CheckVerdict]) -> list[SliceLine]:
    """Every slice: `all`, then those that moved most, or without a baseline those of the lowest Dice.

    Of a baseline with other classes in the mean it has what the gate has compared alone.
    """
    same = baseline is not None and past_foreground.of(past.row) == past_foreground.of(baseline.row)
    before = {row["slice"]: row for row in _rows(baseline, "slices")} if baseline is not None and same else {}
    found, verdicts = _by_place(checks), _verdicts(checks)
    lines = []
    for row in _rows(past, "slices"):
        place = (row["slice"], None)
        dice = _compared(row, before.get(row["slice"]), found.get(place))
        lines.append(SliceLine(row["slice"], row["n_samples"], dice, verdicts.get(place)))
    return sorted(lines, key=lambda line: (line.slice != ALL, *_order(line.dice, baseline), line.slice))


def class_lines(
    past: FinishedRun, baseline: FinishedRun | None, checks: Sequence[CheckVerdict], slices: Sequence[str]
) -> tuple[list[ClassLine], int]:
    """The classes of some slices, those of `all` first, and how many classes the run has.

    Of more than MAX_CLASSES those that moved most are kept, and of more than MAX_LINES lines the first.
    """
    chosen = list(dict.fromkeys([ALL, *slices]))
    before = {} if baseline is None else {_place(row): row for row in _rows(baseline, "classes", chosen)}
    found, verdicts = _by_place(checks), _verdicts(checks)
    lines = [
        _class_line(row, _compared(row, before.get(_place(row)), found.get(_place(row))), verdicts.get(_place(row)))
        for row in _rows(past, "classes", chosen)
    ]
    of_all = [line for line in lines if line.slice == ALL]
    kept = sorted(of_all, key=lambda line: _order(line.dice, baseline))[:MAX_CLASSES]
    names = {line.name for line in kept}
    rank = {name: i for i, name in enumerate(chosen)}
    ordered = sorted((line for line in lines if line.name in names), key=lambda line: (rank[line.slice], line.class_id))
    return ordered[:MAX_LINES], len(of_all)


def every_class(past: FinishedRun) -> list[ClassLine]:
    """All classes of a run over all of its samples, without a baseline: none is cut."""
    return [_class_line(row, _compared(row, None, None), None) for row in _rows(past, "classes", [ALL])]


def _rows(past: FinishedRun, table: str, slices: Sequence[str] | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run_tables.read(past.run, table, slices).to_pylist()
    return rows


def _place(row: Mapping[str, Any]) -> _Key:
    return row["slice"], row["class_name"]


def _order(dice: Compared, baseline: FinishedRun | None) -> tuple[bool, float]:
    """Small where a line moved most, or without a baseline has the lowest Dice; what is undefined is last."""
    value = dice.value if baseline is None else None if dice.difference is None else -abs(dice.difference)
    return value is None, value or 0.0


def _place_of(check: CheckVerdict) -> _Key:
    return check.slice, None if check.class_id is None else check.class_name


def _by_place(checks: Iterable[CheckVerdict]) -> dict[_Key, CheckVerdict]:
    """The check of the mean Dice with an interval, of each slice and class."""
    return {_place_of(check): check for check in checks if check.metric == METRIC and check.low is not None}


def _verdicts(checks: Iterable[CheckVerdict]) -> dict[_Key, str]:
    """The worst verdict of each slice and class; metrics of the whole run are of none."""
    found: dict[_Key, list[str]] = {}
    for check in checks:
        if check.metric not in OF_THE_RUN:
            found.setdefault(_place_of(check), []).append(check.verdict)
    return {place: SKIPPED if set(each) == {SKIPPED} else worst(each) for place, each in found.items()}


def _compared(row: Mapping[str, Any], before: Mapping[str, Any] | None, check: CheckVerdict | None) -> Compared:
    own = (row[METRIC], row[f"{METRIC}_low"], row[f"{METRIC}_high"])
    if before is None and check is None:
        return Compared(*own)
    theirs = before or {}
    if check is not None:  # where the gate has compared common samples alone, these numbers are of them
        value, difference, paired = check.baseline, check.difference, (check.low, check.high)
    else:
        value, paired = theirs[METRIC], (None, None)
        difference = None if own[0] is None or value is None else own[0] - value
    interval = (theirs.get(f"{METRIC}_low"), theirs.get(f"{METRIC}_high"))
    return Compared(*own, value, *interval, difference, *paired)


def _class_line(row: Mapping[str, Any], dice: Compared, verdict: str | None) -> ClassLine:
    return ClassLine(
        row["slice"],
        row["class_id"],
        row["class_name"],
        dice,
        row["n_samples"],
        row["n_present"],
        row["n_missed"],
        row["n_false_alarm"],
        row["n_absent"],
        row["dice_pooled"],
        row["precision_pooled"],
        row["recall_pooled"],
        row["dice_p50"],
        verdict,
    )
