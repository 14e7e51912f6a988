"""From committed sample files to tables: the end of an evaluation, and the whole of a summary. No TensorFlow here."""

from dataclasses import dataclass

import apache_beam as beam

from ...components.runs import run_files
from ...components.summary.count_duplicates import CountDuplicates
from ...components.summary.summarize import Summarize, SummarySettings
from ...components.summary.write_tables import TableSettings, WriteTables


@dataclass(frozen=True, slots=True)
class TablesGraphSettings:
    """The settings of the stages that make the tables."""

    summary: SummarySettings
    tables: TableSettings


def write_tables(
    paths: beam.PCollection[str],
    settings: TablesGraphSettings,
    shards: beam.PCollection[int],
    scored_now: beam.PCollection[int],
) -> beam.PCollection[str]:
    """Wire the tables of a run from its committed sample files; gives the path of the `runs` row."""
    found = paths | "Summarize" >> Summarize(settings.summary)
    duplicate_ids = found.ids | "CountDuplicates" >> CountDuplicates()
    return found.slices | "WriteTables" >> WriteTables(settings.tables, found.sums, shards, scored_now, duplicate_ids)


def summarize(pipeline: beam.Pipeline, settings: TablesGraphSettings, shards: int) -> beam.PCollection[str]:
    """Wire a summary of a run that has so many shards; gives the path of the `runs` row."""
    paths = (
        pipeline
        | "Run" >> beam.Create([settings.tables.run], reshuffle=False)
        | "SampleFiles" >> beam.FlatMap(run_files.sample_paths)
    )
    count = pipeline | "Shards" >> beam.Create([shards], reshuffle=False)
    scored_now = pipeline | "ScoredNow" >> beam.Create([0], reshuffle=False)
    return write_tables(paths, settings, count, scored_now)
