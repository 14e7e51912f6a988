"""From a config and a finished run to the gate's verdict of it: no model, no inference, no TensorFlow."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...components.gate import baselines, drift_messages, estimates, headline, never_passes
from ...components.gate import checks as gate_checks
from ...components.gate.checks import Compared
from ...components.runs import accounting, held_samples, latest_run, run_files, run_tables
from ...components.runs.run_tables import FinishedRun, RunName
from ...components.storage import filesystems
from ...schemas import slices
from ...schemas.config.config import NOT_SCORING, Config
from ...schemas.errors import ConfigError, TablesError
from ...schemas.slices import ALL, ANY
from ...schemas.verdict import INVALID, CheckVerdict, GateVerdict
from ..runner import options as runner_options
from . import baseline_run, comparison, drift
from .comparison import Comparison


@dataclass(frozen=True, slots=True)
class Gated:
    """A run and the gate's verdict of it."""

    past: FinishedRun
    verdict: GateVerdict


def check_config(config: Config) -> None:
    """Refuse a config that has nothing to gate by, before anything runs.

    Raises:
        ConfigError: if there are no checks, or if one is of a slice that no slice spec can make.
    """
    if not config.gate.checks:
        msg = (
            "gate: expected checks, but there are none; write for example "
            "gate: {checks: [{metric: dice_mean, class: foreground, max_drop: 0.01}]}"
        )
        raise ConfigError(msg)
    shapes = [slices.encode([(part.feature, ANY) for part in spec]) for spec in config.slices]
    anything = "[^/]*"  # a value has no raw slash
    possible = [re.compile(anything.join(map(re.escape, shape.split(ANY)))) for shape in shapes]
    for place, check in enumerate(config.gate.checks):
        if check.slice not in (ALL, ANY) and not any(shape.fullmatch(check.slice) for shape in possible):
            msg = (
                f"gate.checks.{place}.slice: expected {', '.join(map(repr, (ALL, ANY, *shapes)))}, or values in the "
                f"place of the stars, as `slices` has them, but got {check.slice!r}"
            )
            raise ConfigError(msg)


def find_run(config: Config, run_id: str | None, flags: Sequence[str]) -> tuple[FinishedRun, list[RunName]]:
    """A finished run, without an id the last one of status done, and the names of all of them.

    Raises:
        TablesError: if there is none, if its row is damaged, if it is the last one and its row is not there now, or if
            an id stands under two dates.
        ClockError: if the last one was finished at a time that is still to come, so that nobody knows whether it is the
            last one.
    """
    filesystems.use_options(runner_options.pipeline_options(flags))
    output = filesystems.absolute(config.output)
    names = run_tables.listed(output)
    if run_id is None:
        found = latest_run.latest(output, names)
    else:
        found = run_tables.read_named(output, names, run_files.check_run_id(run_id))
    if found is None or not found.stands:
        what = f"a finished run {run_id!r}" if run_id else "a finished run"
        raise TablesError(f"expected {what} in {output}/runs, but there is none; evaluate first")
    if run_id is None:
        run_tables.check_finished(found, datetime.now(UTC))
    return found, names


