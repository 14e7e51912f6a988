"""The verdict of the gate: one object that every output is written from."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

PASS = "PASS"  # noqa: S105 - a verdict
REGRESSED, OUT_OF_BOUNDS = "REGRESSED", "OUT_OF_BOUNDS"
INCONCLUSIVE, NO_BASELINE, INVALID, SKIPPED = "INCONCLUSIVE", "NO_BASELINE", "INVALID", "SKIPPED"
DRIFTED = "DRIFTED"
"""The data have changed beyond a limit, whatever the model does on them."""
EXIT_CODES = {
    INVALID: 5,
    DRIFTED: 5,
    REGRESSED: 1,
    OUT_OF_BOUNDS: 1,
    NO_BASELINE: 4,
    INCONCLUSIVE: 3,
    PASS: 0,
}
"""The exit code of a run's verdict, the worst first: a run's verdict is the worst of its checks'."""


@dataclass(frozen=True, slots=True)
class EmptyMaskRule:
    """What becomes of a class in a sample that neither has it nor is predicted to have it.

    counts_as: its Dice there; None where such samples are left out of means.
    dice_mean: the metric that stands for `dice_mean` under the rule.
    says: what becomes of absent classes, in words.
    """

    name: str
    counts_as: float | None
    dice_mean: str
    says: str

    def metric(self, name: str) -> str:
        """The metric that stands for another under the rule."""
        return self.dice_mean if name == "dice_mean" else name

    def __str__(self) -> str:
        """As people read it."""
        return f"absent classes {self.says}" + (", as in the tables" if self.name == USUAL_RULE else "")


USUAL_RULE = "absent_left_out"
"""The rule of the tables, by which checks are decided."""
RULES = {
    rule.name: rule
    for rule in (
        EmptyMaskRule(USUAL_RULE, None, "dice_mean", "left out"),
        EmptyMaskRule("absent_counts_as_1", 1.0, "dice_mean_absent_as_1", "counted as 1"),
        EmptyMaskRule("absent_counts_as_0", 0.0, "dice_mean_absent_as_0", "counted as 0"),
    )
}
"""Every rule by name, the usual one first."""


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What became of one limit of a check, for one class and slice, or of one of the data, for one class or channel.

    class_id: None for the foreground, and where the metric is of the whole run, or of a channel.
    channel: from 0, of a metric of the images; None for every other.
    limit_name, threshold: as in the config, `max_drop` and 0.01.
    value, baseline: the metric's, of the run and of its baseline; difference is value - baseline.
    low, high: 95 % interval of the difference, paired by sample (or by cluster).
    p_value: two-sided, that there is no difference, after Holm's correction over all differences of the gate.
    n_pairs: samples (or clusters) behind the difference.
    minimum_detectable_drop: what is found REGRESSED with a probability of 80 % at this number of samples, at the least;
        a rise where that is for the worse. None where no change would be, however large.
    improved: better than the baseline, and significantly so.
    decides: whether the run's verdict takes it into account; a check of the data that only warns does not.
    """

    metric: str
    slice: str
    class_id: int | None
    class_name: str | None
    limit_name: str
    threshold: float
    verdict: str
    message: str
    value: float | None = None
    baseline: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n_pairs: int | None = None
    minimum_detectable_drop: float | None = None
    improved: bool = False
    channel: int | None = None
    decides: bool = True


@dataclass(frozen=True, slots=True)
class Headline:
    """Mean Dice of the foreground over all samples under one rule for absent classes, and what the gate says under it.

    low, high: 95 % interval of the difference.
    """

    rule: str
    verdict: str
    value: float | None
    baseline: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate says of a run.

    verdict: the worst of the checks', or INVALID where the run itself or the comparison is.
    reasons: what is to be said of the run as a whole, why it is INVALID or has no baseline first.
    baseline_kind: what the config asks for: blessed, previous or a run id.
    common_samples: samples that were compared, where not all were; None where the runs have the same.
    lost, added: samples that only the baseline, or only the run has.
    drift: what became of the checks of the data; drift_says is what they mean for the others, None where nothing.
    headline: one for each of RULES; empty where the run has no such value.
    foreground: names of the classes in the mean, of the headline and of checks of the foreground; foreground_says is
        what to say of them where they were guessed from the names of the classes, None where the config names them.
    """

    verdict: str
    run_id: str
    eval_date: str
    baseline_kind: str
    baseline_run_id: str | None
    decided: datetime
    status: str
    model: str | None
    baseline_model: str | None
    records: int
    scored: int
    failed: int
    checks: tuple[CheckVerdict, ...]
    headline: tuple[Headline, ...] = ()
    reasons: tuple[str, ...] = ()
    common_samples: int | None = None
    lost: int = 0
    added: int = 0
    drift: tuple[CheckVerdict, ...] = ()
    drift_says: str | None = None
    foreground: tuple[str, ...] = ()
    foreground_says: str | None = None

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.verdict]

    @property
    def counts(self) -> dict[str, int]:
        """How many checks, those of the data too, have each verdict, worst first; what none has is left out."""
        return counted((*self.checks, *self.drift))

    def to_json(self) -> str:
        """As JSON, indented, ASCII alone; numbers that are not finite do not occur."""
        return json.dumps({**asdict(self), "decided": self.decided.isoformat()}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "GateVerdict":
        """What `to_json` made; keys of a later version are left out."""
        values = json.loads(text)
        values["decided"] = datetime.fromisoformat(values["decided"])
        values.setdefault("drift", ())  # an earlier version knew none
        for key in ("checks", "drift"):
            values[key] = tuple(CheckVerdict(**_known(CheckVerdict, check)) for check in values[key])
        values["headline"] = tuple(Headline(**_known(Headline, line)) for line in values["headline"])
        values["reasons"] = tuple(values["reasons"])
        values["foreground"] = tuple(values.get("foreground", ()))
        return cls(**_known(cls, values))


def _known(kind: Any, values: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def counted(checks: Iterable[CheckVerdict]) -> dict[str, int]:
    """How many checks have each verdict, worst first."""
    found = [check.verdict for check in checks]
    return {name: found.count(name) for name in (*EXIT_CODES, SKIPPED) if name in found}


def worst(verdicts: Iterable[str]) -> str:
    """The verdict of several: the first of EXIT_CODES that is among them.

    Nothing, or nothing but skipped checks, is INVALID: a gate that has looked at nothing does not pass.
    """
    found = set(verdicts)
    return next((verdict for verdict in EXIT_CODES if verdict in found), INVALID)
