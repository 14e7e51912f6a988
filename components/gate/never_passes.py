"""Checks that cannot pass with the data as they are, whatever the model does: said before a baseline is there.

Later nights say it of each check; on the first one all that needs a baseline has another verdict.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...schemas.config.gate import OF_THE_RUN, GateConfig
from ...schemas.slices import ALL
from ...schemas.verdict import INCONCLUSIVE, SKIPPED
from . import check_items, check_messages, checks
from .check_items import Item
from .checks import Compared
from .estimates import Estimates, Group

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Stuck:
    """A check of one class and slice that cannot pass.

    subject, why: what it is about, and what is in the way. todo: what a person can do, each by itself enough.
    share: the samples there are, as a fraction of those that it needs; the worst is the smallest.
    """

    subject: str
    why: str
    todo: tuple[str, ...]
    share: float = 1.0


def reasons(gate: GateConfig, now: Estimates, replicates: int) -> tuple[str, ...]:
    """What to say of a run without a baseline: one line for each thing that is in the way; empty where nothing is.

    Args:
        gate: with its checks.
        now: the groups of the run.
        replicates: `bootstrap.replicates`.
    """
    return tuple(f"{what}; {todo}" for what, todo in findings(gate, now, replicates))


def findings(gate: GateConfig, now: Estimates, replicates: int) -> list[tuple[str, str]]:
    """What is in the way, and what to do about it."""
    if not replicates and any(_tested(item) for item in check_items.items(gate, now, None)):
        return [check_messages.needs_replicates(), *of_counts(gate, now)]
    alike = _said(unproven(gate, now), check_messages.only_better)
    return _said(too_few(gate, now)) + alike + _nothing_left(gate, now)


def of_counts(gate: GateConfig, now: Estimates) -> list[tuple[str, str]]:
    """`findings` of groups whose numbers of samples alone are known."""
    return _said(too_few(gate, now)) + _nothing_left(gate, now)


def too_few(gate: GateConfig, now: Estimates) -> list[Stuck]:
    """Checks of fewer samples (or clusters) than `min_samples`, which are not skipped for it; each once."""
    found = {}
    for item, group in _with_groups(gate, now):
        units, least = group.units(item.check.metric), _least(item, gate)
        if units < least and item.check.too_few != "skip":
            subject = check_messages.subject(item)
            why = check_messages.fewer_samples(group, item.check.metric, units, least)
            todo = ("lower min_samples", "set too_few: skip", *_leave_out(item))
            found[subject, least] = Stuck(subject, why, todo, units / least)
    return list(found.values())


def unproven(gate: GateConfig, now: Estimates) -> list[Stuck]:
    """Checks of enough samples that would not pass another model that gave the same: a margin too narrow for so few.

    Groups without replicates are left out: nothing is known of them.
    """
    own = {place: group for place, group in now.items() if group.replicates is not None}
    items = check_items.items(gate, own, own)
    found = []
    for item, check in zip(items, checks.decide(gate, Compared(own, own, {}, {})), strict=True):
        group = check_items.group_of(item, own)
        if not _tested(item) or group is None or check.verdict != INCONCLUSIVE:
            continue
        if group.units(item.check.metric) >= _least(item, gate):
            why = check_messages.not_ruled_out(check, group.unit)
            found.append(Stuck(check_messages.subject(item), why, (f"widen {item.limit}", *_leave_out(item))))
    return found


def _with_groups(gate: GateConfig, now: Estimates) -> Iterator[tuple[Item, Group]]:
    for item in check_items.items(gate, now, None):
        group = check_items.group_of(item, now)
        if item.check.metric not in OF_THE_RUN and not item.missing and group is not None:
            yield item, group


def _tested(item: Item) -> bool:
    """Whether a difference is tested for the item."""
    return item.relative and item.check.metric not in OF_THE_RUN


def _least(item: Item, gate: GateConfig) -> int:
    return item.check.min_samples or gate.min_samples


def _leave_out(item: Item) -> tuple[str, ...]:
    if item.slice != ALL:
        return ("leave the slice out",)
    return ("leave the class out",) if item.class_id is not None else ()


def _said(
    found: Sequence[Stuck], says: Callable[[Sequence[str], int], str] = check_messages.cannot_pass
) -> list[tuple[str, str]]:
    """One line for all: the worst are named, the others counted."""
    if not found:
        return []
    worst = sorted(found, key=lambda each: each.share)
    todo = list(dict.fromkeys(text for each in worst for text in each.todo))
    named = [f"{each.subject}: {each.why}" for each in worst[:MOST_NAMED]]
    return [(says(named, len(found)), check_messages.either(todo))]


def _nothing_left(gate: GateConfig, now: Estimates) -> list[tuple[str, str]]:
    """What to say where every check is skipped: a gate that has looked at nothing does not pass."""
    items = check_items.items(gate, now, None)
    skipped = [
        item
        for item, group in _with_groups(gate, now)
        if item.check.too_few == "skip" and group.units(item.check.metric) < _least(item, gate)
    ]
    return [check_messages.all_skipped(SKIPPED)] if items and len(skipped) == len(items) else []
