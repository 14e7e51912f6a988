"""From a difference that was tested to a verdict.

A drop is REGRESSED where it is beyond the margin and significant after Holm's correction. It is a PASS where the whole
95 % interval of the difference lies within the margin, and the samples are so many that losses of which they hold none
would cost no more than the margin. Otherwise it is INCONCLUSIVE.

The foreground is judged by its mean and by its worst class: a gain of one class does not make good what another has
lost. A class that has lost more than the margin, and significantly so, makes it REGRESSED; one that has lost more than
the margin, but not significantly, INCONCLUSIVE at the best.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...schemas import verdict as verdicts
from ...schemas.config.gate import rises
from ...schemas.verdict import CheckVerdict
from ..statistics import paired_differences, tolerance
from ..statistics.paired_differences import ALPHA, Difference
from . import check_messages as messages

Place = tuple[str, str, int | None]
"""A metric, a slice and a class id."""


@dataclass(frozen=True, slots=True)
class Part:
    """A class of a foreground mean."""

    place: Place
    name: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Tested:
    """A difference whose p-value is one of the family; parts are the classes of a foreground mean.

    unit: what is resampled, `samples` or `clusters`.
    """

    verdict: CheckVerdict
    place: Place
    difference: Difference
    parts: tuple[Part, ...] = ()
    unit: str = "samples"


@dataclass(frozen=True, slots=True)
class Corrected:
    """p-values after Holm's correction, by place; family says how many differences the checks are of."""

    p_values: Mapping[Place, float]
    family: int


def judged(look: Tested, corrected: Corrected) -> CheckVerdict:
    """The verdict of a difference, now that its corrected p-value is known."""
    found, p_value = look.difference, corrected.p_values[look.place]
    low, high = found.interval
    worst = _worst(look, corrected)
    own = _verdict(look.verdict, found, p_value)
    of_worst = verdicts.PASS if worst is None else _of_part(look.verdict, worst, corrected)
    check = replace(
        look.verdict,
        verdict=verdicts.worst([own, of_worst]),
        difference=found.value,
        low=low,
        high=high,
        p_value=p_value,
        minimum_detectable_drop=detectable(look.verdict, found, corrected.family),
        improved=_for_the_better(look.verdict, found.value) > 0 and p_value < ALPHA,
    )
    said = messages.relative(check, own, found, look.unit)
    if worst is not None:
        said += messages.worst_class(check, worst.name, worst.difference, of_worst)
    return replace(check, message=said)


def _for_the_better(known: CheckVerdict, change: float) -> float:
    return -change if rises(known.metric) else change


def _verdict(known: CheckVerdict, found: Difference, p_value: float) -> str:
    change = _for_the_better(known, found.value)
    if tolerance.beyond(-change, known.threshold) and p_value < ALPHA:
        return verdicts.REGRESSED
    worst_end = min(_for_the_better(known, end) for end in found.interval)
    if tolerance.beyond(-worst_end, known.threshold) or tolerance.beyond(hidden(known, found), known.threshold):
        return verdicts.INCONCLUSIVE
    return verdicts.PASS


def hidden(known: CheckVerdict, found: Difference) -> float:
    """What unseen losses cost at the most, beyond what the run is better by at the least."""
    worst_end = min(_for_the_better(known, end) for end in found.interval)
    return found.unseen - max(0.0, worst_end)


def _worst(look: Tested, corrected: Corrected) -> Part | None:
    """The class that fell most of those with the worst verdict: one that is noisy hides none that is significant."""
    known, of_parts = look.verdict, {part: _of_part(look.verdict, part, corrected) for part in look.parts}
    worst = verdicts.worst(of_parts.values())
    those = (part for part, verdict in of_parts.items() if verdict == worst)
    return min(those, key=lambda part: _for_the_better(known, part.difference.value), default=None)


def _of_part(known: CheckVerdict, part: Part, corrected: Corrected) -> str:
    """What a class of the foreground makes of it at the best."""
    if not tolerance.beyond(-_for_the_better(known, part.difference.value), known.threshold):
        return verdicts.PASS
    return verdicts.REGRESSED if corrected.p_values[part.place] < ALPHA else verdicts.INCONCLUSIVE


def detectable(known: CheckVerdict, found: Difference, family: int) -> float | None:
    """The least change that would be found; every metric with replicates is of [0, 1], and can leave it for no drop."""
    baseline = 0.0 if known.baseline is None else known.baseline
    room = 1 - baseline if rises(known.metric) else baseline
    return paired_differences.minimum_detectable(found, known.threshold, family, room)
