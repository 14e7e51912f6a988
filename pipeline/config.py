"""The configuration: every key of the YAML file, checked as a whole before anything runs."""

import hashlib
import json
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from schemas import features as feature_contract
from schemas.features import FeatureKeys
from schemas.labels import IgnoreLabels, LabelSettings
from schemas.model import InputSettings, ModelSettings, OutputKind
from schemas.settings import Integer, Number, Settings

NOT_IN_FINGERPRINT = {"examples", "model", "output", "max_failed_fraction"}
"""Keys that do not change how a sample is scored, or that have a fingerprint of their own."""


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _keys(value: object) -> object:
    """A preset's name stands for its keys."""
    if isinstance(value, str):
        if value not in feature_contract.PRESETS:
            msg = (
                f"no preset is named {value!r}; there are {', '.join(feature_contract.PRESETS)}, or give "
                "a mapping of keys"
            )
            raise ValueError(msg)
        return feature_contract.PRESETS[value]
    return value


def _slice_specs(value: object) -> object:
    """A feature's name alone is a slice spec of one feature."""
    return [_as_tuple(spec) for spec in value] if isinstance(value, (list, tuple)) else value


SliceSpec = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Config(Settings):
    """One evaluation. Paths are relative to the working directory; see docs/config.md for every key."""

    examples: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_tuple)]
    model: str = Field(min_length=1)
    output: str = Field(min_length=1)
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    features: Annotated[FeatureKeys, BeforeValidator(_keys)] = feature_contract.PRESETS["deeplab"]
    ignore_label: IgnoreLabels = ()
    mask_values: dict[Integer, Integer | None] = Field(default_factory=dict)
    label_offset: Integer = 0
    input: InputSettings = InputSettings()
    output_kind: OutputKind = "softmax"
    output_name: str | None = None
    threshold: Number = Field(default=0.5, ge=0, lt=1)
    slices: Annotated[tuple[SliceSpec, ...], BeforeValidator(_slice_specs)] = ()
    batch_size: Integer = Field(default=16, gt=0)
    foreground: tuple[str, ...] | None = None
    max_failed_fraction: Number = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> "Config":
        _ = self.labels
        unknown = sorted(set(self.foreground or ()) - set(self.classes))
        if unknown or self.foreground == ():
            msg = f"foreground: expected names from {list(self.classes)}, but got {unknown or 'none'}"
            raise ValueError(msg)
        repeated = [list(spec) for spec in self.slices if self.slices.count(spec) > 1 or len(set(spec)) < len(spec)]
        if repeated:
            msg = f"slices: {repeated[0]} is there twice, or crosses a feature with itself"
            raise ValueError(msg)
        return self

    @property
    def labels(self) -> LabelSettings:
        """What the mask's values mean."""
        return LabelSettings(
            classes=self.classes,
            ignore_label=self.ignore_label,
            mask_values=self.mask_values,
            label_offset=self.label_offset,
        )

    @property
    def model_settings(self) -> ModelSettings:
        """How the model is fed and read."""
        return ModelSettings(
            path=self.model,
            input=self.input,
            output_kind=self.output_kind,
            output_name=self.output_name,
            threshold=self.threshold,
        )

    @property
    def slice_features(self) -> tuple[str, ...]:
        """The features that any slice needs, each once, in order."""
        return tuple(dict.fromkeys(feature for spec in self.slices for feature in spec))

    @property
    def foreground_ids(self) -> tuple[int, ...]:
        """Classes in the mean; without `foreground` all but id 0 where there are three or more."""
        if self.foreground is not None:
            return tuple(self.classes.index(name) for name in self.foreground)
        return tuple(range(1 if len(self.classes) > 2 else 0, len(self.classes)))  # noqa: PLR2004

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides how a sample is scored, but for the model and the data."""
        scoring = self.model_dump(mode="json", exclude=NOT_IN_FINGERPRINT)
        return hashlib.sha256(json.dumps(scoring, sort_keys=True).encode()).hexdigest()
