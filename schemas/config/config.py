"""The configuration: every key of the YAML file, checked as a whole before anything runs."""

import hashlib
import json
from collections.abc import Collection
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from ..slices import ANY, FOREGROUND
from ..tables import SLICE_FEATURES
from . import features as feature_contract
from . import foreground as foregrounds
from .features import FeatureKeys
from .gate import OF_THE_RUN, GateConfig
from .labels import IgnoreLabels, LabelOffset, LabelSettings, MaskValues
from .limits import BATCH_TIMEOUT_SECONDS, MAX_PIXELS, SHARD_SPLIT_BYTES
from .model import InputSettings, ModelSettings, OutputKind
from .settings import Integer, Number, Settings
from .statistics import BootstrapConfig, SliceSpecs

OF_THE_TABLES = ("slices", "cluster", "bootstrap", "foreground", "max_failed_fraction")
"""Keys that decide what is made of the rows of `samples`, and can be others in a summary."""
_OF_THE_WORK = {"batch_size", "batch_timeout_seconds", "shard_split_bytes"}
NOT_SCORING = {"examples", "model", "output", "gate", *_OF_THE_WORK, *OF_THE_TABLES}
"""Keys that do not decide the rows of `samples`, or that have a fingerprint of their own. Of `slices` and `cluster`
the features do, each of which is a column; how they are crossed and binned does not."""


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


class Config(Settings):
    """One evaluation. Paths are relative to the working directory; see docs/guide/config.md for every key."""

    examples: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_tuple)]
    model: str = Field(min_length=1)
    output: str = Field(min_length=1)
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    features: Annotated[FeatureKeys, BeforeValidator(_keys)] = feature_contract.PRESETS["deeplab"]
    ignore_label: IgnoreLabels = ()
    mask_values: MaskValues = Field(default_factory=dict)
    label_offset: LabelOffset = 0
    input: InputSettings = InputSettings()
    output_kind: OutputKind = "softmax"
    output_name: str | None = None
    threshold: Number = Field(default=0.5, ge=0, lt=1)
    slices: SliceSpecs = ()
    cluster: str | None = Field(default=None, min_length=1)
    bootstrap: BootstrapConfig = BootstrapConfig()
    batch_size: Integer = Field(default=16, gt=0, le=1 << 16)
    shard_split_bytes: Integer = Field(default=SHARD_SPLIT_BYTES, gt=0, le=1 << 62)
    foreground: tuple[str, ...] | None = None
    max_pixels: Integer = Field(default=MAX_PIXELS, gt=0)
    max_failed_fraction: Number = Field(default=0.0, ge=0, le=1)
    batch_timeout_seconds: Number = Field(default=BATCH_TIMEOUT_SECONDS, gt=0, le=1_000_000)
    gate: GateConfig = GateConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        _ = self.labels
        unknown = sorted(set(self.foreground or ()) - set(self.classes))
        if unknown or self.foreground == ():
            msg = f"foreground: expected names from {list(self.classes)}, but got {unknown or 'none'}"
            raise ValueError(msg)
        if self.foreground is None and not foregrounds.guess(self.classes):
            raise ValueError(foregrounds.all_background(self.classes))
        names = [[part.feature for part in spec] for spec in self.slices]
        repeated = [spec for spec in names if names.count(spec) > 1 or len(set(spec)) < len(spec)]
        if repeated:
            msg = f"slices: {repeated[0]} is there twice, or crosses a feature with itself"
            raise ValueError(msg)
        self._check_gate()
        return self

    def _check_gate(self) -> None:
        known = {*self.classes, FOREGROUND, ANY}
        for place, check in enumerate(self.gate.checks):
            if check.class_name not in known:
                msg = (
                    f"gate.checks.{place}.class: expected {ANY!r}, {FOREGROUND!r} or one of {list(self.classes)}, "
                    f"but got {check.class_name!r}"
                )
                raise ValueError(msg)
            of_foreground = check.class_name == FOREGROUND not in self.classes and check.metric not in OF_THE_RUN
            if of_foreground and self.foreground is None and not foregrounds.background(self.classes):
                msg = f"gate.checks.{place}.class: {foregrounds.must_be_set(self.classes)}"
                raise ValueError(msg)
        for place, drift in enumerate(self.gate.drift):
            if drift.class_name not in {*self.classes, ANY}:
                msg = (
                    f"gate.drift.{place}.class: expected {ANY!r} or one of {list(self.classes)}, "
                    f"but got {drift.class_name!r}"
                )
                raise ValueError(msg)

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
        """How the model is fed and read, its paths as they are in the config."""
        return ModelSettings(
            path=self.model,
            input=self.input,
            output_kind=self.output_kind,
            output_name=self.output_name,
            threshold=self.threshold,
        )

    @property
    def slice_features(self) -> tuple[str, ...]:
        """The features that any slice or the clusters need, each once, sorted: their order makes no other columns."""
        named = {part.feature for spec in self.slices for part in spec}
        return tuple(sorted(named | ({self.cluster} if self.cluster else set())))

    @property
    def foreground_ids(self) -> tuple[int, ...]:
        """Classes in the mean; without `foreground` all that are not named like a background."""
        return tuple(self.classes.index(name) for name in self.foreground or foregrounds.guess(self.classes))

    def foreground_says(self, scored: Collection[int]) -> str | None:
        """What to say of a foreground that was guessed, of the class ids that are scored; None for one that was not."""
        return None if self.foreground is not None else foregrounds.says(self.classes, scored)

    @property
    def with_foreground(self) -> "Config":
        """The same with its foreground named, in the order of the classes.

        So a run keeps it: what its tables were made with does not depend on how a later version guesses.
        """
        return self.model_copy(update={"foreground": tuple(self.classes[i] for i in sorted(set(self.foreground_ids)))})

    @property
    def scoring(self) -> str:
        """Everything that decides the rows of `samples`, but for the model, its transform and the data, as JSON."""
        keys = self.model_dump(mode="json", exclude=NOT_SCORING)
        keys["input"].pop("transform")
        if not self.input.feed:  # a config without it has the fingerprint that it had before there were transforms
            keys["input"].pop("feed")
        return json.dumps({**keys, SLICE_FEATURES: self.slice_features}, sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `scoring`: attempts of one run share it."""
        return hashlib.sha256(self.scoring.encode()).hexdigest()
