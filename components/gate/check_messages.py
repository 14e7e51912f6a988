"""What the gate says of its checks, a line each."""

from collections.abc import Mapping, Sequence
from math import ceil

from ...schemas import verdict as verdicts
from ...schemas.config.gate import rises
from ...schemas.slices import ALL
from ...schemas.verdict import RULES, CheckVerdict
from ..statistics import tolerance
from ..statistics.paired_differences import Difference
from ..wording import numbers
from .check_items import Item
from .estimates import Group
from .slice_members import Moved

_LEAST_P = 1e-4
_LEAST_MARGIN = 1e-9
"""No number of samples rules out less."""


def subject(item: Item) -> str:
    """What an item is about: `dice_mean of car in site=A`."""
    return _subject(item.check.metric, item.class_name, item.slice)


def _subject(metric: str, class_name: str | None, name: str) -> str:
    of_class = f" of {class_name}" if class_name is not None else ""
    return metric + of_class + (f" in {name}" if name != ALL else "")


def absolute(item: Item, value: float, *, outside: bool) -> str:
    """What to say of a value and a limit."""
    side = {("min", True): "below", ("min", False): "not below", ("max", True): "above", ("max", False): "not above"}
    return f"{subject(item)} is {numbers.metric(value)}, {side[item.limit, outside]} {item.threshold:g}"


def change_of_run(item: Item, apart: float, worse: float) -> str:
    """What to say of a change that has no statistics."""
    beyond = "more than" if tolerance.beyond(worse, item.threshold) else "within"
    return f"{subject(item)} {_moved(apart)} compared with the baseline, {beyond} the margin {item.threshold:g}"


def relative(check: CheckVerdict, own: str, found: Difference, unit: str) -> str:
    """What to say of a difference that was tested.

    Args:
        check: with the difference and its interval.
        own: the verdict of the difference itself, whatever that of a worst class is.
        found: the difference.
        unit: what is resampled, `samples` or `clusters`.
    """
    worse = "rise" if rises(check.metric) else "drop"
    about = _subject(check.metric, check.class_name, check.slice)
    p_value = 1.0 if check.p_value is None else check.p_value
    said = f"{about} {_change(found)}, {_p(p_value)})"
    margin = f"{check.threshold:g}"
    if own == verdicts.REGRESSED:
        return f"{said}, more than the margin {margin}, and significantly"
    if own == verdicts.PASS:
        better = "better, and " if check.improved else ""
        return f"{said}: {better}a {worse} of more than {margin} is ruled out"
    units = f"{check.n_pairs:,} {unit}"
    least = find_all_the_same(check.metric, check.minimum_detectable_drop)
    return f"{said}: {units} neither show nor rule out a {worse} of more than {margin}{least}" + _unseen(check, found)


def _unseen(check: CheckVerdict, found: Difference) -> str:
    """What to add where losses of which the samples hold none could be more than the margin."""
    if check.threshold < _LEAST_MARGIN or not tolerance.beyond(found.unseen, check.threshold) or not check.n_pairs:
        return ""
    enough = ceil(check.n_pairs * found.unseen / check.threshold)
    return f"; to rule out losses that are too rare to be among {check.n_pairs:,} takes about {enough:,}"


def worst_class(check: CheckVerdict, name: str, found: Difference, verdict: str) -> str:
    """What to add of the class of the foreground that changed most for the worse."""
    said = f"; worst class: {name} {_change(found)})"
    if verdict == verdicts.PASS:
        return said
    significantly = "and significantly" if verdict == verdicts.REGRESSED else "but not significantly"
    return f"{said}, more than the margin {check.threshold:g}, {significantly}"


def _change(found: Difference) -> str:
    """The change and its interval, in a bracket that is still open."""
    low, high = found.interval
    return f"{_moved(found.value)} (95 % {numbers.signed(low)} to {numbers.signed(high)}"


def _moved(apart: float) -> str:
    if apart == 0:
        return "did not change"
    return f"{'rose' if apart > 0 else 'fell'} by {numbers.metric(abs(apart))}"


def _p(value: float) -> str:
    return f"p < {_LEAST_P:g}" if value < _LEAST_P else f"p = {value:.4f}"


def too_few(item: Item, group: Group, units: int, least: int) -> str:
    """What to say where fewer samples (or clusters) than a check needs decide nothing; of a mean, of which class."""
    return f"{subject(item)}: {fewer_samples(group, item.check.metric, units, least)}"


def find_all_the_same(metric: str, least: float | None) -> str:
    """What to add of the change that would be found; least is None where none would be."""
    worse = "rise" if rises(metric) else "drop"
    if least is None:
        return f"; no {worse}, however large, would be found with a probability of 80 % at this number of samples"
    return f"; they would show a {worse} of {numbers.metric(least)} with a probability of 80 %"


