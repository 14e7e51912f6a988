"""The groups of a run and of its baseline that the gate looks at: from their tables, or from their samples again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...components.gate import baselines, check_items, estimates_from_samples, estimates_of_tables, slice_members
from ...components.gate.estimates import Estimates
from ...components.gate.estimates_from_samples import EstimateSettings, EstimatesOfSamples, Ids
from ...components.gate.slice_members import Moved
from ...components.runs import run_tables
from ...components.runs.run_tables import FinishedRun
from ...schemas.config.config import Config
from ...schemas.errors import DamagedError
from ...schemas.slices import ALL
from ..plans import table_settings


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared.

    unlike: why the baseline cannot be compared with after all. common: samples that were compared, where not all were;
    lost and added are samples that only the baseline, or only the run has. moved: by slice, those that are in another
    slice or cluster in the baseline.
    """

    now: Estimates
    before: Estimates | None
    unlike: str | None = None
    common: int | None = None
    lost: int = 0
    added: int = 0
    moved: Mapping[str, Moved] = field(default_factory=dict)


def compare(
    config: Config, tonight: FinishedRun, before: FinishedRun | None, tell: Callable[[str], None]
) -> Comparison:
    """Read what the checks need of a run, and of its baseline if there is one.

    The tables are enough where both runs have scored the same data and their tables were made by this config; else
    the samples of both are read again.
    """
    runs = [tonight] if before is None else [tonight, before]
    if before is not None and not baselines.same_data(tonight.row, before.row):
        return _on_common_samples(config, tonight, before, tell)
    found = _on_all_samples(config, runs, tell)
    if before is None or baselines.same_slices(tonight.row, before.row):
        return found
    return replace(found, moved=_moved(config, tonight, before, tell))


def _on_all_samples(config: Config, runs: Sequence[FinishedRun], tell: Callable[[str], None]) -> Comparison:
    """A run, and its baseline where there are two."""
    if all(table_settings.made_by(config, past.row) for past in runs):
        groups = [estimates_of_tables.read(config.gate, past.run, config.foreground_ids) for past in runs]
        if len(runs) == 1 or not config.bootstrap.replicates or _all_replicates(groups):
            return _of_all(groups)
        tell("reading the samples again: the tables have no replicates of some slices (bootstrap.keep_slices)")
    else:
        tell(
            "reading the samples again: the tables were made with other slices, foreground, cluster or bootstrap, "
            "or by another version"
        )
    return _of_all([_of_all_samples(config, past) for past in runs])


def _of_all(groups: Sequence[Estimates]) -> Comparison:
    return Comparison(groups[0], groups[1] if len(groups) > 1 else None)


def _moved(
    config: Config, tonight: FinishedRun, before: FinishedRun, tell: Callable[[str], None], common: Ids | None = None
) -> Mapping[str, Moved]:
    """The slices, of those that the checks are about, that do not hold the same samples and clusters in both runs."""
    if config.cluster is None and all(check.slice == ALL for check in config.gate.checks):
        return {}
    if common is None:
        tell("reading the slices of the samples again: the runs are labelled otherwise, or the row of one does not say")
    return slice_members.moved(tonight.run, before.run, _settings(config, tonight), common)


def _of_all_samples(config: Config, past: FinishedRun) -> Estimates:
    found = estimates_from_samples.estimate(past.run, _settings(config, past))
    if past.row["digest"] not in (None, found.rows):
        msg = (
            f"expected samples of the digest {past.row['digest']} in {past.run.folder('samples')}, as the row of run "
            f"{past.run_id!r} says, but they have {found.rows}: files were put in the place of others; delete what is "
            f"not the run's, and evaluate again with --run-id {past.run_id}"
        )
        raise DamagedError(msg)
    return found.groups


def _on_common_samples(
    config: Config, tonight: FinishedRun, before: FinishedRun, tell: Callable[[str], None]
) -> Comparison:
    settings = _settings(config, tonight)
    tell("reading the samples of both runs: only those that both have are compared")
    ids = [estimates_from_samples.ids_of(past.run, len(settings.classes.ids)) for past in (tonight, before)]
    common = estimates_from_samples.common_ids(ids)
    now, then = (estimates_from_samples.estimate(past.run, settings, common) for past in (tonight, before))
    unlike = _other_masks(now, then)
    lost, added = len(ids[1]) - len(common), len(ids[0]) - len(common)
    moved = {} if unlike else _moved(config, tonight, before, tell, common)
    return Comparison(now.groups, None if unlike else then.groups, unlike, len(common), lost, added, moved)


def _other_masks(now: EstimatesOfSamples, then: EstimatesOfSamples) -> str | None:
    if not now.samples:
        return "the runs have no sample in common"
    if now.data != then.data:
        return f"the true masks are not the same for the {now.samples:,} samples that both runs have"
    return None


def _all_replicates(groups: Sequence[Estimates]) -> bool:
    return all(group.replicates is not None for of_run in groups for group in of_run.values())


def _settings(config: Config, past: FinishedRun) -> EstimateSettings:
    settings = table_settings.summary_settings(config, past.run, run_tables.scored_classes(past.run))
    return EstimateSettings(
        classes=settings.classes,
        specs=settings.specs,
        bootstrap=settings.bootstrap,
        cluster=settings.cluster,
        wanted=lambda name: name in check_items.wanted(config.gate, [name]),
    )
