"""What a person sees while a run is at work: a bar on a terminal, one line a minute in a log."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ...components.runs import run_files, shard_ranges, shard_records
from ...components.runtime import progress_counts
from ..plans.evaluation_plan import Plan
from ..runner import options

if TYPE_CHECKING:
    from ..plans.analysis_plan import AnalysisPlan

REFRESH_SECONDS = 0.5
LISTING_SECONDS = 5.0
LOG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a run is. Time left is judged by bytes, because nobody knows the records before they are read."""

    scored: int
    failed: int
    bytes_read: int
    units_done: int


def in_process(plan: "Plan | AnalysisPlan", already: int) -> Callable[[], Snapshot]:
    """Progress of workers in this process, to the batch; `already` bytes were committed before."""
    sizes = {shard.path: shard.size_bytes for shard in plan.shards}

    def look() -> Snapshot:
        now = progress_counts.snapshot()
        read = sum(min(count, sizes.get(path, count)) for path, count in now.bytes_read.items())
        return Snapshot(now.scored, now.failed, already + read, now.units_done)

    return look


def by_files(plan: Plan) -> Callable[[], Snapshot]:
    """Progress of workers elsewhere, to the unit: what they have committed."""
    sizes = _sizes(plan)
    before = set(run_files.list_samples(plan.run).holders)
    known: dict[str, shard_records.ShardRecord] = {}

    def look() -> Snapshot:
        files = run_files.listed(plan.run)
        for name in {name for name in files if _bytes(name, sizes) is not None} - before - set(known):
            known[name] = run_files.read_shard_record(files[name].path)
        scored, failed = (sum(getattr(r, field) for r in known.values()) for field in ("scored", "failed"))
        return Snapshot(scored, failed, sum(_bytes(name, sizes) or 0 for name in before | set(known)), len(known))

    return look


def _sizes(plan: Plan) -> dict[str, int]:
    return {run_files.path_hash(shard.path): shard.size_bytes for shard in plan.shards}


def _bytes(name: str, sizes: Mapping[str, int]) -> int | None:
    """The bytes of the examples that a sample file is of, by its name; None for a file of something else."""
    shard, span = shard_ranges.of_name(name) or ("", None)
    return span.to(sizes[shard]) - span.start if span and shard in sizes else None


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        scored, seconds = task.fields["scored"], task.elapsed or 0.0
        return Text(f"{scored / seconds:,.1f} samples/s" if seconds and scored else "starting", style="cyan")


@contextmanager
def shown(plan: Plan, console: Console) -> Iterator[None]:
    """Show progress until the block ends."""
    sizes = _sizes(plan)
    total = sum(sizes.values())
    already = sum(_bytes(name, sizes) or 0 for name in run_files.list_samples(plan.run).holders)
    local = options.in_this_process(plan.options)
    look = in_process(plan, already) if local else by_files(plan)
    refresh = REFRESH_SECONDS if local else LISTING_SECONDS
    stop = threading.Event()
    if console.is_terminal:
        watch = threading.Thread(target=_bar, args=(look, stop, console, total, refresh), daemon=True)
    else:
        watch = threading.Thread(target=_lines, args=(look, stop, total, already), daemon=True)
    with _watching(watch, stop):
        yield


@contextmanager
def shown_here(plan: "AnalysisPlan", console: Console) -> Iterator[None]:
    """Show how far an analysis is until the block ends; nothing of workers elsewhere, which commit nothing before."""
    if not options.in_this_process(plan.options):
        yield
        return
    look, stop = in_process(plan, 0), threading.Event()
    total = sum(shard.size_bytes for shard in plan.shards)
    if console.is_terminal:
        arguments = (look, stop, console, total, REFRESH_SECONDS, "analyzing")
        watch = threading.Thread(target=_bar, args=arguments, daemon=True)
    else:
        watch = threading.Thread(target=_lines, args=(look, stop, total, 0, "analyzed"), daemon=True)
    with _watching(watch, stop):
        yield


@contextmanager
def _watching(watch: threading.Thread, stop: threading.Event) -> Iterator[None]:
    watch.start()
    try:
        yield
    finally:
        stop.set()
        watch.join()


def _bar(
    look: Callable[[], Snapshot],
    stop: threading.Event,
    console: Console,
    total: int,
    refresh: float,
    doing: str = "evaluating",
) -> None:
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[scored]:,} samples"), _Rate(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task(doing, total=total or None, scored=0)
        while True:
            now = look()
            failed = f", {now.failed:,} failed" if now.failed else ""
            progress.update(task, completed=now.bytes_read, scored=now.scored, description=f"{doing}{failed}")
            if stop.wait(refresh):
                return


def _lines(look: Callable[[], Snapshot], stop: threading.Event, total: int, already: int, done: str = "scored") -> None:
    started = time.monotonic()
    while not stop.wait(LOG_SECONDS):
        sys.stderr.write(line(look(), total, already, time.monotonic() - started, done) + "\n")
        sys.stderr.flush()


def line(now: Snapshot, total: int, already: int, seconds: float, done: str = "scored") -> str:
    """One line of a log."""
    share = now.bytes_read / total if total else 0.0
    read = now.bytes_read - already
    left = f", about {(total - now.bytes_read) / read * seconds / 60:.0f} min left" if read > 0 else ""
    failed = f", {now.failed:,} failed" if now.failed else ""
    return (
        f"dicebeam: {now.scored:,} samples {done}{failed}, {now.scored / seconds:,.1f} a second, "
        f"{share:.0%} of the bytes{left}"
    )