def not_in_run(item: Item) -> str:
    """What to say of a slice or class that only the baseline has."""
    return f"the run has no samples in the slice {item.slice!r}, which the baseline has"


def not_in_baseline(item: Item) -> str:
    """What to say of a slice or class that only the run has."""
    return f"the baseline has no samples in the slice {item.slice!r}"


def moved(item: Item, found: Moved) -> str:
    """What to say of a slice that does not hold the same samples, or the same clusters, in both runs."""
    n = found.samples or found.clusters
    of_which = f"{n:,} {'sample is' if n == 1 else 'samples are'}"
    where = f"in the slice {item.slice!r} in one of the runs only"
    what = f"{of_which} {where}" if found.samples else f"{of_which} in another cluster than in the baseline"
    return (
        f"{subject(item)} cannot be compared: {what}, so the labels of the records have changed, whatever the model "
        "did. Evaluate the baseline's model on the records of now (dicebeam evaluate CONFIG.yaml --set model=MODEL "
        "--run-id NEW), and bless that run"
    )


def no_replicates(item: Item) -> str:
    """What to say where nothing tells how far a difference can be trusted."""
    return f"{subject(item)}: there are no bootstrap replicates to test the difference with; set bootstrap.replicates"


def undefined(item: Item, class_name: str | None = None) -> str:
    """What to say of a value that is NULL in a run, or of its part of a class."""
    of_class = f", for its class {class_name}," if class_name else ""
    return f"{subject(item)}{of_class} is not defined in the run" + (" or its baseline" if item.relative else "")


def not_measured(item: Item) -> str:
    """What to say of a metric of the run that nobody measured: an attempt with nothing left to score has no speed."""
    return f"{subject(item)} was not measured in the run" + (" or its baseline" if item.relative else "")


def in_no_mask(names: Sequence[str]) -> str:
    """What to say of foreground classes that are true in no sample."""
    which = "it has" if len(names) == 1 else "they have"
    return f"{', '.join(names)}: in no mask of these data, so {which} no part in the foreground mean"


def depends(by_rule: Mapping[str, str]) -> str:
    """What to add to the message of a check whose verdict is another one under another rule; empty for one verdict."""
    differing = under_other_rules(by_rule)
    return f"; it depends on the empty-mask rule: {differing}" if differing else ""


def under_other_rules(by_rule: Mapping[str, str]) -> str:
    """The verdicts under other rules, where they are not that of the first; empty for one verdict."""
    (_, usual), *others = by_rule.items()
    found = [f"{verdict} with absent classes {RULES[rule].says}" for rule, verdict in others if verdict != usual]
    return ", ".join(found)


def fewer_samples(group: Group, metric: str, units: int, least: int) -> str:
    """What is in the way of a check of too few samples (or clusters); of a mean, of which class they are."""
    few = min(group.members, key=lambda member: member.units(metric), default=None)
    of_class = f" of {few.class_name}" if few is not None and group.averages(metric) else ""
    return f"{units:,} {group.unit}{of_class} to judge by, fewer than min_samples, {least:,}"


def not_ruled_out(check: CheckVerdict, unit: str) -> str:
    """What is in the way of a check that is INCONCLUSIVE where nothing has changed at all."""
    worse = "rise" if rises(check.metric) else "drop"
    return f"{check.n_pairs or 0:,} {unit} do not rule out a {worse} of more than {check.threshold:g}"


def cannot_pass(named: Sequence[str], count: int) -> str:
    """What to say of checks that cannot pass with the data as they are, of which some are named."""
    if count == 1:
        return f"{named[0]}: this check cannot pass with these data"
    more = f"; and {count - len(named):,} more" if count > len(named) else ""
    return f"{count:,} checks cannot pass with these data: {'; '.join(named)}{more}"


def only_better(named: Sequence[str], count: int) -> str:
    """What to say of checks that rule out no drop where nothing has changed, of which some are named."""
    who = "with these data only the same model passes, or a better one"
    if count == 1:
        return f"{named[0]}: {who}"
    more = f"; and {count - len(named):,} more" if count > len(named) else ""
    return f"{who}, in {count:,} checks: {'; '.join(named)}{more}"


def either(todo: Sequence[str]) -> str:
    """Several things to do, each of which is enough."""
    return todo[0] if len(todo) == 1 else f"{', '.join(todo[:-1])}, or {todo[-1]}"


def all_skipped(verdict: str) -> tuple[str, str]:
    """What to say where no check has samples enough, and what to do."""
    what = f"every check has too few samples and is {verdict}: a gate that has looked at nothing does not pass"
    return what, "lower min_samples, or add a check of more samples"


def needs_replicates() -> tuple[str, str]:
    """What to say where no difference can be tested, and what to do."""
    return "no check of a drop or rise can pass without bootstrap replicates", "set bootstrap.replicates"
