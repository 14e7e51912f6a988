"""What the gate says of the data: of each check a line, and of all of them what they mean for the model."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...schemas.config.drift import OF_A_CHANNEL
from ...schemas.verdict import DRIFTED, OUT_OF_BOUNDS, PASS, REGRESSED, CheckVerdict
from ..wording.numbers import statistic

NO_BASELINE = "there is no baseline"
_LIBRARIES = "the versions of the libraries differ"


@dataclass(frozen=True, slots=True)
class Between:
    """What else is, or is not, the same in a run and its baseline.

    same_model: the files of the model, and of the transform before it. same_libraries: their versions, as far as the
    runs say. compared: whether their scores could be compared, and `partly` whether only those of the samples that both
    have.
    """

    same_model: bool
    same_libraries: bool
    compared: bool
    partly: bool = False


def says(drift: Sequence[CheckVerdict], checks: Sequence[CheckVerdict], between: Between) -> str | None:
    """What the checks of the data mean for the scores, and no more than they do; None where that is nothing.

    The same model with other scores had other data (or libraries). Where the model is another one too, the scores
    cannot tell; where no statistic moved, the model is the likelier cause, but not every change shows in these.
    """
    if any(check.verdict == DRIFTED for check in drift):
        return _drifted(between)
    steady = bool(drift) and all(check.verdict == PASS for check in drift)
    if not steady or not any(check.verdict == REGRESSED for check in checks):
        return None
    if not between.same_model:
        return (
            "the model changed, and no statistic of the data moved beyond its limit: what regressed is the model's, as "
            "far as these statistics see"
        )
    said = "the model is the same and no statistic of the data moved beyond its limit, yet something regressed: "
    return said + (_LIBRARIES if not between.same_libraries else "look at the images that fell most")


def _drifted(between: Between) -> str:
    head = f"the data changed, {'not the model' if between.same_model else 'and so did the model'}"
    if not between.compared:
        return f"{head}; the scores of the two runs are not compared"
    partly = "; the statistics are of all data, the scores of the common samples alone" if between.partly else ""
    if between.same_model:
        libraries = "" if between.same_libraries else f", unless it does from elsewhere: {_LIBRARIES}"
        same = "both runs have the same model files, so what moved in the scores comes from the data"
        return f"{head}: {same}{libraries}{partly}"
    return (
        f"{head}: the scores do not tell whose doing it is where they moved; the baseline's model, evaluated on this "
        f"run's data, does{partly}"
    )


def beside(check: CheckVerdict, drift: Sequence[CheckVerdict], between: Between) -> str:
    """What to add to the message of a check that failed while the data drifted; empty where that is not so."""
    if check.verdict not in (REGRESSED, OUT_OF_BOUNDS) or not any(each.verdict == DRIFTED for each in drift):
        return ""
    return "; the data drifted, and the model is the same" if between.same_model else "; the data drifted too"


def subject(check: CheckVerdict) -> str:
    """What a check is of: `channel_mean of channel 0`, `class_pixels of car`."""
    return f"{check.metric} of {_place(check)}"


def _place(check: CheckVerdict) -> str:
    if check.metric not in OF_A_CHANNEL:
        return f"class {check.class_name}"
    return "every channel" if check.channel is None else f"channel {check.channel}"


def about(check: CheckVerdict, what: str) -> str:
    """What there is to say instead of a comparison."""
    return f"{subject(check)}: {what}"


def absent(check: CheckVerdict, now: bool, before: bool) -> str:  # noqa: FBT001 - whether each of the two has it
    """What to say of a value that one of the data, or both, do not have."""
    if not now and not before:
        return about(check, "neither the run's data nor the baseline's have it")
    if now != before:
        has, lacks = ("run", "baseline") if now else ("baseline", "run")
        return about(check, f"the {has}'s data have it, the {lacks}'s do not")
    where = " and ".join(
        whose for whose, value in (("the run's", check.value), ("the baseline's", check.baseline)) if value is None
    )
    return about(check, f"it is not defined in {where} data, which have nothing to count")


def no_spread(std: float | None) -> str:
    """What to say of a shift that no standard deviation measures."""
    has = "no finite standard deviation" if std != 0 else "a standard deviation of 0, every value being the same"
    return f"the baseline's channel has {has}, so that there is no shift in units of it; take max_change"


def change(check: CheckVerdict) -> str:
    """`rose by 0.02, from 0.05 to 0.07`."""
    apart = check.difference or 0.0
    if apart == 0:
        return f"did not change from {statistic(check.baseline)}"
    moved = "rose" if apart > 0 else "fell"
    return f"{moved} by {statistic(abs(apart))}, from {statistic(check.baseline)} to {statistic(check.value)}"


def shift(check: CheckVerdict, spreads: float, std: float) -> str:
    """The change in standard deviations of the baseline's channel."""
    if not check.difference:
        return change(check)
    return f"{change(check)}, {statistic(spreads)} of the baseline's standard deviation of {statistic(std)}"


def ratio(check: CheckVerdict) -> str:
    """The change as the factor between the two."""
    ends = (check.value or 0.0, check.baseline or 0.0)
    if not any(ends):
        return "is 0 in both"
    factor = f"a factor of {statistic(max(ends) / min(ends))}" if all(ends) else "beyond any factor"
    return f"{change(check)}, {factor}" if check.difference else change(check)


def limit(check: CheckVerdict, moved: str, *, beyond: bool) -> str:
    """What to say of a change and its limit."""
    return f"{subject(check)} {moved}: {'more than' if beyond else 'within'} {check.limit_name} {check.threshold:g}"
