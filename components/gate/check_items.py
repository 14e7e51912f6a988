"""Which class and slice each limit of the config's checks is held against."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...schemas.config.gate import LIMITS, OF_THE_RUN, CheckConfig, GateConfig
from ...schemas.slices import ALL, ANY, FOREGROUND
from .estimates import Estimates, Group


@dataclass(frozen=True, slots=True)
class Item:
    """One limit of one check, for one class of one slice.

    class_id is None for the foreground. `missing` says why there is nothing to look at, where that is so.
    """

    check: CheckConfig
    limit: str
    threshold: float
    slice: str
    class_id: int | None
    class_name: str | None
    missing: str | None = None

    @property
    def relative(self) -> bool:
        """Whether it is of the change against the baseline."""
        return self.limit in LIMITS[2:]


def items(gate: GateConfig, now: Estimates, before: Estimates | None) -> list[Item]:
    """Every item of the gate. What a pattern finds in either of the runs is looked at in both.

    A check that finds nothing has one item, which says so, so that it cannot pass.
    """
    groups = [*now.values(), *(before or {}).values()]
    names = {group.class_id: group.class_name for group in groups}
    slices = list(dict.fromkeys(name for each in (now, before or {}) for name, _ in each))
    return [item for check in gate.checks for item in _of_check(check, names, slices)]


def _of_check(check: CheckConfig, names: dict[int | None, str], slices: Sequence[str]) -> Iterator[Item]:
    if check.metric in OF_THE_RUN:
        yield from _with_limits(check, check.slice, None, None)
        return
    chosen = list(matching(check.slice, slices))
    classes = chosen_classes(check.class_name, names)
    if not chosen or not classes:
        what = f"slice {check.slice!r}" if not chosen else f"class {check.class_name!r}"
        there = slices if not chosen else [*names.values()]
        missing = f"there is no {what}; there are {_some(there)}"
        yield from _with_limits(check, check.slice, None, check.class_name, missing)
    for name in chosen:
        for class_id in classes:
            yield from _with_limits(check, name, class_id, names[class_id])


def _with_limits(
    check: CheckConfig, name: str, class_id: int | None, class_name: str | None, missing: str | None = None
) -> Iterator[Item]:
    for limit, threshold in check.limits.items():
        yield Item(check, limit, threshold, name, class_id, class_name, missing)


def matching(pattern: str, names: Iterable[str]) -> Iterator[str]:
    """The slices that a pattern names: `*` alone is every slice, within a pattern any part of a value."""
    expression = re.compile(".*" if pattern == ANY else "[^/]*".join(map(re.escape, pattern.split(ANY))), re.DOTALL)
    return (name for name in names if expression.fullmatch(name))


def wanted(gate: GateConfig, names: Iterable[str]) -> set[str]:
    """Those of the slices that some check is about, and that of all samples."""
    there = list(names)
    return {ALL, *(name for check in gate.checks for name in matching(check.slice, there))}


def chosen_classes(pattern: str, names: dict[int | None, str]) -> list[int | None]:
    """Ids of the classes that a pattern names, None for the foreground; a class of that name comes first."""
    if pattern == ANY:
        return [class_id for class_id in names if class_id is not None]
    found: list[int | None] = [key for key, name in names.items() if name == pattern and key is not None]
    return found or ([None] if pattern == FOREGROUND and None in names else [])


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(repr, names[:most])) or "none") + more


def group_of(item: Item, estimates: Estimates) -> Group | None:
    """The group that an item is about, None if the run has none."""
    return estimates.get((item.slice, item.class_id))
