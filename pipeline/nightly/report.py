"""From a config and a finished run to one HTML file of it; the models are run for the samples shown alone."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from apache_beam.io.filesystem import BeamIOError

from ...components.report import gallery, gallery_samples, report_data, report_page, trend
from ...components.report.gallery import Card
from ...components.report.report_data import ReportData
from ...components.runs import held_samples, run_tables
from ...components.runs.run_tables import FinishedRun, RunName
from ...components.storage import filesystems
from ...components.verdict import blessing, verdict_files
from ...schemas.config import foreground as foregrounds
from ...schemas.config.config import Config
from ...schemas.errors import DamagedError, DicebeamError, TablesError
from ...schemas.slices import ALL
from ...schemas.verdict import GateVerdict
from ..plans import table_settings
from . import report_models, verdict


def write_report(config: Config, run_id: str, flags: Sequence[str] = (), out: str | None = None) -> str:
    """Write the page of a run; returns its path.

    Args:
        config: names the output folder; of the rest the run's own config is used, as its `runs` row has it.
        run_id: of a finished run. Where it was not gated, what compares it with a baseline is left out.
        flags: Beam's, of which storage options are used.
        out: path of the file; by default it is report.html beside the verdict.

    Raises:
        ConfigError, TablesError: if there is no such run, or its tables or its verdict cannot be read.
        DamagedError: if a file of it or of its baseline is damaged, lost, or that of another run.
        StorageError: if the file cannot be written.
    """
    past, names = verdict.find_run(config, run_id, flags)
    held_samples.check(past, may_be_gone=True)
    used = report_models.config_of(past, config)
    data = _with_foreground(_collected(past, names, used), config, used)
    worst, fallen, notes = _cards(data, used, config)
    path = filesystems.absolute(out) if out else blessing.path(past.run, verdict_files.PAGE)
    page = report_page.render(data, worst, fallen, notes)
    with filesystems.committing(path) as file:
        file.write(page.encode(errors="backslashreplace"))
    return path


def _collected(past: FinishedRun, names: Sequence[RunName], config: Config) -> ReportData:
    try:
        decided = verdict_files.read(past.run)
        runs, notes = _history(past, names, decided)
        return report_data.collect(past, runs, decided, _foreground(past, config), notes)
    except (OSError, BeamIOError, pa.ArrowException) as error:
        msg = f"the tables of run {past.run_id!r} cannot be read: {error}; make them again with dicebeam summarize"
        raise TablesError(msg) from error


def _with_foreground(data: ReportData, config: Config, used: Config) -> ReportData:
    """The foreground that the verdict is of, and what is to be said of it where it was guessed.

    The config that is used names one, as every run's does, whether it was guessed or not: the given one says so.
    """
    verdict = data.verdict
    of_tables, of_verdict = data.foreground, verdict.foreground if verdict else ()
    guessed = config.foreground is None and used.with_foreground.foreground == foregrounds.guess(used.classes)
    scored = [i for i, name in enumerate(used.classes) if name in of_tables]
    says = foregrounds.says(used.classes, scored) if guessed else None
    if verdict and of_verdict:
        says = verdict.foreground_says
    other = f"Slices and trend are of other classes than the verdict: {', '.join(of_tables)}."
    differs = of_verdict and of_verdict != of_tables
    return replace(
        data,
        foreground=of_verdict or of_tables,
        foreground_says=says,
        notes=(*data.notes, other) if differs else data.notes,
    )


def _history(
    past: FinishedRun, names: Sequence[RunName], decided: GateVerdict | None
) -> tuple[list[FinishedRun], list[str]]:
    """The runs that the page looks at beside its own, the last one first, and what is to be said of damaged ones."""
    baseline = run_tables.named(names, (decided and decided.baseline_run_id) or "")
    wanted = {name for name in (*trend.names_of(past, names), baseline) if name and name.run_id != past.run_id}
    rows = [row for _, row in run_tables.read_rows(past.run.output, sorted(wanted, reverse=True))]
    runs = [past, *(row for row in rows if isinstance(row, FinishedRun) and row.stands)]
    damaged = [f"A run is left out: {row}" for row in rows if isinstance(row, TablesError)]
    return sorted(runs, key=lambda run: (run.finished, run.run_id), reverse=True), damaged


def _foreground(past: FinishedRun, config: Config) -> tuple[str, ...]:
    """Names of the scored classes in the mean."""
    scored = run_tables.read(past.run, "classes", [ALL])["class_id"].to_pylist()
    return tuple(config.classes[i] for i in config.foreground_ids if i in scored)


def _cards(data: ReportData, used: Config, config: Config) -> tuple[list[Card], list[Card], list[str]]:
    """Cards of the worst samples and of the largest falls, and why there are none where that is so."""
    past, baseline, foreground = data.past, data.baseline, data.foreground
    if baseline is not None:
        held_samples.check(baseline, may_be_gone=True)
    before, specs = None if baseline is None else baseline.run, table_settings.slice_specs(used)
    try:
        worst = gallery_samples.find("worst", past.run, before, foreground, specs)
        fallen = gallery_samples.find("fall", past.run, before, foreground, specs)
    except DamagedError:
        raise  # the page would say less than the files beside it, and nobody would look for why
    except (DicebeamError, OSError, BeamIOError, pa.ArrowException) as error:
        return [], [], [f"Samples could not be chosen: {error}"]
    if not worst and not fallen:
        return [], [], []
    now = report_models.predictor(past, used)
    then = None
    if baseline is not None:
        then = report_models.predictor(baseline, report_models.config_of(baseline, config))
    return gallery.cards(worst, now, then), gallery.cards(fallen, now, then), []
