"""How far a metric of a run and of its baseline is apart, with the degrees of freedom of what carries it."""

from dataclasses import replace

import numpy as np

from ...schemas.config.gate import LOWER_IS_BETTER
from ..statistics import paired_differences, spread
from ..statistics.paired_differences import Difference
from .estimates import Group


def apart(now: Group, before: Group, metric: str, *, same_model: bool = False) -> Difference | None:
    """The difference of a metric of two groups; None where it cannot be said, or they are means over other classes.

    A class has the degrees of its own samples (or clusters), of the run that has fewer; a mean over classes has
    Satterthwaite's, of the differences of its classes.

    Args:
        now: of the run.
        before: the same class, or foreground, of the baseline.
        metric: one of `estimates.METRICS`.
        same_model: whether one model scored both. Where it gave the same, it loses no sample in one run alone, not
            even one that the data do not hold.
    """
    degrees = _degrees(now, before, metric) if _alike(now, before) else None
    if now.replicates is None or before.replicates is None or degrees is None:
        return None
    lost = float(np.nanmax([now.lost(metric), before.lost(metric), 0.0]))
    values, drawn = (now.values[metric], before.values[metric]), (now.replicates[metric], before.replicates[metric])
    found = paired_differences.difference(*values, *drawn, degrees, lost)
    if found is not None and same_model and found.value == found.standard_error == 0:
        return replace(found, lost=0.0)
    if found is None or metric not in LOWER_IS_BETTER:
        return found
    return paired_differences.of_rates(found, units(now, before, metric))


def units(now: Group, before: Group, metric: str) -> int:
    """Samples or clusters behind the difference: those of the run that has fewer."""
    return min(now.units(metric), before.units(metric))


def members(now: Group, before: Group, metric: str) -> list[tuple[Group, Group]]:
    """The classes of a mean in both groups, which have the same; none where the metric is no mean over classes."""
    if not now.averages(metric):
        return []
    theirs = {member.class_id: member for member in before.members}
    return [(member, theirs[member.class_id]) for member in now.members]


def _alike(now: Group, before: Group) -> bool:
    return {member.class_id for member in now.members} == {member.class_id for member in before.members}


def _degrees(now: Group, before: Group, metric: str) -> float | None:
    classes = members(now, before, metric)
    if not classes:
        return units(now, before, metric) - 1.0
    degrees = np.array([units(*pair, metric) - 1.0 for pair in classes])
    drawn = [(own.replicates, theirs.replicates) for own, theirs in classes]
    moved = [own[metric] - theirs[metric] for own, theirs in drawn if own is not None and theirs is not None]
    if len(moved) < len(classes) or degrees.min() < 1:
        return None
    variances, _ = spread.moments(np.stack(moved, axis=-1), degrees)
    return spread.degrees_of_mean(np.nan_to_num(variances), degrees)
