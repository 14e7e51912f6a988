"""The summable state of a slice x class: what `classes` and `slices` are computed from."""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

ALL = "all"
"""The slice that every sample is in."""


class GroupKey(NamedTuple):
    """Names one row of `classes`."""

    slice: str
    class_id: int


@dataclass(frozen=True, slots=True)
class GroupState:
    """Counts and sums over samples; two states of one group add up to the state of both sets of samples.

    n_*: samples by state. Pixel counts as in `samples`. dice_sum, dice_sq, iou_sum, soft_dice_sum: over the
    samples where the class is not absent. dice_min, dice_max: over the same, inf and -inf where none is.
    """

    n_present: int = 0
    n_missed: int = 0
    n_false_alarm: int = 0
    n_absent: int = 0
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    pixels: int = 0
    ignored_pixels: int = 0
    soft_intersection: float = 0.0
    soft_predicted: float = 0.0
    soft_predicted_sq: float = 0.0
    dice_sum: float = 0.0
    dice_sq: float = 0.0
    iou_sum: float = 0.0
    soft_dice_sum: float = 0.0
    dice_min: float = float("inf")
    dice_max: float = float("-inf")

    def __add__(self, other: "GroupState") -> "GroupState":
        """The state of both sets of samples."""
        merged: dict[str, Any] = {
            f.name: _MERGE.get(f.name, _add)(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)
        }
        return GroupState(**merged)

    @property
    def n_samples(self) -> int:
        """Samples in the group."""
        return self.n_defined + self.n_absent

    @property
    def n_defined(self) -> int:
        """Samples whose Dice is defined."""
        return self.n_present + self.n_missed + self.n_false_alarm


def _add(left: float, right: float) -> float:
    return left + right


_MERGE = {"dice_min": min, "dice_max": max}
