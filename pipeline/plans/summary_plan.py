"""From a config and a run id to the tables of that run again: no model, no inference, no TensorFlow."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from ...components.reading import find_shards
from ...components.runs import begun_with, config_difference, run_files, runs_row, shard_ranges
from ...components.runs.run_files import Run
from ...components.runs.shard_records import ShardRecord
from ...components.storage import filesystems, parquet_reading
from ...components.summary.write_tables import TableSettings
from ...schemas import tables
from ...schemas.config.config import OF_THE_TABLES, Config
from ...schemas.errors import AccountingError, ConfigError, StorageError, TablesError, UnfinishedRunError
from ..graphs import tables_graph
from ..graphs.tables_graph import TablesGraphSettings
from ..runner import options as runner_options
from . import table_settings

_UNKNOWN = ("model", "batch_size", "shard_split_bytes")


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """A summary that is ready to run."""

    run: Run
    shards: int
    tables: TablesGraphSettings
    options: PipelineOptions

    def wire(self, pipeline: beam.Pipeline) -> None:
        """Put the summary's graph into a pipeline."""
        tables_graph.summarize(pipeline, self.tables, self.shards)


def make_plan(config: Config, run_id: str, flags: Sequence[str]) -> SummaryPlan:
    """Find the run's sample files, and hold the config against what they say.

    Raises:
        ConfigError: if a slice needs a feature, or the foreground a class, that was not scored.
        UnfinishedRunError: if shards are still to be scored.
        TablesError: if there is no such run, or another config scored it.
        AccountingError: if the run has not samples of as many shards as its `runs` row says.
    """
    options = runner_options.pipeline_options(flags)
    filesystems.use_options(options)
    run, record = _begun(config, run_id)
    table_settings.check_foreground(config, record.class_ids)
    seen, row = runs_row.identity(run), _row(run)
    count = _expected_shards(config, run, row)
    before = row or {}
    settings = TableSettings(
        run=run,
        max_failed_fraction=config.max_failed_fraction,
        config=_config_json(config, row),
        model=before.get("model"),
        versions=before.get("versions"),
        runner=before.get("runner"),
        started=before.get("started"),
        transform=before.get("transform"),
        seen=seen,
    )
    summary = table_settings.summary_settings(config, run, record.class_ids)
    return SummaryPlan(run, count, TablesGraphSettings(summary, settings), options)


def _row(run: Run) -> dict[str, Any] | None:
    """The run's row; None where there is none, or a damaged one, which the summary writes anew."""
    try:
        return runs_row.read(run)
    except TablesError:
        return None


def _begun(config: Config, run_id: str) -> tuple[Run, ShardRecord]:
    """The run as its sample files have it, and what one of them says."""
    output = filesystems.absolute(config.output)
    date = run_files.find_eval_date(output, run_files.check_run_id(run_id))
    path = next(run_files.sample_paths(run_files.Place(output, date, run_id)), None) if date else None
    if date is None or path is None:
        msg = f"there is no run {run_id!r}: expected its sample files below {output}/samples"
        raise TablesError(msg)
    record = run_files.read_shard_record(path)
    _check_same_scoring(config, record, run_id, path)
    _check_columns(config, path)
    prints = (record.config_fingerprint, record.model_fingerprint, record.scoring, record.transform_fingerprint)
    return Run(output, date, run_id, *prints), record


def _check_same_scoring(config: Config, record: ShardRecord, run_id: str, path: str) -> None:
    """Hold that the config is the run's, but for the slice features, which may be fewer."""
    then, now = json.loads(record.scoring), json.loads(config.scoring)
    ours = {**now, tables.SLICE_FEATURES: then.get(tables.SLICE_FEATURES)}
    if differs := config_difference.summary(record.scoring, json.dumps(ours)):
        msg = (
            f"run {run_id!r} was scored with another config: {differs} (see {path}). Summarize with the config it "
            "was scored with, or evaluate with another --run-id"
        )
        raise TablesError(msg)


def _check_columns(config: Config, path: str) -> None:
    """Hold that every slice feature has its column in the sample files."""
    names = parquet_reading.footer(path).schema.names
    there = [name for name in names if name not in tables.RESERVED]
    columns = tables.slice_columns(config.slice_features)
    missing = [feature for feature, column in zip(config.slice_features, columns, strict=True) if column not in there]
    if missing:
        msg = (
            f"slices: {missing} was not read when the run was scored: its sample files have the slice columns "
            f"{there}. Leave it out, or evaluate with another --run-id"
        )
        raise ConfigError(msg)


def _expected_shards(config: Config, run: Run, row: dict[str, Any] | None) -> int:
    """How many shards the run has: those of the examples, or of its `runs` row where these are gone."""
    try:
        found = find_shards.find(config.examples)
    except (ConfigError, StorageError, OSError) as error:
        if row is None:
            msg = (
                f"nobody knows how many shards run {run.run_id!r} has: it has no row in `runs`, and its examples "
                f"cannot be listed: {error}"
            )
            raise TablesError(msg) from error
        held = run_files.read_all(run_files.sample_paths(run))
        scored = shard_ranges.count_whole(record for _, records in held for record in records)
        if scored != row["shards"]:
            msg = (
                f"expected the samples of {row['shards']} shards in {run.folder('samples')}, as in `runs`, but it has "
                f"those of {scored}"
            )
            raise AccountingError(msg) from error
        return scored
    begun_with.check(run, (shard.path for shard in found))
    missing, _ = find_shards.split(found, run, more=False)
    if missing:
        msg = (
            f"run {run.run_id!r} is not finished: {len(missing)} of {len(found)} shards are not scored whole yet, "
            f"such as {missing[0].path}"
        )
        raise UnfinishedRunError(msg)
    return len(found)


def _config_json(config: Config, row: dict[str, Any] | None) -> str:
    """The config that scored the run, with the keys that this summary decides; keys nobody knows are left out."""
    ours = config.with_foreground.model_dump(mode="json")
    if row:
        known = {**json.loads(row["config"]), **{key: ours[key] for key in OF_THE_TABLES}}
    else:
        known = {key: value for key, value in ours.items() if key not in _UNKNOWN}
        known["input"] = {key: value for key, value in ours["input"].items() if key != "transform"}
    return json.dumps(known, separators=(",", ":"), ensure_ascii=False)
