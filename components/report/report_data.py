"""What a page says of a run, collected from the Parquet tables: bounded, whatever the run holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from ...schemas.slices import ALL
from ...schemas.verdict import PASS, RULES, USUAL_RULE, GateVerdict, Headline
from ..runs import held_samples, run_tables
from ..runs.run_tables import FinishedRun
from . import report_lines, trend
from .report_lines import ClassLine, SliceLine
from .trend import Point

MAX_FAILURES = 50
MAX_HISTOGRAMS = 40


@dataclass(frozen=True, slots=True)
class Histogram:
    """Samples in each bin of Dice: of a class in this run, and in the baseline (None without)."""

    class_name: str
    now: tuple[int, ...]
    before: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class ReportData:
    """A run as the page shows it; `baseline` is None where there is none to compare with.

    headline: under each of the empty-mask rules. lines, slices, histograms, failures are cut, and the `n_` beside them
    say how many there are.
    """

    past: FinishedRun
    baseline: FinishedRun | None
    verdict: GateVerdict | None
    foreground: tuple[str, ...]
    headline: tuple[Headline, ...]
    lines: tuple[ClassLine, ...]
    n_lines: int
    slices: tuple[SliceLine, ...]
    n_slices: int
    histograms: tuple[Histogram, ...]
    n_histograms: int
    trend: tuple[Point, ...]
    failures: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = field(default=())
    foreground_says: str | None = None

    @property
    def rule_matters(self) -> bool:
        """Whether the gate says something else under another empty-mask rule."""
        return self.verdict is not None and len({line.verdict for line in self.headline}) > 1


def collect(
    past: FinishedRun,
    runs: Sequence[FinishedRun],
    verdict: GateVerdict | None,
    foreground: Sequence[str],
    notes: Sequence[str] = (),
) -> ReportData:
    """Read what the page needs.

    Args:
        past: the run.
        runs: finished runs of the output, the last one first: the baseline, and those of the trend.
        verdict: of the gate, None where the run was not gated.
        foreground: names of the classes in the mean.
        notes: what else is to be said of the page.
    """
    wanted = verdict.baseline_run_id if verdict else None
    baseline = next((other for other in runs if other.run_id == wanted), None)
    checks = verdict.checks if verdict else ()
    slices = report_lines.slice_lines(past, baseline, checks)
    shown = slices[: report_lines.MAX_SLICES]
    lines, n_lines = report_lines.class_lines(past, baseline, checks, [line.slice for line in shown])
    histograms = _histograms(past, baseline, [line.name for line in lines if line.slice == ALL])
    headline = verdict.headline if verdict else _headline(past, shown, foreground)
    gone = () if baseline or not wanted else (f"The tables of the baseline {wanted} are not there any more.",)
    nights = trend.points(past, runs)
    return ReportData(
        past=past,
        baseline=baseline,
        verdict=verdict,
        foreground=tuple(foreground),
        headline=headline,
        lines=tuple(lines),
        n_lines=n_lines,
        slices=tuple(shown),
        n_slices=len(slices),
        histograms=tuple(histograms[:MAX_HISTOGRAMS]),
        n_histograms=len(histograms),
        trend=nights.points,
        failures=_failures(past),
        notes=(*notes, *gone, *nights.left_out),
    )


def _headline(past: FinishedRun, slices: Sequence[SliceLine], foreground: Sequence[str]) -> tuple[Headline, ...]:
    """The mean of the foreground under each rule; its verdict says nothing.

    Under the tables' own rule it is the value of `slices`, under the others the mean of all foreground classes, however
    few of them the page shows.
    """
    chosen = [line for line in report_lines.every_class(past) if line.name in foreground]
    means = {USUAL_RULE: next((line.dice.value for line in slices if line.slice == ALL), None)}
    for rule in RULES:
        values = [value for value in (line.under(rule) for line in chosen) if value is not None]
        means.setdefault(rule, sum(values) / len(values) if values else None)
    return tuple(Headline(rule, PASS, means[rule], None, None, None, None) for rule in RULES)


def _histograms(past: FinishedRun, baseline: FinishedRun | None, names: Sequence[str]) -> list[Histogram]:
    now, before = _bins(past), None if baseline is None else _bins(baseline)
    return [Histogram(name, now.get(name, ()), None if before is None else before.get(name, ())) for name in names]


def _bins(past: FinishedRun) -> dict[str, tuple[int, ...]]:
    """Samples in the bins of each class, over all samples; bins without samples have no row."""
    rows = run_tables.read(past.run, "histograms", [ALL]).to_pylist()
    last = max((row["bin"] for row in rows), default=-1)
    size = next((round(1 / (row["high"] - row["low"])) for row in rows), 0)
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["class_name"], [0] * max(size, last + 1))[row["bin"]] += row["n_samples"]
    return {name: tuple(counts) for name, counts in found.items()}


def _failures(past: FinishedRun) -> tuple[Mapping[str, Any], ...]:
    """The first failed records, by shard and record; DamagedError if some are lost."""
    rows = run_tables.read(past.run, "failures")
    held_samples.check_failures(past, rows.num_rows)
    if not rows.num_rows:
        return ()
    order = pc.sort_indices(rows, sort_keys=[("shard", "ascending"), ("record", "ascending")])
    return tuple(rows.take(order[:MAX_FAILURES]).to_pylist())
