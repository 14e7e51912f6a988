"""From a config to the settings of every stage: all that can be refused is refused here, before a record is read."""

import importlib.metadata
import json
import platform
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apache_beam.options.pipeline_options import PipelineOptions

from components import filesystems, run_files, shards, signatures
from components.decoding import DecodeSettings
from components.fingerprints import model_fingerprint
from components.reports import ReportSettings
from components.sample_files import WriteSettings
from components.samples import ReadSettings
from components.saved_model import ScoreSettings
from components.signatures import Agreement
from components.summary import SummarySettings
from pipeline import options as runner_options
from pipeline.config import Config
from pipeline.graph import GraphSettings
from schemas import tables
from schemas.errors import ConfigError
from schemas.records import Shard

VERSIONED = ("dicebeam", "tensorflow", "apache-beam", "tfrecord-lite", "pyarrow", "numpy")
_RUN_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Plan:
    """An evaluation that is ready to run."""

    config: Config
    run: run_files.Run
    shards: tuple[Shard, ...]
    graph: GraphSettings
    options: PipelineOptions


def new_run_id(now: datetime) -> str:
    """`r`, UTC time, and four random characters for runs of the same second."""
    return f"r{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def make_plan(config: Config, run_id: str | None, flags: Sequence[str]) -> Plan:
    """Look at the files, hold the config against the model, and settle every stage.

    Raises:
        ConfigError, ModelError, ReportError: for what cannot work.
    """
    started = datetime.now(UTC)
    options = runner_options.pipeline_options(flags)
    filesystems.use_options(options)
    found = tuple(shards.find(config.examples))
    model = config.model_settings.model_copy(update={"path": filesystems.absolute(config.model)})
    agreement = signatures.agree(signatures.read(model.path), model, len(config.classes), config.batch_size)
    _check_foreground(config, agreement)
    run = _run(config, run_id, started)
    columns = tuple(tables.slice_columns(config.slice_features))
    column_of = dict(zip(config.slice_features, columns, strict=True))
    specs = tuple(tuple((feature, column_of[feature]) for feature in spec) for spec in config.slices)
    graph = GraphSettings(
        tuple(filesystems.absolute(pattern) for pattern in config.examples),
        ReadSettings(_decode_settings(config, agreement), config.batch_size),
        ScoreSettings(model, config.labels, agreement, run.model_fingerprint),
        WriteSettings(run, config.classes, agreement.scored, columns),
        SummarySettings(run, specs, len(agreement.scored)),
        ReportSettings(
            run=run,
            classes=config.classes,
            foreground=config.foreground_ids,
            max_failed_fraction=config.max_failed_fraction,
            config=config.model_dump_json(),
            model=model.path,
            versions=_versions(),
            runner=runner_options.runner_name(options),
            started=started,
        ),
    )
    return Plan(config, run, found, graph, options)


def _check_foreground(config: Config, agreement: Agreement) -> None:
    unscored = [name for name in config.foreground or () if config.classes.index(name) not in agreement.scored]
    if unscored:
        scored = [config.classes[i] for i in agreement.scored]
        msg = f"foreground: {unscored} has no channel in the model's output; only {scored} is scored"
        raise ConfigError(msg)


def _decode_settings(config: Config, agreement: Agreement) -> DecodeSettings:
    every = tuple(range(len(config.classes)))
    return DecodeSettings(
        features=config.features,
        labels=config.labels,
        slice_features=config.slice_features,
        input_kind=config.input.kind,
        spatial_rank=agreement.spatial_rank,
        channels=agreement.channels,
        multi_label=not config.model_settings.exclusive and agreement.scored == every,
    )


def _run(config: Config, run_id: str | None, now: datetime) -> run_files.Run:
    """A new run, or the one that was begun under this id."""
    if run_id is not None and not _RUN_ID.fullmatch(run_id):
        msg = f"--run-id: expected a letter and then letters, digits, '_', '.' or '-', but got {run_id!r}"
        raise ConfigError(msg)
    output = filesystems.absolute(config.output)
    begun = run_files.find_eval_date(output, run_id) if run_id else None
    run = run_files.Run(
        output,
        begun or f"{now:%Y-%m-%d}",
        run_id or new_run_id(now),
        config.fingerprint,
        model_fingerprint(config.model),
    )
    if begun:
        first = next(iter(run_files.sample_files(run).values())).path
        run_files.check_same_run(run_files.read_shard_record(first), run, first)
    return run


def _versions() -> str:
    versions = {"python": platform.python_version()}
    for name in VERSIONED:
        versions[name] = importlib.metadata.version(name)
    return json.dumps(versions)
