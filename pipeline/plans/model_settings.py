"""From a config to how samples are decoded and how the model is fed."""

from ...components.decoding.decode_record import DecodeSettings
from ...components.model.agreement import Agreement
from ...components.model.fingerprints import transform_fingerprint
from ...components.storage import filesystems
from ...schemas.config.config import Config
from ...schemas.config.model import ModelSettings

IMAGE, VOLUME = 2, 3
"""Spatial axes."""


def decode_settings(config: Config, agreement: Agreement) -> DecodeSettings:
    """What the samples of a config are made of, for a model of which this is agreed."""
    every = tuple(range(len(config.classes)))
    return DecodeSettings(
        features=config.features,
        labels=config.labels,
        slice_features=config.slice_features,
        input_kind=config.input.kind,
        spatial_rank=agreement.spatial_rank,
        channels=agreement.channels,
        multi_label=not config.model_settings.exclusive and agreement.scored == every,
        max_pixels=config.max_pixels,
        required=agreement.required,
    )


def without_model(config: Config, spatial_rank: int | None = None) -> DecodeSettings:
    """What the samples of a config are made of where no model says it: images as they are, decoded here.

    A mask with one channel for each class is read where the config's model gives each class a probability of its own.

    Args:
        config: of an evaluation or an analysis.
        spatial_rank: 2 for images, 3 for volumes; None to take what the shapes in the config say, images where they
            say nothing. The first records say more, see `first_records.stored_images`.
    """
    return DecodeSettings(
        features=config.features,
        labels=config.labels,
        slice_features=config.slice_features,
        spatial_rank=_spatial_rank(config) if spatial_rank is None else spatial_rank,
        multi_label=not config.model_settings.exclusive,
        max_pixels=config.max_pixels,
    )


def _spatial_rank(config: Config) -> int:
    """By the mask, whose last axis is of classes or of one value where it is not spatial; else by the image."""
    image, mask = config.features.image.shape, config.features.mask.shape
    if isinstance(mask, tuple):
        of_classes = not config.model_settings.exclusive and mask[-1] == len(config.classes)
        return VOLUME if len(mask) - (of_classes or mask[-1] == 1) >= VOLUME else IMAGE
    return VOLUME if isinstance(image, tuple) and len(image) > VOLUME else IMAGE


def model_settings(config: Config) -> ModelSettings:
    """How the model is fed and read, its paths as a worker in any directory can open them."""
    model = config.model_settings
    of_input = {"transform": filesystems.absolute(model.input.transform)} if model.input.transform else {}
    update = {"path": filesystems.absolute(model.path), "input": model.input.model_copy(update=of_input)}
    return model.model_copy(update=update)


def fingerprint_of_transform(model: ModelSettings) -> str | None:
    """The fingerprint of the transform that stands before a model, None where none does."""
    return transform_fingerprint(model.input.transform) if model.input.transform else None
