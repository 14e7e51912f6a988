"""What `analyze` prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...components.runs import accounting, run_tables
from ...components.runs.analysis_files import Analysis
from ...components.wording.visible_text import escaped, shown
from ...schemas import datasets

_SHOWN_ROWS = 10
"""Rows shown of the sizes and of the slices, which can be as many as there are samples."""
_SHOWN_FAILURES = 3
_LINE = 2000
_QUANTILES = ("min", "p01", "p25", "p50", "p75", "p99", "max")


@dataclass(frozen=True, slots=True)
class AnalysisTables:
    """A finished analysis: its `datasets` row and the rows of its other tables."""

    run: Analysis
    row: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]

    @property
    def valid(self) -> bool:
        """Whether something was analyzed and the failures are within the budget."""
        return bool(self.row["status"] == accounting.DONE)


def read(run: Analysis) -> AnalysisTables:
    """The tables of a finished analysis."""
    found = {name: run_tables.read(run, name).to_pylist() for name in datasets.FIXED}
    return AnalysisTables(run, found["datasets"][0], found)


def show(console: Console, analysis: AnalysisTables) -> None:
    """The end of an analysis: what the data are like, what failed, and where everything is."""
    tables = analysis.tables
    for table in (_channels(tables["dataset_channels"]), _classes(tables["dataset_classes"])):
        console.print(table)
        console.print()
    _show_counts(console, "sizes", [_size(size) for size in tables["dataset_sizes"]])
    slices = [(shown(each["slice"]), each["n_samples"]) for each in tables["dataset_slices"]]
    _show_counts(console, "slices", slices[1:])
    console.print(summary(analysis), highlight=False)
    for failure in tables["dataset_failures"][:_SHOWN_FAILURES]:
        where = f"{shown(failure['shard'], _LINE)} record {failure['record']} (byte {failure['byte_offset']})"
        text = f"  [red]failed[/red] {escape(where)}: {escape(shown(failure['message'], _LINE))}"
        console.print(text, highlight=False, emoji=False, soft_wrap=True)
    console.print(f"analysis [bold]{analysis.run.run_id}[/bold]; tables, and the transform graph:", highlight=False)
    for name in (*datasets.FIXED, datasets.TRANSFORM):
        place = escape(escaped(analysis.run.folder(name)))
        console.print(f"  {name:<18}{place}", highlight=False, emoji=False, soft_wrap=True)


def summary(analysis: AnalysisTables) -> str:
    """What was analyzed, in a line."""
    row, rate = analysis.row, analysis.row["samples_per_second"]
    speed = f" in {row['seconds']:.1f} s, {rate:,.1f} samples/s" if rate else ""
    return (
        f"analyzed {row['analyzed']:,} of {row['records']:,} records in {row['shards']:,} shards, "
        f"{row['failed']:,} failed{speed}"
    )


def _table(first: str, columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold", min_width=8)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _channels(rows: Sequence[dict[str, Any]]) -> Table:
    table = _table("channel", ("mean", "std", *_QUANTILES, "images"))
    for row in rows:
        numbers = (_number(row[name]) for name in ("mean", "std", *_QUANTILES))
        table.add_row(str(row["channel"]), *numbers, f"{row['images']:,}")
    return table


def _classes(rows: Sequence[dict[str, Any]]) -> Table:
    table = _table("class", ("pixels", "of pixels", "samples", "of samples"))
    for row in rows:
        pixels, samples = _percent(row["pixel_fraction"]), _percent(row["sample_fraction"])
        name = Text(shown(row["class_name"]))  # as it is: no markup, no :emoji:
        table.add_row(name, f"{row['pixels']:,}", pixels, f"{row['samples']:,}", samples)
    return table


def _size(row: dict[str, Any]) -> tuple[str, int]:
    axes = [row["depth"], row["height"], row["width"]]
    sizes = " x ".join(str(size) for size in axes if size is not None)
    return f"{sizes}, {row['channels']} channel{'s' * (row['channels'] != 1)}", row["n_samples"]


def _show_counts(console: Console, what: str, counts: Sequence[tuple[str, int]]) -> None:
    """A line of what occurs how often, cut where there is much of it."""
    if not counts:
        return
    listed = "; ".join(f"{name}: {count:,}" for name, count in counts[:_SHOWN_ROWS])
    more = f"; and {len(counts) - _SHOWN_ROWS:,} more" if len(counts) > _SHOWN_ROWS else ""
    console.print(escape(f"{what}: {listed}{more}"), highlight=False, emoji=False, soft_wrap=True)


def _number(value: float) -> str:
    """Five digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 10**4 else f"{value:.5g}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.2f} %"
