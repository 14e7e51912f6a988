"""From a config to the settings of the tables: slices, classes, foreground."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...components.runs import past_foreground
from ...components.runs.run_files import Run
from ...components.statistics.slicing import SliceFeature, SliceSpec
from ...components.summary.slice_rows import ClassSettings
from ...components.summary.slice_state import BootstrapSettings
from ...components.summary.summarize import SummarySettings
from ...schemas import tables
from ...schemas.config.config import OF_THE_TABLES, Config
from ...schemas.errors import ConfigError

_OF_THE_GROUPS = tuple(key for key in OF_THE_TABLES if key not in ("max_failed_fraction", "foreground"))
"""Config keys that decide what tables have, the foreground apart, which an older version did not name."""


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
    """Refuse foreground classes that are not scored; of those that were guessed one must be.

    Raises:
        ConfigError: naming them, and the classes that are.
    """
    unscored = [config.classes[i] for i in config.foreground_ids if i not in scored]
    if unscored and (config.foreground is not None or len(unscored) == len(config.foreground_ids)):
        names = [config.classes[i] for i in scored]
        todo = "" if config.foreground else "; one sigmoid channel is of the second class: put the background first"
        msg = f"foreground: {unscored} has no channel in the model's output; only {names} is scored{todo}"
        raise ConfigError(msg)


def made_by(config: Config, row: Mapping[str, Any]) -> bool:
    """Whether a config makes the tables that a run has, by the formulas of today; by its `runs` row."""
    then, now = json.loads(row["config"]), config.with_foreground.model_dump(mode="json")
    same = all(then.get(key) == now[key] for key in _OF_THE_GROUPS)
    same = same and row["summary_version"] == tables.SUMMARY_VERSION
    return same and list(past_foreground.of(row)) == now["foreground"]
