"""What the gate holds a run to, as the config says it."""

from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ..slices import ALL, FOREGROUND
from .drift import DriftCheck
from .settings import Integer, Number, Settings

HIGHER_IS_BETTER = (
    "dice_mean", "iou_mean", "soft_dice_mean", "dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled",
)  # fmt: skip
LOWER_IS_BETTER = ("missed_rate", "false_alarm_rate")
OF_THE_RUN = ("failed_fraction", "samples_per_second")
"""Metrics that no class and no slice has; compared as they are, without statistics."""
METRICS = (*HIGHER_IS_BETTER, *LOWER_IS_BETTER, *OF_THE_RUN)
_SHORT = {"iou": "iou_pooled", "precision": "precision_pooled", "recall": "recall_pooled"}
LIMITS = ("min", "max", "max_drop", "max_rise")
"""Absolute ones first; the others are margins of the change against the baseline."""

Metric = Literal[
    "dice_mean", "iou_mean", "soft_dice_mean", "dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled",
    "missed_rate", "false_alarm_rate", "failed_fraction", "samples_per_second",
]  # fmt: skip
Limit = Literal["min", "max", "max_drop", "max_rise"]


def _metric(value: object) -> object:
    return _SHORT.get(value, value) if isinstance(value, str) else value


def rises(metric: str) -> bool:
    """Whether a rise of the metric is for the worse."""
    return metric in LOWER_IS_BETTER or metric == "failed_fraction"


class CheckConfig(Settings):
    """One check, of every class and slice that its patterns name.

    metric: one of METRICS; `iou`, `precision` and `recall` are those of the summed pixels.
    class: a class's name, `foreground` for the foreground classes together, or `*` for every scored class.
    slice: a slice's name; `*` stands for anything within a value, and alone for every slice.
    min, max: limits of the value. max_drop, max_rise: margins of the change against the baseline.
    min_samples: fewer samples behind the value decide nothing; for Dice they are those in which the class is true or
        predicted. The gate's own where it is not given.
    too_few: what fewer samples are: `inconclusive`, or `skip`, for slices that are small by nature.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    metric: Annotated[Metric, BeforeValidator(_metric)]
    class_name: str = Field(default=FOREGROUND, alias="class", min_length=1)
    slice: str = Field(default=ALL, min_length=1)
    min: Number | None = None
    max: Number | None = None
    max_drop: Number | None = Field(default=None, ge=0)
    max_rise: Number | None = Field(default=None, ge=0)
    min_samples: Integer | None = Field(default=None, ge=2)
    too_few: Literal["inconclusive", "skip"] = "inconclusive"

    @model_validator(mode="after")
    def _check(self) -> "CheckConfig":
        if not self.limits:
            msg = f"expected a limit, {', '.join(LIMITS[:-1])} or {LIMITS[-1]}, but got none"
            raise ValueError(msg)
        if not all(map(isfinite, self.limits.values())):
            msg = f"expected finite limits, but got {self.limits}"
            raise ValueError(msg)
        right, wrong = ("max_rise", "max_drop") if rises(self.metric) else ("max_drop", "max_rise")
        if wrong in self.limits:
            better = "lower" if rises(self.metric) else "higher"
            msg = f"{self.metric} is better {better}, so its margin is {right}, but got {wrong}"
            raise ValueError(msg)
        if self.min is not None and self.max is not None and self.min > self.max:
            msg = f"expected min to be at most max, but got {self.min} and {self.max}"
            raise ValueError(msg)
        if self.metric in OF_THE_RUN and (self.class_name, self.slice) != (FOREGROUND, ALL):
            msg = f"{self.metric} is of the whole run, and has no class and no slice"
            raise ValueError(msg)
        return self

    @property
    def relative(self) -> bool:
        """Whether a baseline is needed."""
        return self.max_drop is not None or self.max_rise is not None

    @property
    def limits(self) -> dict[Limit, float]:
        """The limits that are given, absolute ones first."""
        given: dict[Limit, float | None] = {
            "min": self.min,
            "max": self.max,
            "max_drop": self.max_drop,
            "max_rise": self.max_rise,
        }
        return {name: value for name, value in given.items() if value is not None}


class GateConfig(Settings):
    """What decides whether a run passes.

    baseline: `blessed` (the last run that passed, or was blessed by hand), `previous` (the last finished run of
        another model on the same data), or a run id.
    common_samples: compare the samples that both runs have scored, and count the others, where the data are not the
        same; without it such runs are not comparable.
    min_samples: fewer samples behind a value decide nothing.
    checks: each must pass.
    drift: what may not have changed in the data.
    """

    baseline: str = Field(default="blessed", min_length=1)
    common_samples: bool = False
    min_samples: Integer = Field(default=30, ge=2)
    checks: tuple[CheckConfig, ...] = ()
    drift: tuple[DriftCheck, ...] = ()
