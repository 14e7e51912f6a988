"""BuildTransform: blocks of sums to a graph of tensorflow-transform that brings each channel to mean 0 and deviation 1.

tensorflow-transform runs its full pass (AnalyzeDataset) over the blocks, not over the records: what it shuffles are a
few thousand numbers for up to 1,024 samples. The graph it writes takes the raw features of a record.

This is the only file that imports tensorflow-transform, which turns `tf.keras` of the process, and of every process
that it starts, into Keras 2 unless TF_USE_LEGACY_KERAS says otherwise before.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..decoding import raw_images
from ..decoding.raw_images import RawImages
from ..storage import filesystems
from . import channel_sums, dataset_sums
from .dataset_sums import DatasetSums

os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

BLOCK = "dicebeam/block"
"""The feature of the analysis alone: records have none, and nothing that the graph gives depends on it."""
METADATA = "metadata"
"""Where TFX keeps the schema of the raw features."""


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """What is built, and where.

    raw: how records hold images. output_name: of the transformed feature. n_classes: of the blocks.
    temporary: a folder that every worker reaches, for what only this pipeline needs.
    """

    raw: RawImages
    output_name: str
    n_classes: int
    temporary: str

    @property
    def graph(self) -> str:
        """Folder of the finished transform."""
        return f"{self.temporary}/graph"

    @property
    def sums(self) -> str:
        """File of the sums of all blocks."""
        return f"{self.temporary}/sums.json"


def mean_and_std(sums: DatasetSums, channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the graph subtracts and divides by, float32 `[channels]`.

    A channel that no image has, or that is the same everywhere, is divided by 1: its values become 0, not infinite.
    """
    found = [channel_sums.statistics(channel) for channel in sums.channels[:channels]]
    found += [None] * (channels - len(found))
    means = [0.0 if channel is None else channel.mean for channel in found]
    stds = [1.0 if channel is None else np.float32(channel.std) or 1.0 for channel in found]
    return np.array(means, np.float32), np.array(stds, np.float32)


class _MergeBlocks(beam.CombineFn):
    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes

    def create_accumulator(self) -> DatasetSums:
        return dataset_sums.nothing(self._n_classes)

    def add_input(self, accumulator: DatasetSums, blocks: NDArray[np.object_]) -> DatasetSums:
        found = [dataset_sums.decode(block) for block in blocks.ravel().tolist()]
        return dataset_sums.merged([accumulator, *found], self._n_classes)

    def merge_accumulators(self, accumulators: Iterable[DatasetSums]) -> DatasetSums:
        return dataset_sums.merged(accumulators, self._n_classes)

    def extract_output(self, accumulator: DatasetSums) -> DatasetSums:
        return accumulator


def _kept(sums: DatasetSums, path: str) -> DatasetSums:
    """Write the sums to a file, for the tables."""
    with filesystems.committing(path) as file:
        file.write(dataset_sums.encode(sums))
    return sums


@beam.ptransform_fn
def _mean_and_std(batches: Any, settings: TransformSettings) -> Any:  # noqa: ANN401 - ptransform_fn has no types
    """The analyzer of the preprocessing function: batches of blocks to mean and deviation of each channel."""
    limits = (
        batches
        | "Blocks" >> beam.Map(lambda batch: batch[0])
        | "MergeBlocks" >> beam.CombineGlobally(_MergeBlocks(settings.n_classes))
        | "KeepSums" >> beam.Map(_kept, settings.sums)
        | "MeanAndStd" >> beam.Map(mean_and_std, settings.raw.channels)
    )
    # tensorflow-transform knows arrays of no element type
    mean = limits | "Mean" >> beam.Map(lambda pair: pair[0]).with_output_types(np.ndarray)
    return mean, limits | "Std" >> beam.Map(lambda pair: pair[1]).with_output_types(np.ndarray)


def preprocess(inputs: dict[str, Any], settings: TransformSettings) -> dict[str, Any]:
    """The preprocessing function: `(image - mean) / std`, float32, ragged because images differ in size."""
    channels = settings.raw.channels
    mean, std = tft.experimental.ptransform_analyzer(
        [inputs[BLOCK]], _mean_and_std(settings), [tf.float32, tf.float32], [[channels], [channels]]
    )
    decoded = raw_images.images(settings.raw, inputs)
    return {settings.output_name: decoded.with_flat_values((decoded.flat_values - mean) / std)}


class BuildTransform(beam.PTransform):
    """Encoded blocks to the folder of a transform; the sums of all blocks stand beside it."""

    def __init__(self, settings: TransformSettings) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, blocks: beam.PCollection[bytes]) -> beam.PCollection[str]:
        """Analyze, then write the graph; there is always a block, so that there is a graph where nothing was read."""
        settings, pipeline = self._settings, blocks.pipeline
        empty = dataset_sums.encode(dataset_sums.nothing(settings.n_classes))
        blank = raw_images.blank(settings.raw)
        spec = raw_images.feature_spec(settings.raw)
        raw_metadata = tft.DatasetMetadata.from_feature_spec(spec)
        metadata = tft.DatasetMetadata.from_feature_spec({**spec, BLOCK: tf.io.FixedLenFeature([], tf.string)})
        rows = (
            (blocks, pipeline | "NoBlock" >> beam.Create([empty], reshuffle=False))
            | "AllBlocks" >> beam.Flatten()
            | "Rows" >> beam.Map(lambda block: {**blank, BLOCK: block})
        )
        with tft_beam.Context(temp_dir=f"{settings.temporary}/tft"):
            transform_fn = (rows, metadata) | "AnalyzeDataset" >> tft_beam.AnalyzeDataset(
                lambda inputs: preprocess(inputs, settings)
            )
            written = transform_fn | "WriteTransformFn" >> tft_beam.WriteTransformFn(settings.graph)
        described = raw_metadata | "WriteMetadata" >> tft_beam.WriteMetadata(f"{settings.graph}/{METADATA}", pipeline)
        return (
            pipeline
            | "Graph" >> beam.Create([settings.graph], reshuffle=False)
            | "Written"
            >> beam.Map(lambda path, *_: path, beam.pvalue.AsSingleton(written), beam.pvalue.AsSingleton(described))
        )
