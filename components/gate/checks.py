"""The gate's checks, decided: a run held against absolute limits, and against a baseline with a margin.

A drop is REGRESSED where it is beyond the margin and significant after Holm's correction over all differences of the
gate, a PASS where the whole 95 % interval of the difference lies within the margin, and INCONCLUSIVE otherwise. What is
missing is never a PASS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...schemas import verdict as verdicts
from ...schemas.config.gate import LOWER_IS_BETTER, OF_THE_RUN, GateConfig, rises
from ...schemas.verdict import RULES, USUAL_RULE, CheckVerdict, EmptyMaskRule
from ..statistics import paired_differences, tolerance
from ..statistics.paired_differences import ALPHA, Difference
from . import check_items
from . import check_messages as messages
from .check_items import Item
from .estimates import Estimates, Group


@dataclass(frozen=True, slots=True)
class Compared:
    """A run and its baseline.

    before: None where there is none to compare with; `unlike` is then the verdict of what needs it, and `why` says why.
    of_run, of_run_before: the metrics of the whole runs, None where they were not measured.
    """

    now: Estimates
    before: Estimates | None
    of_run: Mapping[str, float | None]
    of_run_before: Mapping[str, float | None]
    unlike: str = verdicts.NO_BASELINE
    why: str = "there is no baseline"


def decide(gate: GateConfig, compared: Compared, rule: str = USUAL_RULE) -> tuple[CheckVerdict, ...]:
    """The verdict of every check, under one rule for absent classes."""
    items = check_items.items(gate, compared.now, compared.before)
    first = [_first_look(item, gate, compared, RULES[rule]) for item in items]
    found = [look for look in first if isinstance(look, _Tested)]
    corrected = iter(paired_differences.holm([look.difference.p_value for look in found]))
    return tuple(_judged(look, next(corrected), len(found)) if isinstance(look, _Tested) else look for look in first)


def sensitive(gate: GateConfig, compared: Compared) -> dict[str, tuple[CheckVerdict, ...]]:
    """The checks under each rule; those whose verdict another rule would change say so in their message."""
    found = {rule: decide(gate, compared, rule) for rule in RULES}
    found[USUAL_RULE] = tuple(
        replace(check, message=check.message + messages.depends({r: found[r][i].verdict for r in RULES}))
        for i, check in enumerate(found[USUAL_RULE])
    )
    return found


@dataclass(frozen=True, slots=True)
class _Tested:
    """A difference whose p-value is one of the family."""

    verdict: CheckVerdict
    difference: Difference


def _first_look(item: Item, gate: GateConfig, compared: Compared, rule: EmptyMaskRule) -> CheckVerdict | _Tested:
    """All that can be said before the p-values of the others are known."""
    if item.check.metric in OF_THE_RUN:
        return _of_the_run(item, compared)
    now = check_items.group_of(item, compared.now)
    if item.missing or now is None:
        return _made(item, verdicts.INVALID, f"{messages.subject(item)}: {item.missing or messages.not_in_run(item)}")
    if not item.relative:  # of a value that was chosen under the rule of the tables
        known = _made(item, verdicts.PASS, "", now.values[item.check.metric])
        return _too_few(item, gate, now, now.units(item.check.metric), known) or _absolute(item, known)
    metric = rule.metric(item.check.metric)
    before = check_items.group_of(item, compared.before) if compared.before else None
    if before is None:
        unlike, why = (
            (verdicts.INVALID, messages.not_in_baseline(item)) if compared.before else (compared.unlike, compared.why)
        )
        return _made(item, unlike, f"{messages.subject(item)}: {why}", now.values[metric])
    known = _made(item, verdicts.PASS, "", now.values[metric], before.values[metric], _units(now, before, metric))
    # by the check's own metric: a rule for empty masks does not make few samples many
    few = _too_few(item, gate, now, _units(now, before, item.check.metric), known)
    return _tested(item, known, (now, before), metric) if few is None else _with_difference(few, now, before, metric)


def _units(now: Group, before: Group, metric: str) -> int:
    return min(now.units(metric), before.units(metric))


def _too_few(item: Item, gate: GateConfig, group: Group, units: int, known: CheckVerdict) -> CheckVerdict | None:
    """The verdict of too few samples (or clusters) to judge by; None where they are enough."""
    least = item.check.min_samples or gate.min_samples
    if units >= least:
        return None
    verdict = verdicts.SKIPPED if item.check.too_few == "skip" else verdicts.INCONCLUSIVE
    return replace(known, verdict=verdict, message=messages.too_few(item, units, least, group.clusters))


def _with_difference(few: CheckVerdict, now: Group, before: Group, metric: str) -> CheckVerdict:
    """The verdict of too few samples with what they say all the same: it is no test, and none of the family."""
    found = apart(now, before, metric)
    if found is None:
        return few
    low, high = found.interval
    least = _detectable(few, found, 1)
    message = few.message + messages.find_all_the_same(few.metric, least)
    return replace(few, difference=found.value, low=low, high=high, minimum_detectable_drop=least, message=message)


def _tested(item: Item, known: CheckVerdict, groups: tuple[Group, Group], metric: str) -> CheckVerdict | _Tested:
    """The difference, or why there is none."""
    now, before = groups
    if now.replicates is None or before.replicates is None:
        return replace(known, verdict=verdicts.INVALID, message=messages.no_replicates(item))
    found = apart(now, before, metric)
    if found is None:
        return replace(known, verdict=verdicts.INVALID, message=messages.undefined(item))
    return _Tested(known, found)


def apart(now: Group, before: Group, metric: str) -> Difference | None:
    """How far a metric of two groups is apart; None where it cannot be said."""
    if now.replicates is None or before.replicates is None:
        return None
    values, drawn = (now.values[metric], before.values[metric]), (now.replicates[metric], before.replicates[metric])
    found = paired_differences.difference(*values, *drawn, _units(now, before, metric))
    return paired_differences.of_rates(found) if found and metric in LOWER_IS_BETTER else found


def _made(
    item: Item,
    verdict: str,
    message: str,
    value: float | None = None,
    baseline: float | None = None,
    n_pairs: int | None = None,
) -> CheckVerdict:
    return CheckVerdict(
        metric=item.check.metric,
        slice=item.slice,
        class_id=item.class_id,
        class_name=item.class_name,
        limit_name=item.limit,
        threshold=item.threshold,
        verdict=verdict,
        message=message,
        value=defined(value),
        baseline=defined(baseline),
        n_pairs=n_pairs if item.relative else None,
    )


def defined(value: float | None) -> float | None:
    """A value, or None where it is NaN."""
    return None if value is None or np.isnan(value) else float(value)


def _absolute(item: Item, known: CheckVerdict) -> CheckVerdict:
    if known.value is None:
        return replace(known, verdict=verdicts.INVALID, message=messages.undefined(item))
    ends = (item.threshold, known.value) if item.limit == "min" else (known.value, item.threshold)
    outside = tolerance.beyond(*ends)
    verdict = verdicts.OUT_OF_BOUNDS if outside else verdicts.PASS
    return replace(known, verdict=verdict, message=messages.absolute(item, known.value, outside=outside))


def _of_the_run(item: Item, compared: Compared) -> CheckVerdict:
    """A metric of the whole run, compared as it is."""
    value = compared.of_run.get(item.check.metric)
    if item.relative and compared.before is None:
        return _made(item, compared.unlike, f"{messages.subject(item)}: {compared.why}", value)
    baseline = compared.of_run_before.get(item.check.metric) if item.relative else None
    known = _made(item, verdicts.PASS, "", value, baseline)
    if value is None or (item.relative and baseline is None):
        return replace(known, verdict=verdicts.INCONCLUSIVE, message=messages.not_measured(item))
    if not item.relative:
        return _absolute(item, known)
    change = value - (baseline or 0.0)
    worse = change if rises(item.check.metric) else -change
    verdict = verdicts.REGRESSED if tolerance.beyond(worse, item.threshold) else verdicts.PASS
    return replace(known, verdict=verdict, difference=change, message=messages.change_of_run(item, change, worse))


def _judged(look: _Tested, p_value: float, family: int) -> CheckVerdict:
    """The verdict of a difference, now that its corrected p-value is known."""
    known, found = look.verdict, look.difference
    low, high = found.interval
    sign = -1 if rises(known.metric) else 1
    change, worst = sign * found.value, min(sign * low, sign * high)
    significant = p_value < ALPHA
    if tolerance.beyond(-change, known.threshold) and significant:
        verdict = verdicts.REGRESSED
    elif not tolerance.beyond(-worst, known.threshold):
        verdict = verdicts.PASS
    else:
        verdict = verdicts.INCONCLUSIVE
    judged = replace(
        known,
        verdict=verdict,
        difference=found.value,
        low=low,
        high=high,
        p_value=p_value,
        minimum_detectable_drop=_detectable(known, found, family),
        improved=change > 0 and significant,
    )
    return replace(judged, message=messages.relative(judged))


def _detectable(known: CheckVerdict, found: Difference, family: int) -> float | None:
    """The least change that would be found; every metric with replicates is of [0, 1], and can leave it for no drop."""
    baseline = 0.0 if known.baseline is None else known.baseline
    room = 1 - baseline if rises(known.metric) else baseline
    return paired_differences.minimum_detectable(found, known.threshold, family, room)


def overall(checks: Sequence[CheckVerdict], drift: Sequence[CheckVerdict] = (), *, valid: bool) -> str:
    """The verdict of a run: the worst of its checks', INVALID where the run itself is not valid.

    Checks of the data can make it worse, where they decide, and never better: where those of the model have looked at
    nothing, data that did not change are no PASS.
    """
    of_the_data = [check.verdict for check in drift if check.decides]
    of_the_model = verdicts.worst(check.verdict for check in checks)
    return verdicts.worst([of_the_model, *of_the_data] + [verdicts.INVALID] * (not valid))
