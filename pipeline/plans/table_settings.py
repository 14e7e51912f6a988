"""From a config to the settings of the tables: slices, classes, foreground."""

from collections.abc import Collection, Sequence

from ...components.runs.run_files import Run
from ...components.statistics.slicing import SliceFeature, SliceSpec
from ...components.summary.slice_rows import ClassSettings
from ...components.summary.slice_state import BootstrapSettings
from ...components.summary.summarize import SummarySettings
from ...schemas import tables
from ...schemas.config.config import Config
from ...schemas.errors import ConfigError


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
    """Refuse foreground classes that are not scored.

    Raises:
        ConfigError: naming them, and the classes that are.
    """
    unscored = [name for name in config.foreground or () if config.classes.index(name) not in scored]
    if unscored:
        names = [config.classes[i] for i in scored]
        msg = f"foreground: {unscored} has no channel in the model's output; only {names} is scored"
        raise ConfigError(msg)
