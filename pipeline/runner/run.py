"""Run a plan and say what became of it; errors of workers come back as what they were there."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from ...components.runs import accounting, run_files, run_tables
from ...components.runtime import progress_counts
from ...components.storage import filesystems, parquet_reading
from ...schemas import errors
from . import engine_errors, jobs, options, worker_watch

_RAISED = re.compile(r"dicebeam\.schemas\.errors\.(\w+Error): (.*?)(?: \[while running|\n|\Z)")
_INTERRUPTED = re.compile(r"KeyboardInterrupt\b")
"""Beam wraps Ctrl-C in a RuntimeError where it meets a worker of this process."""


class Plan(Protocol):
    """A run that can be started: of `evaluate`, `summarize` or `analyze`."""

    @property
    def run(self) -> run_files.Place:
        """What it is of."""

    @property
    def options(self) -> PipelineOptions:
        """Where it runs."""

    def wire(self, pipeline: beam.Pipeline) -> None:
        """Put its graph into a pipeline."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: its `runs` row, its tables and where they are."""

    run: run_files.Place
    row: dict[str, Any]
    classes: pa.Table
    slices: pa.Table
    first_failures: list[dict[str, Any]]

    @property
    def valid(self) -> bool:
        """Whether something was scored and the failures are within the budget."""
        return bool(self.row["status"] == accounting.DONE)


def execute(plan: Plan) -> Outcome:
    """Run the plan's graph and read back the tables.

    Raises:
        DicebeamError: what a worker raised, by its type, or that the runner did not finish.
    """
    finish(plan)
    return outcome(plan.run)


def finish(plan: Plan) -> None:
    """Run the plan's graph to its end.

    Raises:
        DicebeamError: what a worker raised, by its type, or that the runner did not finish.
    """
    progress_counts.reset()
    pipeline = beam.Pipeline(runner=options.runner(plan.options), options=plan.options)
    plan.wire(pipeline)
    try:
        with worker_watch.watched():
            state = jobs.wait(pipeline.run())
    except errors.WorkerError:
        raise
    except Exception as error:
        if _INTERRUPTED.match(str(error)):
            raise KeyboardInterrupt from error
        known = raised_by_worker(error) or engine_errors.explained(error, plan.options)
        if known is None:
            raise
        raise known from error
    if state not in (None, PipelineState.DONE):
        msg = (
            f"run {plan.run.run_id!r}: the runner ended in the state {state}; run the same command with "
            f"--run-id {plan.run.run_id} to resume it"
        )
        raise errors.TablesError(msg)


def raised_by_worker(error: BaseException) -> errors.DicebeamError | None:
    """The error of ours that a runner wrapped, or None.

    Runners hand errors on as text, so the type and message are read from there.
    """
    found = _RAISED.findall(f"{type(error).__module__}.{type(error).__qualname__}: {error}")
    if not found:
        return None
    name, message = found[-1]
    kind = getattr(errors, name, errors.DicebeamError)
    made: errors.DicebeamError = kind(message)
    return made


def outcome(run: run_files.Place) -> Outcome:
    """Read the tables of a complete run.

    Raises:
        TablesError: if the run has no `runs` row, or another process takes it away while the tables are read.
    """
    try:
        rows = run_tables.read(run, "runs")
        if rows.num_rows != 1:
            raise _not_complete(run, f"got {rows.num_rows}")
        failures = _first_failures(run) if rows["failed"][0].as_py() else []
        return Outcome(
            run, rows.to_pylist()[0], run_tables.read(run, "classes"), run_tables.read(run, "slices"), failures
        )
    except FileNotFoundError as error:
        raise _not_complete(run, f"{error.filename} went away") from error


def _not_complete(run: run_files.Place, found: str) -> errors.TablesError:
    return errors.TablesError(
        f"run {run.run_id!r} is not complete: expected one row in {run.folder('runs')}, but {found}; another process "
        f"may be rebuilding its tables: when it has ended, run the same command with --run-id {run.run_id}"
    )


def _first_failures(run: run_files.Place, limit: int = 3) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in filesystems.below(run.folder("failures"), "*.parquet"):
        with parquet_reading.opened(file.path) as opened:
            batch = next(opened.batches(limit), None)
        rows += batch.to_pylist() if batch is not None else []
        if len(rows) >= limit:
            break
    return rows[:limit]
