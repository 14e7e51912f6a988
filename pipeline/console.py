"""What the commands print."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from schemas.summary import ALL

if TYPE_CHECKING:  # both would import TensorFlow, which `query` does not need
    from pipeline.config import Config
    from pipeline.run import Outcome

_METRICS = {
    "Dice": "dice_mean", "pooled": "dice_pooled", "IoU": "iou_pooled",
    "prec.": "precision_pooled", "recall": "recall_pooled",
}  # fmt: skip
_COUNTS = {"present": "n_present", "missed": "n_missed", "false": "n_false_alarm", "absent": "n_absent"}


def class_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The per-class table of one slice."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("class", overflow="fold", min_width=8)
    for name in (*_METRICS, *_COUNTS):
        table.add_column(name, justify="right", min_width=6)
    for row in rows:
        metrics = (number(row[column]) for column in _METRICS.values())
        counts = (f"{row[column]:,}" for column in _COUNTS.values())
        table.add_row(Text(row["class_name"]), *metrics, *counts)  # as it is: no markup, no :emoji:
    return table


def number(value: float | None) -> str:
    """Four decimals, or a dash where a metric is undefined."""
    return "-" if value is None else f"{value:.4f}"


def show_outcome(console: Console, outcome: "Outcome", config: "Config") -> None:
    """The end of an evaluation: table, accounting, failures, and where everything is."""
    row, run = outcome.row, outcome.run
    rows = [r for r in outcome.classes.to_pylist() if r["slice"] == ALL]
    console.print(class_table(rows))
    console.print()
    overall = next((r for r in outcome.slices.to_pylist() if r["slice"] == ALL), None)
    if overall:
        names = ", ".join(r["class_name"] for r in rows if r["class_id"] in config.foreground_ids)
        mean, pooled = number(overall["dice_mean"]), number(overall["dice_pooled"])
        console.print(Text.assemble("mean Dice ", (mean, "bold"), f", pooled {pooled}  (foreground: {names})"))
    rate = row["samples_per_second"]
    speed = f" in {row['seconds']:.1f} s, {rate:,.1f} samples/s" if rate else ""
    console.print(
        f"scored {row['scored']:,} of {row['records']:,} records in {row['shards']:,} shards, "
        f"{row['failed']:,} failed{speed}",
        highlight=False,
    )
    for failure in outcome.first_failures:
        where = f"{failure['shard']} record {failure['record']} (byte {failure['byte_offset']})"
        console.print(
            f"  [red]failed[/red] {escape(where)}: {escape(failure['message'])}",
            highlight=False,
            emoji=False,
            soft_wrap=True,
        )
    console.print(f"run [bold]{run.run_id}[/bold]; tables:", highlight=False)
    for table in ("samples", "classes", "slices", "failures", "runs"):
        console.print(f"  {table:<9}{escape(run.folder(table))}", highlight=False, emoji=False, soft_wrap=True)


def why_invalid(outcome: "Outcome", config: "Config") -> str:
    """What keeps a finished run from being valid."""
    row = outcome.row
    return {
        "nothing_scored": f"none of {row['records']:,} records was scored",
        "shard_cut_short": "a shard could not be read to its end, and nobody knows how many records that lost",
    }.get(
        row["status"],
        f"{row['failed']:,} of {row['records']:,} records failed, max_failed_fraction is {config.max_failed_fraction}",
    )


def rows_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Any result as a table; nothing in it is markup."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value)
