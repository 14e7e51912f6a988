"""The gate's checks, decided: a run held against absolute limits, and against a baseline with a margin.

`judge` says which verdict a difference has. What is missing is never a PASS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...schemas import verdict as verdicts
from ...schemas.config.gate import OF_THE_RUN, GateConfig, rises
from ...schemas.verdict import RULES, USUAL_RULE, CheckVerdict, EmptyMaskRule
from ..statistics import paired_differences, tolerance
from . import check_items, differences, judge
from . import check_messages as messages
from .check_items import Item
from .estimates import Estimates, Group
from .judge import Part, Tested
from .slice_members import Moved


@dataclass(frozen=True, slots=True)
class Compared:
    """A run and its baseline.

    before: None where there is none to compare with; `unlike` is then the verdict of what needs it, and `why` says why.
    of_run, of_run_before: the metrics of the whole runs, None where they were not measured.
    same_model: whether one model, with one transform, scored both.
    moved: by slice, the samples that are in another slice or cluster in the baseline.
    """

    now: Estimates
    before: Estimates | None
    of_run: Mapping[str, float | None]
    of_run_before: Mapping[str, float | None]
    unlike: str = verdicts.NO_BASELINE
    why: str = "there is no baseline"
    same_model: bool = False
    moved: Mapping[str, Moved] = field(default_factory=dict)


def decide(gate: GateConfig, compared: Compared, rule: str = USUAL_RULE) -> tuple[CheckVerdict, ...]:
    """The verdict of every check, under one rule for absent classes."""
    items = check_items.items(gate, compared.now, compared.before)
    first = [_first_look(item, gate, compared, RULES[rule]) for item in items]
    corrected = _corrected([look for look in first if isinstance(look, Tested)])
    return tuple(judge.judged(look, corrected) if isinstance(look, Tested) else look for look in first)


def _corrected(tested: Sequence[Tested]) -> judge.Corrected:
    """The p-values after Holm's correction, each difference once.

    The classes of a foreground mean that have no check of their own are a family beside that of the checks: they can
    only make a verdict worse, and a foreground alone is found as easily as without them.
    """
    asked = {look.place: look.difference.p_value for look in tested}
    also = {part.place: part.difference.p_value for look in tested for part in look.parts if part.place not in asked}
    return judge.Corrected(
        {
            place: p_value
            for family in (asked, also)
            for place, p_value in zip(family, paired_differences.holm([*family.values()]), strict=True)
        },
        len(asked),
    )


def sensitive(gate: GateConfig, compared: Compared) -> dict[str, tuple[CheckVerdict, ...]]:
    """The checks under each rule; those whose verdict another rule would change say so in their message."""
    found = {rule: decide(gate, compared, rule) for rule in RULES}
    found[USUAL_RULE] = tuple(
        replace(check, message=check.message + messages.depends({r: found[r][i].verdict for r in RULES}))
        for i, check in enumerate(found[USUAL_RULE])
    )
    return found


def _first_look(item: Item, gate: GateConfig, compared: Compared, rule: EmptyMaskRule) -> CheckVerdict | Tested:
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
    known = _made(
        item, verdicts.PASS, "", now.values[metric], before.values[metric], differences.units(now, before, metric)
    )
    if moved := compared.moved.get(item.slice):
        return replace(known, verdict=verdicts.INVALID, message=messages.moved(item, moved))
    # by the check's own metric: a rule for empty masks does not make few samples many
    few = _too_few(item, gate, now, differences.units(now, before, item.check.metric), known)
    groups = now, before, metric
    return _tested(item, known, groups, compared) if few is None else _with_difference(few, groups, compared)


def _too_few(item: Item, gate: GateConfig, group: Group, units: int, known: CheckVerdict) -> CheckVerdict | None:
    """The verdict of too few samples (or clusters) to judge by; None where they are enough."""
    least = item.check.min_samples or gate.min_samples
    if units >= least:
        return None
    verdict = verdicts.SKIPPED if item.check.too_few == "skip" else verdicts.INCONCLUSIVE
    return replace(known, verdict=verdict, message=messages.too_few(item, group, units, least))


def _with_difference(few: CheckVerdict, groups: tuple[Group, Group, str], compared: Compared) -> CheckVerdict:
    """The verdict of too few samples with what they say all the same: it is no test, and none of the family."""
    found = differences.apart(*groups, same_model=compared.same_model)
    if found is None:
        return few
    low, high = found.interval
    least = judge.detectable(few, found, 1)
    message = few.message + messages.find_all_the_same(few.metric, least)
    return replace(few, difference=found.value, low=low, high=high, minimum_detectable_drop=least, message=message)


def _tested(
    item: Item, known: CheckVerdict, groups: tuple[Group, Group, str], compared: Compared
) -> CheckVerdict | Tested:
    """The difference, or why there is none."""
    now, before, metric = groups
    if now.replicates is None or before.replicates is None:
        return replace(known, verdict=verdicts.INVALID, message=messages.no_replicates(item))
    found = differences.apart(*groups, same_model=compared.same_model)
    if found is None:
        return replace(known, verdict=verdicts.INVALID, message=messages.undefined(item))
    parts = []
    for own, theirs in differences.members(*groups):
        of_class = differences.apart(own, theirs, metric, same_model=compared.same_model)
        if of_class is None:
            return replace(known, verdict=verdicts.INVALID, message=messages.undefined(item, own.class_name))
        parts.append(Part((metric, item.slice, own.class_id), own.class_name, of_class))
    return Tested(known, (metric, item.slice, item.class_id), found, tuple(parts), now.unit)


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


def overall(checks: Sequence[CheckVerdict], drift: Sequence[CheckVerdict] = (), *, valid: bool) -> str:
    """The verdict of a run: the worst of its checks', INVALID where the run itself is not valid.

    Checks of the data can make it worse, where they decide, and never better: where those of the model have looked at
    nothing, data that did not change are no PASS.
    """
    of_the_data = [check.verdict for check in drift if check.decides]
    of_the_model = verdicts.worst(check.verdict for check in checks)
    return verdicts.worst([of_the_model, *of_the_data] + [verdicts.INVALID] * (not valid))
