"""The graph of an analysis on one page.

FindShards -> SplitShards -> MeasureSamples -+- blocks --> BuildTransform (tensorflow-transform) --> WriteDataset
                                           +- failures, accounting --------------------------------------^
"""

from dataclasses import dataclass

import apache_beam as beam

from ...components.dataset.build_transform import BuildTransform, TransformSettings
from ...components.dataset.measure_samples import MeasureSamples, MeasureSettings
from ...components.dataset.write_dataset import DatasetSettings, WriteDataset
from ...components.reading import find_shards
from ...components.reading.split_shards import SplitShards
from ...components.runs import accounting
from ...schemas.shards import OpenShard


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """The settings of every stage; `planned` is the `find_shards.listing` of what the patterns matched for the plan."""

    patterns: tuple[str, ...]
    planned: str
    split_bytes: int
    measure: MeasureSettings
    transform: TransformSettings
    tables: DatasetSettings


def analyze(pipeline: beam.Pipeline, settings: AnalysisSettings) -> beam.PCollection[str]:
    """Wire an analysis; gives the path of the `datasets` row."""
    measured = (
        pipeline
        | "Patterns" >> beam.Create([settings.patterns], reshuffle=False)
        | "FindShards" >> beam.FlatMap(find_shards.find_planned, settings.planned)
        | "Open" >> beam.Map(OpenShard)
        | "SplitShards" >> SplitShards(settings.split_bytes)
        | "MeasureSamples" >> MeasureSamples(settings.measure)
    )
    totals = (
        measured.units
        | "Totals" >> beam.Map(accounting.totals_of)
        | "AddTotals" >> beam.CombineGlobally(accounting.add_totals)
    )
    return (
        measured.blocks
        | "BuildTransform" >> BuildTransform(settings.transform)
        | "WriteDataset" >> WriteDataset(settings.tables, totals, measured.failures)
    )
