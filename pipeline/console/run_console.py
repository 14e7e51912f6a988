"""What the commands print."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...components.runs import accounting
from ...components.wording import numbers
from ...components.wording.visible_text import LONGEST, escaped, shown
from ...schemas.slices import ALL
from ...schemas.tables import OF_A_RUN
from . import command_lines

if TYPE_CHECKING:  # these would import TensorFlow, which `query` does not need
    from ...components.samples.compaction import Compacted
    from ...schemas.config.config import Config
    from ...schemas.files import StoredFile
    from ..runner.run import Outcome

_METRICS = {"pooled": "dice_pooled", "prec.": "precision_pooled", "recall": "recall_pooled"}
_COUNTS = {"present": "n_present", "missed": "n_missed", "false": "n_false_alarm", "absent": "n_absent"}

MANY_FILES, SMALL_BYTES = 200, 1 << 20
"""Beyond so many sample files of less than that each, reading a run is mostly opening files."""

_LINE = 2000
"""Characters of a path or a message, which have a line of their own."""


def class_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The per-class table of one slice."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("class", overflow="fold", min_width=8)
    for name in ("Dice", "95 %", *_METRICS, *_COUNTS):
        table.add_column(name, justify="right", min_width=6 if name in _METRICS else None)
    for row in rows:
        metrics = (numbers.metric(row[column]) for column in _METRICS.values())
        counts = (f"{row[column]:,}" for column in _COUNTS.values())
        dice = numbers.metric(row["dice_mean"]), interval(row["dice_mean_low"], row["dice_mean_high"])
        table.add_row(Text(shown(row["class_name"])), *dice, *metrics, *counts)  # as it is: no markup, no :emoji:
    return table


def interval(low: float | None, high: float | None) -> str:
    """Three decimals of each limit, or a dash where there are too few samples."""
    return "-" if low is None or high is None else f"{low:.3f}-{high:.3f}"


def show_outcome(console: Console, outcome: "Outcome", config: "Config") -> None:
    """The end of an evaluation: table, accounting, failures, and where everything is."""
    row, run = outcome.row, outcome.run
    rows = [r for r in outcome.classes.to_pylist() if r["slice"] == ALL]
    console.print(class_table(rows))
    console.print()
    overall = next((r for r in outcome.slices.to_pylist() if r["slice"] == ALL), None)
    if overall:
        names = ", ".join(shown(r["class_name"]) for r in rows if r["class_id"] in config.foreground_ids)
        mean, pooled = numbers.metric(overall["dice_mean"]), numbers.metric(overall["dice_pooled"])
        limits = interval(overall["dice_mean_low"], overall["dice_mean_high"])
        console.print(
            Text.assemble("mean Dice ", (mean, "bold"), f" ({limits}), pooled {pooled}  (foreground: {names})")
        )
    rate = row["samples_per_second"]
    speed = f" in {row['seconds']:.1f} s, {rate:,.1f} samples/s" if rate else ""
    console.print(
        f"scored {row['scored']:,} of {row['records']:,} records in {row['shards']:,} shards, "
        f"{row['failed']:,} failed{speed}",
        highlight=False,
    )
    for failure in outcome.first_failures:
        where = f"{shown(failure['shard'], _LINE)} record {failure['record']} (byte {failure['byte_offset']})"
        console.print(
            f"  [red]failed[/red] {escape(where)}: {escape(shown(failure['message'], _LINE))}",
            highlight=False,
            emoji=False,
            soft_wrap=True,
        )
    console.print(f"run [bold]{run.run_id}[/bold]; tables:", highlight=False)
    for table in OF_A_RUN:
        console.print(
            f"  {table:<11}{escape(escaped(run.folder(table)))}", highlight=False, emoji=False, soft_wrap=True
        )


def compact_note(
    files: "Sequence[StoredFile]", config: str, overrides: Sequence[str], run_id: str, flags: Sequence[str] = ()
) -> str | None:
    """Says with which command many small sample files become few, None where they are not."""
    count, nbytes = len(files), sum(file.size_bytes for file in files)
    if count <= MANY_FILES or nbytes >= SMALL_BYTES * count:
        return None
    command = command_lines.with_config("compact", config, overrides, "--run-id", run_id, flags=flags)
    return f"the run has {count:,} sample files of {nbytes / count / 1e3:,.0f} kB; to merge them: {command}"


def compacted(done: "Compacted") -> str:
    """What became of the sample files."""
    now = _files(done.after)
    return f"{_files(done.before)} became {now}" if done.before != done.after else f"{now}, nothing to merge"


def _files(files: "Sequence[StoredFile]") -> str:
    nbytes = sum(file.size_bytes for file in files)
    size = f"{nbytes / 1e6:,.1f} MB" if nbytes >= 10**6 else f"{nbytes / 1e3:,.0f} kB"
    return f"{len(files):,} sample file{'s' * (len(files) != 1)} of {size}"


def notes(outcome: "Outcome", config: "Config") -> list[str]:
    """What else a person should know of a finished run, a line each."""
    warning = duplicates_warning(outcome, config.output)
    lines = [warning] if warning else []
    says = config.foreground_says(outcome.classes["class_id"].unique().to_pylist())
    lines += [says] if says else []
    if not outcome.valid:
        why = accounting.why_invalid(outcome.row, config.max_failed_fraction)
        lines.append(f"the run is {outcome.row['status']}: {why}; the tables are written")
    return lines


def duplicates_warning(outcome: "Outcome", output: str) -> str | None:
    """What to say of samples that share an id, None where there are none."""
    count = outcome.row["duplicate_ids"]
    if not count:
        return None
    run_id = outcome.run.run_id  # letters, digits and _.- alone: safe in SQL, and in a shell's double quotes
    sql = (
        "SELECT sample_id, count(*) AS samples FROM (SELECT DISTINCT sample_id, shard, record FROM samples "  # noqa: S608
        f"WHERE run_id = '{run_id}') GROUP BY sample_id HAVING count(*) > 1 ORDER BY samples DESC"
    )
    return (
        f"warning: {count:,} samples have an id that another sample has too; shard and record tell them apart: "
        f'dicebeam query {shlex.quote(output)} "{sql}"'
    )


def rows_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], longest: int = LONGEST) -> Table:
    """Any result as a table; nothing in it is markup or a control sequence, and a long cell is cut."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(shown(name, longest)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(_cell(value), longest)) for value in row))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value)
