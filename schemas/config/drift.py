"""What the gate holds the data of a run to, against those of its baseline, as the config says it."""

from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ..slices import ANY
from .settings import Integer, Number, Settings

OF_A_CHANNEL = ("channel_mean",)
OF_A_CLASS = ("class_pixels", "class_samples")
DRIFT_METRICS = (*OF_A_CHANNEL, *OF_A_CLASS)
"""Metrics of the data alone, that no model has a part in; compared as they are, without statistics."""
_LIMITS_OF = {
    **dict.fromkeys(OF_A_CHANNEL, ("max_change", "max_shift")),
    **dict.fromkeys(OF_A_CLASS, ("max_change", "max_ratio")),
}

DriftMetric = Literal["channel_mean", "class_pixels", "class_samples"]
DriftLimit = Literal["max_change", "max_shift", "max_ratio"]


def _channel(value: object) -> object:
    """A channel's number, or `*` for each, which is None."""
    if value is None or value == ANY:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    msg = f"expected a channel's number, from 0, or {ANY!r} for each of them, but got {value!r}"
    raise ValueError(msg)


class DriftCheck(Settings):
    """One check of the data, of every class or channel that it names.

    metric: `channel_mean`, of the values as they are stored; `class_pixels`, the part of the pixels that count that are
        of the class; `class_samples`, the part of the samples that have it.
    class: of the last two: a class's name, or `*` for each.
    channel: of the first: a channel's number, or `*` for each.
    max_change: how far the value may move, up or down, in its own unit.
    max_shift: the same for a channel's mean, in standard deviations of the baseline's channel.
    max_ratio: by which factor a part may grow or shrink.
    action: what a change beyond a limit does: `invalid` decides the run's verdict, `warn` is said and decides nothing.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    metric: DriftMetric
    class_name: str = Field(default=ANY, alias="class", min_length=1)
    channel: Annotated[Integer | None, BeforeValidator(_channel)] = Field(default=None, ge=0)
    max_change: Number | None = Field(default=None, ge=0)
    max_shift: Number | None = Field(default=None, ge=0)
    max_ratio: Number | None = Field(default=None, ge=1)
    action: Literal["invalid", "warn"] = "invalid"

    @model_validator(mode="after")
    def _check(self) -> "DriftCheck":
        allowed = _LIMITS_OF[self.metric]
        if not self.limits:
            msg = f"{self.metric} expects a limit, {' or '.join(allowed)}, but got none"
            raise ValueError(msg)
        wrong = [name for name in self.limits if name not in allowed]
        if wrong:
            msg = f"{self.metric} has the limits {' and '.join(allowed)}, but got {wrong[0]}"
            raise ValueError(msg)
        if not all(map(isfinite, self.limits.values())):
            msg = f"expected finite limits, but got {self.limits}"
            raise ValueError(msg)
        if self.of_channels and self.class_name != ANY:
            msg = f"{self.metric} is of a channel, and has no class, but got {self.class_name!r}"
            raise ValueError(msg)
        if not self.of_channels and self.channel is not None:
            msg = f"{self.metric} is of a class, and has no channel, but got {self.channel}"
            raise ValueError(msg)
        return self

    @property
    def of_channels(self) -> bool:
        """Whether it is of channels, and not of classes."""
        return self.metric in OF_A_CHANNEL

    @property
    def limits(self) -> dict[DriftLimit, float]:
        """The limits that are given."""
        given: dict[DriftLimit, float | None] = {
            "max_change": self.max_change,
            "max_shift": self.max_shift,
            "max_ratio": self.max_ratio,
        }
        return {name: value for name, value in given.items() if value is not None}
