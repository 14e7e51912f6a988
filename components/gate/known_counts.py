"""Groups of which no more is known than how many samples there are at most: before a run, to see what cannot pass."""

from collections.abc import Mapping, Sequence

from ...schemas.config.gate import GateConfig
from ...schemas.slices import ALL, FOREGROUND
from ..statistics import ratios
from .estimates import Estimates, Group


def of_analysis(slices: Mapping[str, int], classes: Mapping[str, int], foreground: Sequence[int]) -> Estimates:
    """Groups of what an analysis has counted.

    Args:
        slices: samples of each slice.
        classes: samples that have each class, in the order of the class ids.
        foreground: ids of the classes in the mean.
    """
    found: dict[tuple[str, int | None], Group] = {}
    for name, n in slices.items():
        have = [min(n, count) for count in classes.values()]
        lack = [min(n, slices[ALL] - count) for count in classes.values()]
        for class_id, class_name in enumerate(classes):
            found[name, class_id] = _group(class_id, class_name, n, have[class_id], lack[class_id])
        most = max(have[i] for i in foreground), max(lack[i] for i in foreground)
        found[name, None] = _group(None, FOREGROUND, n, *most)
    return found


def of_records(gate: GateConfig, classes: Sequence[str], count: int) -> Estimates:
    """Groups of so many records: of all samples, and of the slices as the checks name them, which have no more."""
    names = dict.fromkeys([ALL, *(check.slice for check in gate.checks)])
    every = [*enumerate(classes), (None, FOREGROUND)]
    return {(name, key): _group(key, text, count, count, count) for name in names for key, text in every}


def _group(class_id: int | None, name: str, n: int, have: int, lack: int) -> Group:
    """A group of n samples, of which at most so many have the class, and so many do not."""
    counts = dict.fromkeys(ratios.SAMPLES, n) | {"actual": have, "not_actual": lack}
    return Group(class_id, name, {}, counts, None)
