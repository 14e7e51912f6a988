"""From a config to the settings of an analysis. The model is neither read nor looked for."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from ...components.dataset.build_transform import TransformSettings
from ...components.dataset.measure_samples import MeasureSettings
from ...components.dataset.write_dataset import DatasetSettings
from ...components.reading import find_shards, first_records
from ...components.runs import analysis_files, run_claims, run_files
from ...components.runs.analysis_files import Analysis
from ...components.runs.runs_row import versions
from ...components.runtime import gpus
from ...components.storage import filesystems
from ...schemas import datasets, tables
from ...schemas.config.config import Config
from ...schemas.config.devices import DeviceSettings
from ...schemas.errors import ConfigError, StorageError, TablesError
from ...schemas.shards import Shard
from ..graphs import analysis_graph
from ..graphs.analysis_graph import AnalysisSettings
from ..runner import options as runner_options
from . import table_settings
from .model_settings import IMAGE, VOLUME, without_model

OUTPUT_NAME = "image"
"""Name of the transformed feature, where the config does not name the model's input."""


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """An analysis that is ready to run."""

    run: Analysis
    shards: tuple[Shard, ...]
    graph: AnalysisSettings
    options: PipelineOptions

    def wire(self, pipeline: beam.Pipeline) -> None:
        """Put the analysis's graph into a pipeline."""
        analysis_graph.analyze(pipeline, self.graph)


@contextmanager
def planned(config: Config, run_id: str | None, flags: Sequence[str]) -> Iterator[AnalysisPlan]:
    """Look at the files and settle every stage; what the analysis needs for a while is gone after the block.

    Raises:
        ConfigError, TablesError, StorageError: for what cannot work, unwritable output included.
    """
    started = datetime.now(UTC)
    options = runner_options.pipeline_options(flags)
    filesystems.use_options(options)
    gpus.prepare(DeviceSettings())  # before TensorFlow's first op; an evaluation may follow in this process
    found = tuple(find_shards.find(config.examples))
    run = _run(config, run_id, started)
    with _temporary(run, options) as temporary:
        settings = _settings(config, run, found, temporary, runner_options.runner_name(options), started)
        filesystems.check_writable(run.folder("datasets"))
        yield AnalysisPlan(run, found, settings, options)


def _settings(
    config: Config, run: Analysis, found: tuple[Shard, ...], temporary: str, runner: str, started: datetime
) -> AnalysisSettings:
    look = first_records.stored_images(found, without_model(config, IMAGE), without_model(config, VOLUME))
    transform = TransformSettings(look, config.input.name or OUTPUT_NAME, len(config.classes), temporary)
    return AnalysisSettings(
        tuple(filesystems.absolute(pattern) for pattern in config.examples),
        find_shards.listing(found),
        config.shard_split_bytes,
        MeasureSettings(
            without_model(config, look.rank),
            table_settings.slice_specs(config),
            tuple(tables.slice_columns(config.slice_features)),
        ),
        transform,
        DatasetSettings(
            run=run,
            sums=transform.sums,
            shards=len(found),
            classes=config.classes,
            max_failed_fraction=config.max_failed_fraction,
            config=config.model_dump_json(),
            versions=versions("tensorflow-transform"),
            runner=runner,
            started=started,
        ),
    )


def _run(config: Config, run_id: str | None, now: datetime) -> Analysis:
    """A new analysis; beside the evaluation of the id, where there is one.

    Raises:
        TablesError: if the id has been analyzed already.
    """
    output = filesystems.absolute(config.output)
    if run_id is None:
        run_id, date = run_claims.claim_new(output, now, "datasets")
        return Analysis(output, date, run_id)
    before = analysis_files.find(output, run_files.check_run_id(run_id))
    if before is not None:
        msg = (
            f"the data of run {run_id!r} have been analyzed already: its row is in {before.folder('datasets')}. Use "
            "another --run-id, or delete that folder to analyze them again"
        )
        raise TablesError(msg)
    return Analysis(output, run_claims.claim(output, run_id, now, "datasets"), run_id)


@contextmanager
def _temporary(run: Analysis, options: PipelineOptions) -> Iterator[str]:
    """A folder for what tensorflow-transform hands from stage to stage, which every worker must reach.

    Where the workers are on this machine it is a temporary one. Elsewhere it is in the output.

    Raises:
        ConfigError: if TensorFlow, which writes there, does not know the output's filesystem.
    """
    if runner_options.is_embedded(options):
        with tempfile.TemporaryDirectory(prefix="dicebeam-analyze-") as folder:
            yield folder
        return
    folder = f"{run.output}/{datasets.TRANSFORM}/.{run.run_id}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        tf.io.gfile.makedirs(folder)
    except tf.errors.UnimplementedError as error:
        msg = (
            f"output: tensorflow-transform must be able to write to {run.output}, because the workers are on other "
            f"machines, but TensorFlow does not know its filesystem: {error.message}"
        )
        raise ConfigError(msg) from error
    except tf.errors.OpError as error:
        raise StorageError(f"{folder} cannot be written: {error.message}") from error
    try:
        yield folder
    finally:
        if filesystems.is_remote(folder):
            tf.io.gfile.rmtree(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