def decide(
    config: Config,
    run_id: str | None,
    baseline: str | None = None,
    flags: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Gated:
    """The verdict of a run; nothing is written.

    Args:
        config: with the gate's checks.
        run_id: of the run, None for the one of status done that finished last; what finished later is said.
        baseline: `blessed`, `previous` or a run id, in place of the config's.
        flags: Beam's, of which storage options are used.
        tell: is told of long work, and of runs that finished later than the one that is judged.

    Raises:
        ConfigError: if there are no checks.
        TablesError: if there is no such finished run, another config scored it, or the config has checks of the data
            and these were not analyzed; or if the log of blessings is damaged.
        DamagedError: if a file that is read is damaged, or that of another run, or a sample file is lost or foreign.
        ClockError: if what decides which run is the baseline is of a time that is still to come.
    """
    check_config(config)
    tonight, names = find_run(config, run_id, flags)
    passed_over = _said(latest_run.passed_over(tonight, tonight.run.output, names) if run_id is None else None)
    for line in passed_over:
        tell(line)
    if config.fingerprint != tonight.row["config_fingerprint"]:
        differs = baselines.difference(tonight.row["config"], config.model_dump_json(), NOT_SCORING)
        msg = f"run {tonight.run_id!r} was scored with another config: {differs}. Gate it with the config of the run"
        raise TablesError(msg)
    held_samples.check(tonight)
    kind = baseline or config.gate.baseline
    before, why = baseline_run.find(config, kind, tonight, names)
    if before is not None:
        held_samples.check(before, may_be_gone=True)
    moved = drift.judge(config, tonight, before, why)
    unlike = [] if before is None else _unlike(config, tonight, before)
    found = comparison.compare(config, tonight, None if unlike else before, tell)
    if found.unlike:
        unlike = [found.unlike]
    relative = bool(moved) or any(check.relative for check in config.gate.checks)
    alone = [why] if before is None and relative else []
    decided = _verdict(config, (tonight, before), kind, found, unlike or alone, moved)
    return Gated(tonight, replace(decided, reasons=(*decided.reasons, *passed_over)))


def _unlike(config: Config, tonight: FinishedRun, before: FinishedRun) -> list[str]:
    return baselines.unlike(tonight.row, before.row, NOT_SCORING, common=config.gate.common_samples)


def _verdict(
    config: Config,
    runs: tuple[FinishedRun, FinishedRun | None],
    kind: str,
    found: Comparison,
    reasons: Sequence[str],
    moved: tuple[CheckVerdict, ...],
) -> GateVerdict:
    """The verdict; reasons say why there is no baseline to compare with, `moved` is what became of the data."""
    tonight, before = runs
    row, then = tonight.row, before.row if before else {}
    by_rule = gate_checks.sensitive(config.gate, _compared(tonight, before, found, reasons))
    valid = row["status"] == accounting.DONE
    verdicts = {rule: gate_checks.overall(checks, moved, valid=valid) for rule, checks in by_rule.items()}
    usual, *_ = verdicts.values()
    checks, between = next(iter(by_rule.values())), drift.between(tonight, before, found)
    scored = {class_id for _, class_id in found.now if class_id is not None}
    never = _never(config, found, before)
    nowhere = _said(headline.in_no_mask(found.now, config.foreground_ids))
    return GateVerdict(
        verdict=usual,
        run_id=tonight.run_id,
        eval_date=tonight.run.eval_date,
        baseline_kind=kind,
        baseline_run_id=before.run_id if before else None,
        decided=datetime.now(UTC),
        status=row["status"],
        model=row["model"],
        baseline_model=then.get("model"),
        records=row["records"],
        scored=row["scored"],
        failed=row["failed"],
        checks=drift.beside(checks, moved, between),
        headline=headline.headline(found.now, found.before, verdicts),
        reasons=(*_invalid(config, row), *reasons, *never, *_rule(verdicts), *_transforms(row, then), *nowhere),
        common_samples=found.common,
        lost=found.lost,
        added=found.added,
        drift=moved,
        drift_says=drift_messages.says(moved, checks, between),
        foreground=tuple(config.classes[i] for i in config.foreground_ids if i in scored),
        foreground_says=config.foreground_says(scored),
    )


def _compared(tonight: FinishedRun, before: FinishedRun | None, found: Comparison, reasons: Sequence[str]) -> Compared:
    then = before.row if before else {}
    compared = Compared(
        found.now,
        found.before,
        estimates.of_the_run(tonight.row),
        estimates.of_the_run(then),
        same_model=before is not None and baselines.same_model(tonight.row, then),
        moved=found.moved,
    )
    if reasons:
        compared = replace(compared, why="; ".join(reasons))
    return replace(compared, unlike=INVALID) if reasons and before is not None else compared


def _invalid(config: Config, row: Mapping[str, Any]) -> list[str]:
    if row["status"] == accounting.DONE:
        return []
    return [f"the run's status is {row['status']}: {accounting.why_invalid(row, config.max_failed_fraction)}"]


def _never(config: Config, found: Comparison, before: FinishedRun | None) -> Sequence[str]:
    """What cannot pass, of a run without a baseline: of one that is compared each check says it."""
    return never_passes.reasons(config.gate, found.now, config.bootstrap.replicates) if before is None else ()


def _rule(verdicts: Mapping[str, str]) -> list[str]:
    return _said(headline.depends(verdicts))


def _said(text: str | None) -> list[str]:
    return [] if text is None else [text]


def _transforms(row: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    return _said(baselines.other_transform(row, then)) if then else []
