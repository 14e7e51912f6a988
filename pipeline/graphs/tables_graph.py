"""From committed sample files to tables: the end of an evaluation, and the whole of a summary. No TensorFlow here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import apache_beam as beam

from ...components.runs import run_files
from ...components.runs.run_files import Run
from ...components.statistics.slicing import SliceFeature, SliceSpec
from ...components.summary.count_duplicates import CountDuplicates
from ...components.summary.slice_rows import ClassSettings
from ...components.summary.slice_state import BootstrapSettings
from ...components.summary.summarize import Summarize, SummarySettings
from ...components.summary.write_tables import ReportSettings, WriteReports
from ...schemas import tables
from ...schemas.config.config import Config
from ...schemas.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TablesSettings:
    """The settings of the stages that make the tables."""

    summary: SummarySettings
    report: ReportSettings


def summary_settings(config: Config, run: Run, scored: Sequence[int]) -> SummarySettings:
    """What is summarized, of the scored class ids."""
    column_of = _column_of(config)
    foreground = tuple(place for place, class_id in enumerate(scored) if class_id in config.foreground_ids)
    return SummarySettings(
        run=run,
        classes=ClassSettings(tuple(scored), tuple(config.classes[i] for i in scored), foreground),
        slices=slice_specs(config),
        bootstrap=BootstrapSettings(config.bootstrap.replicates, config.bootstrap.seed, config.cluster is not None),
        cluster=column_of[config.cluster] if config.cluster else None,
        keep_slices=config.bootstrap.keep_slices,
    )


def slice_specs(config: Config) -> tuple[SliceSpec, ...]:
    """The slices of a config, without that of `all`."""
    column_of = _column_of(config)
    return tuple(
        tuple(SliceFeature(part.feature, column_of[part.feature], part.edges) for part in spec)
        for spec in config.slices
    )


def _column_of(config: Config) -> dict[str, str]:
    return dict(zip(config.slice_features, tables.slice_columns(config.slice_features), strict=True))


def check_foreground(config: Config, scored: Collection[int]) -> None:
    """Refuse foreground classes that are not scored.

    Raises:
        ConfigError: naming them, and the classes that are.
    """
    unscored = [name for name in config.foreground or () if config.classes.index(name) not in scored]
    if unscored:
        names = [config.classes[i] for i in scored]
        msg = f"foreground: {unscored} has no channel in the model's output; only {names} is scored"
        raise ConfigError(msg)


def write_tables(
    paths: beam.PCollection[str],
    settings: TablesSettings,
    shards: beam.PCollection[int],
    scored_now: beam.PCollection[int],
) -> beam.PCollection[str]:
    """Wire the tables of a run from its committed sample files; gives the path of the `runs` row."""
    found = paths | "Summarize" >> Summarize(settings.summary)
    duplicate_ids = found.ids | "CountDuplicates" >> CountDuplicates()
    return found.slices | "WriteReports" >> WriteReports(settings.report, found.sums, shards, scored_now, duplicate_ids)


def summarize(pipeline: beam.Pipeline, settings: TablesSettings, shards: int) -> beam.PCollection[str]:
    """Wire a summary of a run that has so many shards; gives the path of the `runs` row."""
    paths = (
        pipeline
        | "Run" >> beam.Create([settings.report.run], reshuffle=False)
        | "SampleFiles" >> beam.FlatMap(run_files.sample_paths)
    )
    count = pipeline | "Shards" >> beam.Create([shards], reshuffle=False)
    scored_now = pipeline | "ScoredNow" >> beam.Create([0], reshuffle=False)
    return write_tables(paths, settings, count, scored_now)
