"""The whole graph on one page.

FindShards -> ReadSamples -> ScoreSamples -> WriteSamples -> Summarize -> WriteReports
     |                                            |              ^
     +------- committed by an earlier attempt ----+--------------+
"""

from dataclasses import dataclass

import apache_beam as beam

from components.inference import ScoreSamples
from components.reports import ReportSettings, WriteReports
from components.sample_files import WriteSamples, WriteSettings
from components.samples import ReadSamples, ReadSettings
from components.saved_model import ScoreSettings
from components.shards import FindShards
from components.summary import Summarize, SummarySettings


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """The settings of every stage."""

    patterns: tuple[str, ...]
    read: ReadSettings
    score: ScoreSettings
    write: WriteSettings
    summary: SummarySettings
    report: ReportSettings


def evaluate(pipeline: beam.Pipeline, settings: GraphSettings) -> beam.PCollection[str]:
    """Wire an evaluation; gives the path of the `runs` row."""
    found = pipeline | "FindShards" >> FindShards(settings.patterns, settings.write.run)
    written = (
        found.missing
        | "ReadSamples" >> ReadSamples(settings.read)
        | "ScoreSamples" >> ScoreSamples(settings.score)
        | "WriteSamples" >> WriteSamples(settings.write)
    )
    scored_now = written | "Scored" >> beam.Map(lambda shard: shard.scored) | "CountScored" >> beam.CombineGlobally(sum)
    paths = written | "Paths" >> beam.Map(lambda shard: shard.path)
    states, totals = (
        (paths, found.committed) | "AllFiles" >> beam.Flatten() | "Summarize" >> Summarize(settings.summary)
    )
    return states | "WriteReports" >> WriteReports(settings.report, totals, found.count, scored_now)
