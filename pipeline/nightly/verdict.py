"""From a config and a finished run to the gate's verdict of it: no model, no inference, no TensorFlow."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...components.gate import baselines, drift_messages, estimates, headline
from ...components.gate import checks as gate_checks
from ...components.gate.checks import Compared
from ...components.runs import accounting, last_run, run_files, run_tables
from ...components.runs.run_tables import FinishedRun, RunName
from ...components.storage import filesystems
from ...components.verdict import blessing
from ...schemas import slices
from ...schemas.config.config import NOT_SCORING, Config
from ...schemas.errors import ConfigError, TablesError
from ...schemas.slices import ALL, ANY
from ...schemas.verdict import INVALID, CheckVerdict, GateVerdict
from ..runner import options as runner_options
from . import comparison, drift
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
    """A finished run, the last valid one without an id, and the names of all of them.

    Raises:
        TablesError: if there is none, its row is damaged, or it is the last one and hidden.
    """
    filesystems.use_options(runner_options.pipeline_options(flags))
    output = filesystems.absolute(config.output)
    names = run_tables.listed(output)
    found = _last(output, names) if run_id is None else _named(output, names, run_files.check_run_id(run_id))
    if found is None:
        what = f"a finished run {run_id!r}" if run_id else "a finished run"
        raise TablesError(f"expected {what} in {output}/runs, but there is none; evaluate first")
    return found, names


def _named(output: str, names: Sequence[RunName], run_id: str) -> FinishedRun | None:
    name = run_tables.named(names, run_id)
    found = None if name is None else run_tables.read_row(output, name)
    return found if found and found.stands else None


def _last(output: str, names: Sequence[RunName]) -> FinishedRun | None:
    """The valid run that finished last; what is damaged or hidden is never passed over for an older one."""
    found = last_run.find(output, names, lambda past: bool(past.row["status"] == accounting.DONE))
    if found is None and names:
        msg = (
            f"none of the {len(names)} finished runs in {output}/runs is valid; to judge one of them, give its --run-id"
        )
        raise TablesError(msg)
    if found is not None and not found.stands:
        raise TablesError(f"the last run is {baselines.not_there(found.run_id)}")
    return found


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
        run_id: of the run, None for the one that finished last.
        baseline: `blessed`, `previous` or a run id, in place of the config's.
        flags: Beam's, of which storage options are used.
        tell: is told of long work.

    Raises:
        ConfigError: if there are no checks.
        TablesError: if there is no such finished run, another config scored it, or the config has checks of the data
            and these were not analyzed.
    """
    check_config(config)
    tonight, names = find_run(config, run_id, flags)
    if config.fingerprint != tonight.row["config_fingerprint"]:
        differs = baselines.difference(tonight.row["config"], config.model_dump_json(), NOT_SCORING)
        msg = f"run {tonight.run_id!r} was scored with another config: {differs}. Gate it with the config of the run"
        raise TablesError(msg)
    kind = baseline or config.gate.baseline
    before, why = _baseline(config, kind, tonight, names)
    moved = drift.judge(config, tonight, before, why)
    unlike = [] if before is None else _unlike(config, tonight, before)
    found = comparison.compare(config, tonight, None if unlike else before, tell)
    if found.unlike:
        unlike = [found.unlike]
    relative = bool(moved) or any(check.relative for check in config.gate.checks)
    alone = [why] if before is None and relative else []
    return Gated(tonight, _verdict(config, (tonight, before), kind, found, unlike or alone, moved))


def _baseline(
    config: Config, kind: str, tonight: FinishedRun, names: Sequence[RunName]
) -> tuple[FinishedRun | None, str]:
    """The baseline, and if there is none, why. Of all rows only those are read that may be of it."""
    output, common = tonight.run.output, config.gate.common_samples
    blessed = [each.run_id for each in blessing.listed(output)] if kind == baselines.BLESSED else []
    try:
        if kind == baselines.PREVIOUS:
            found = last_run.find(output, names, *baselines.previous(tonight, common=common))
        else:
            chosen = (
                kind if kind != baselines.BLESSED else next((each for each in blessed if each != tonight.run_id), "")
            )
            name = run_tables.named(names, chosen)
            found = None if name is None else run_tables.read_row(output, name)
    except TablesError as error:  # of the baseline, or of what may be it
        return None, str(error)
    runs, hidden = ([past for past in (found,) if past and past.stands is stands] for stands in (True, False))
    return baselines.find(kind, tonight, runs, blessed, hidden, common=common)


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
    compared = Compared(found.now, found.before, estimates.of_the_run(row), estimates.of_the_run(then))
    if reasons:
        compared = replace(compared, why="; ".join(reasons))
    if reasons and before is not None:
        compared = replace(compared, unlike=INVALID)
    by_rule = gate_checks.sensitive(config.gate, compared)
    valid = row["status"] == accounting.DONE
    verdicts = {rule: gate_checks.overall(checks, moved, valid=valid) for rule, checks in by_rule.items()}
    usual, *_ = verdicts.values()
    checks, between = next(iter(by_rule.values())), drift.between(tonight, before, found)
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
        reasons=(*_invalid(config, row), *reasons, *_said(headline.depends(verdicts)), *_transforms(row, then)),
        common_samples=found.common,
        lost=found.lost,
        added=found.added,
        drift=moved,
        drift_says=drift_messages.says(moved, checks, between),
    )


def _invalid(config: Config, row: Mapping[str, Any]) -> list[str]:
    if row["status"] == accounting.DONE:
        return []
    return [f"the run's status is {row['status']}: {accounting.why_invalid(row, config.max_failed_fraction)}"]


def _said(text: str | None) -> list[str]:
    return [] if text is None else [text]


def _transforms(row: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    return _said(baselines.other_transform(row, then)) if then else []
