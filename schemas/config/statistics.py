"""How samples are summarized: slices and intervals, as the config says it."""

from itertools import pairwise
from math import isfinite
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from .settings import Integer, Number, Settings


class SliceFeatureSettings(Settings):
    """A feature to slice by.

    feature: its name in the records. edges: limits of bins, ascending, for a feature that is a number: values below
    the first, from each up to the next, and from the last on are a slice each. None to take each value as it is.
    """

    feature: str = Field(min_length=1)
    edges: tuple[Number, ...] = ()

    @field_validator("edges")
    @classmethod
    def _ascending(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if not all(map(isfinite, edges)) or any(low >= high for low, high in pairwise(edges)):
            msg = f"expected finite numbers, each larger than the one before, but got {list(edges)}"
            raise ValueError(msg)
        return edges


def _feature(value: object) -> object:
    return {"feature": value} if isinstance(value, str) else value


def _spec(value: object) -> object:
    """A feature alone is a slice spec of one feature."""
    return value if isinstance(value, (list, tuple)) else (value,)


def _specs(value: object) -> object:
    return [_spec(spec) for spec in value] if isinstance(value, (list, tuple)) else value


SliceSpecSettings = Annotated[
    tuple[Annotated[SliceFeatureSettings, BeforeValidator(_feature)], ...], Field(min_length=1)
]
SliceSpecs = Annotated[tuple[SliceSpecSettings, ...], BeforeValidator(_specs)]


class BootstrapConfig(Settings):
    """How intervals are made.

    replicates: of the bootstrap; 0 for no intervals.
    seed: decides the weights of every id; runs that are compared need the same one.
    keep_slices: the table `replicates` has those of `all`, and of every slice spec of at most so many slices.
    """

    replicates: Integer = Field(default=1000, ge=0, le=100_000)
    seed: Integer = Field(default=0, ge=0, lt=1 << 63)
    keep_slices: Integer = Field(default=100, ge=0)
