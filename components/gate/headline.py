"""The mean Dice of the foreground under each rule for empty masks: what a verdict begins with."""

from collections.abc import Mapping, Sequence

from ...schemas.slices import ALL
from ...schemas.verdict import RULES, Headline
from . import check_messages, checks, differences
from .estimates import Estimates


def headline(now: Estimates, before: Estimates | None, verdicts: Mapping[str, str]) -> tuple[Headline, ...]:
    """A line for each rule, over all samples; none where the run has no foreground mean.

    Args:
        now: of the run.
        before: of its baseline, None without one.
        verdicts: of the gate under each rule.
    """
    group = now.get((ALL, None))
    if group is None:
        return ()
    then = (before or {}).get((ALL, None))
    lines = []
    for rule in RULES.values():
        apart = differences.apart(group, then, rule.dice_mean) if then else None
        low, high = apart.interval if apart else (None, None)
        value = checks.defined(group.values[rule.dice_mean])
        baseline = checks.defined(then.values[rule.dice_mean]) if then else None
        lines.append(
            Headline(rule.name, verdicts[rule.name], value, baseline, apart.value if apart else None, low, high)
        )
    return tuple(lines)


def in_no_mask(now: Estimates, foreground: Sequence[int]) -> str | None:
    """What to say of foreground classes that are true in no sample, and so have no part in the mean; None for none."""
    together = now.get((ALL, None))
    if together is None:
        return None
    there = {member.class_id for member in together.members}
    names = [
        now[ALL, class_id].class_name for class_id in foreground if class_id not in there and (ALL, class_id) in now
    ]
    return check_messages.in_no_mask(names) if names else None


def depends(verdicts: Mapping[str, str]) -> str | None:
    """What to say where the verdict is another one under another rule; None for one verdict."""
    differing = check_messages.under_other_rules(verdicts)
    return f"the verdict depends on the empty-mask rule: {differing}" if differing else None
