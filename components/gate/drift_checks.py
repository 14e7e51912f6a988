"""The gate's checks of the data, decided: the statistics of a run's data held against those of its baseline's.

A change beyond its limit is DRIFTED, whatever the model made of it. Every number is compared as it is: these are of all
the data, not of a sample from which something is inferred. Parts are fractions of integer counts, and compared exactly,
so that a change of just the limit is within it. What cannot be compared is INVALID, and never a PASS.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite

from ...schemas import verdict as verdicts
from ...schemas.config.drift import DriftCheck
from ...schemas.slices import ALL, ANY
from ...schemas.verdict import CheckVerdict
from ..statistics import tolerance
from . import drift_messages as messages


@dataclass(frozen=True, slots=True)
class Channel:
    """Mean and standard deviation (of the population) of a channel's stored values; None where it has none."""

    mean: float | None
    std: float | None


@dataclass(frozen=True, slots=True)
class ClassCount:
    """A class of the masks: pixels that are of it, and samples that have it."""

    class_id: int
    pixels: int
    samples: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data of a run in numbers.

    samples: analyzed. pixels: those of them that count. channels: by number. classes: by name.
    unsound: why these numbers are not those of the run's data; None where they are.
    """

    samples: int
    pixels: int
    channels: Mapping[int, Channel] = field(default_factory=dict)
    classes: Mapping[str, ClassCount] = field(default_factory=dict)
    unsound: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check is of: a channel, or a class by its name."""

    channel: int | None = None
    class_name: str | None = None


def judge(
    checks: Sequence[DriftCheck],
    now: Dataset,
    before: Dataset | None,
    unlike: str = verdicts.NO_BASELINE,
    why: str = messages.NO_BASELINE,
) -> tuple[CheckVerdict, ...]:
    """What became of every limit of the checks, for each channel or class.

    Args:
        checks: of the config.
        now: the data of the run.
        before: those of its baseline; None where there are none to compare with.
        unlike: the verdict of every check then.
        why: what its message says then.
    """
    return tuple(
        replace(_judged(made, now, before, why), decides=check.action == "invalid")
        for check in checks
        for made in _items(check, now, before, unlike)
    )


def _items(check: DriftCheck, now: Dataset, before: Dataset | None, verdict: str) -> Iterator[CheckVerdict]:
    """Each limit for each channel or class that either of the data has, not judged yet."""
    ids = {name: found.class_id for data in (before, now) if data for name, found in data.classes.items()}
    for subject in _subjects(check, now, before) or [_named(check)]:
        for limit, threshold in check.limits.items():
            class_id = ids.get(subject.class_name or "")
            yield CheckVerdict(
                metric=check.metric,
                slice=ALL,
                class_id=class_id,
                class_name=subject.class_name,
                limit_name=limit,
                threshold=threshold,
                verdict=verdict,
                message="",
                channel=subject.channel,
            )


def _subjects(check: DriftCheck, now: Dataset, before: Dataset | None) -> list[Subject]:
    if check.channel is not None or check.class_name != ANY:
        return [_named(check)]
    there = [data for data in (now, before) if data is not None]
    if check.of_channels:
        return [Subject(channel) for channel in sorted({each for data in there for each in data.channels})]
    return [Subject(class_name=name) for name in dict.fromkeys(name for data in there for name in data.classes)]


def _named(check: DriftCheck) -> Subject:
    """What the config names; a check of everything is of nothing where there is nothing."""
    return Subject(check.channel, None if check.of_channels else check.class_name)


def _judged(made: CheckVerdict, now: Dataset, before: Dataset | None, why: str) -> CheckVerdict:
    value = _value(made, now)
    known = replace(made, value=_number(value))
    if now.unsound is not None:
        return replace(known, verdict=verdicts.INVALID, message=messages.about(made, now.unsound))
    if before is None:
        return replace(known, message=messages.about(made, why))
    baseline = _value(made, before)
    known = replace(known, verdict=verdicts.INVALID, baseline=_number(baseline))
    if before.unsound is not None:
        return replace(known, message=messages.about(made, before.unsound))
    if value is None or baseline is None:
        return replace(known, message=messages.absent(known, _there(made, now), _there(made, before)))
    return _compared(known, value, baseline, before)


def _compared(known: CheckVerdict, value: Fraction, baseline: Fraction, before: Dataset) -> CheckVerdict:
    """The verdict of two values that are there."""
    known = replace(known, difference=float(value - baseline))
    threshold, change = tolerance.exact(known.threshold), abs(value - baseline)
    if known.limit_name == "max_shift":
        std = before.channels[known.channel or 0].std
        if std is None or not isfinite(std) or std <= 0:
            return replace(known, message=messages.about(known, messages.no_spread(std)))
        beyond = change > threshold * tolerance.exact(std)
        moved = messages.shift(known, float(change / tolerance.exact(std)), std)
    elif known.limit_name == "max_ratio":
        beyond = max(value, baseline) > threshold * min(value, baseline)
        moved = messages.ratio(known)
    else:
        beyond = change > threshold
        moved = messages.change(known)
    return replace(
        known,
        verdict=verdicts.DRIFTED if beyond else verdicts.PASS,
        message=messages.limit(known, moved, beyond=beyond),
    )


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _there(made: CheckVerdict, data: Dataset) -> bool:
    """Whether the data have the channel or the class."""
    return made.channel in data.channels if made.class_name is None else made.class_name in data.classes


def _value(made: CheckVerdict, data: Dataset) -> Fraction | None:
    """The value of a metric; None where it is not defined."""
    if made.class_name is None:
        channel = data.channels.get(-1 if made.channel is None else made.channel)
        mean = channel.mean if channel else None
        return None if mean is None or not isfinite(mean) else tolerance.exact(mean)
    found = data.classes.get(made.class_name)
    if found is None:
        return None
    of_pixels = made.metric == "class_pixels"
    count, whole = (found.pixels, data.pixels) if of_pixels else (found.samples, data.samples)
    return Fraction(count, whole) if whole else None
