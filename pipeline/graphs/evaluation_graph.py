"""The whole graph on one page.

FindShards -> SplitShards -> ReadSamples -> ScoreSamples -> WriteSamples -+-> Summarize -------> WriteTables
     |                                                                  |        |                   ^
     +------------- committed by an earlier attempt --------------------+        +> CountDuplicates -+

What follows the committed files is in `tables_graph`: `summarize` does that alone.
"""

from dataclasses import dataclass

import apache_beam as beam

from ...components.model.saved_model import ScoreSettings
from ...components.model.score_samples import ScoreSamples
from ...components.reading.find_shards import FindShards
from ...components.reading.read_samples import ReadSamples, ReadSettings
from ...components.reading.split_shards import SplitShards
from ...components.samples.write_samples import WriteSamples, WriteSettings
from .tables_graph import TablesGraphSettings, write_tables


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """The settings of every stage; `planned` is the `find_shards.listing` of what the patterns matched for the plan.

    Shards of more than `split_bytes` bytes are cut into ranges.
    """

    patterns: tuple[str, ...]
    planned: str
    read: ReadSettings
    score: ScoreSettings
    write: WriteSettings
    tables: TablesGraphSettings
    split_bytes: int


def evaluate(pipeline: beam.Pipeline, settings: GraphSettings) -> beam.PCollection[str]:
    """Wire an evaluation; gives the path of the `runs` row."""
    seen = settings.tables.tables.seen
    found = pipeline | "FindShards" >> FindShards(settings.patterns, settings.planned, settings.write.run, seen)
    written = (
        found.missing
        | "SplitShards" >> SplitShards(settings.split_bytes)
        | "ReadSamples" >> ReadSamples(settings.read)
        | "ScoreSamples" >> ScoreSamples(settings.score)
        | "WriteSamples" >> WriteSamples(settings.write)
    )
    scored = written | "Scored" >> beam.Map(lambda shard: shard.scored)
    scored_now = scored | "CountScored" >> beam.CombineGlobally(sum).without_defaults()
    paths = (written | "Paths" >> beam.Map(lambda shard: shard.path), found.committed) | "AllFiles" >> beam.Flatten()
    return write_tables(paths, settings.tables, found.count, scored_now)
