"""From a config to the settings of every stage: all that can be refused is refused here, before a record is read."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from ...components.model.agreement import agree
from ...components.model.fingerprints import read_model
from ...components.model.saved_model import ScoreSettings
from ...components.reading import find_shards
from ...components.reading.read_samples import ReadSettings
from ...components.runs import begun_with, run_claims, run_files, runs_row
from ...components.runs.runs_row import versions
from ...components.runtime import gpus
from ...components.samples.write_samples import WriteSettings
from ...components.storage import filesystems
from ...components.summary.write_tables import TableSettings
from ...schemas import tables
from ...schemas.config.config import Config
from ...schemas.config.devices import DeviceSettings
from ...schemas.config.model import ModelSettings
from ...schemas.shards import Shard
from ..graphs import evaluation_graph
from ..graphs.evaluation_graph import GraphSettings
from ..graphs.tables_graph import TablesGraphSettings
from ..runner import device_options
from ..runner import options as runner_options
from . import model_settings, table_settings


@dataclass(frozen=True, slots=True)
class Plan:
    """An evaluation that is ready to run."""

    config: Config
    run: run_files.Run
    shards: tuple[Shard, ...]
    graph: GraphSettings
    options: PipelineOptions
    left_out: int
    """Other names of shards and their folders, by links."""

    def wire(self, pipeline: beam.Pipeline) -> None:
        """Put the evaluation's graph into a pipeline."""
        evaluation_graph.evaluate(pipeline, self.graph)


def make_plan(config: Config, run_id: str | None, flags: Sequence[str]) -> Plan:
    """Look at the files, hold the config against the model, and settle every stage.

    Raises:
        ConfigError, ModelError, TablesError, StorageError: for what cannot work, unwritable output included.
    """
    started = datetime.now(UTC)
    options = runner_options.pipeline_options(flags)
    filesystems.use_options(options)
    examples = find_shards.look(config.examples)
    found = tuple(examples.shards)
    model = model_settings.model_settings(config)
    transform = model_settings.fingerprint_of_transform(model)
    devices = device_options.settings(options)
    if transform is not None:
        before_first_op(options, devices)
    files = read_model(model.path)
    agreement = agree(model, files.graph, transform, len(config.classes), config.batch_size)
    table_settings.check_foreground(config, agreement.scored)
    run = _run(config, run_id, started, (files.fingerprint, transform))
    settings = GraphSettings(
        tuple(filesystems.absolute(pattern) for pattern in config.examples),
        find_shards.listing(found),
        ReadSettings(model_settings.decode_settings(config, agreement), config.batch_size),
        ScoreSettings(
            model, config.labels, agreement, run.model_fingerprint, config.batch_timeout_seconds, transform, devices
        ),
        WriteSettings(run, config.classes, agreement.scored, tuple(tables.slice_columns(config.slice_features))),
        TablesGraphSettings(
            table_settings.summary_settings(config, run, agreement.scored),
            _tables(config, run, model, options, started),
        ),
        config.shard_split_bytes,
    )
    filesystems.check_writable(run.folder("samples"))
    begun_with.note(run, (shard.path for shard in found))
    return Plan(config, run, found, settings, options, examples.left_out)


def _tables(
    config: Config, run: run_files.Run, model: ModelSettings, options: PipelineOptions, started: datetime
) -> TableSettings:
    return TableSettings(
        run=run,
        max_failed_fraction=config.max_failed_fraction,
        config=config.with_foreground.model_dump_json(),
        model=model.path,
        versions=versions(),
        runner=runner_options.runner_name(options),
        started=started,
        transform=model.input.transform,
        seen=runs_row.identity(run),
    )


def _run(config: Config, run_id: str | None, now: datetime, scored_by: tuple[str, str | None]) -> run_files.Run:
    """A new run, or the one that was begun under this id; `scored_by` are the fingerprints of model and transform."""
    model, transform = scored_by
    output = filesystems.absolute(config.output)
    if run_id is None:
        run_id, date = run_claims.claim_new(output, now, "samples")
    else:
        date = run_claims.claim(output, run_files.check_run_id(run_id), now, "samples")
    fingerprints = (config.fingerprint, model, config.scoring, transform)
    run = run_files.Run(output, date, run_id, *fingerprints)
    for path in itertools.islice(run_files.sample_paths(run), 1):
        run_files.check_same_run(run_files.read_shard_record(path), run, path)
    return run


def before_first_op(options: PipelineOptions, devices: DeviceSettings) -> None:
    """Whoever plans a run uses TensorFlow as well: set this process's GPU before, or leave all of them to the workers.

    Where nobody can say whether this process is to be a worker, its GPU is kept.
    """
    if runner_options.models_elsewhere(options):
        gpus.hide(DeviceSettings())
    else:
        gpus.prepare(replace(devices, require_gpu=False))
