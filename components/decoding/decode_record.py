"""One record to one sample: image, class ids, id, slice values, with a reason where that fails."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schemas.config.features import FeatureKeys
from ...schemas.config.labels import LabelSettings
from ...schemas.config.limits import MAX_PIXELS
from ...schemas.errors import SampleError
from ...schemas.records import Failure, Record, Sample
from . import images, masks, tf_examples


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """What a sample is made of.

    input_kind: `image` (decoded here), `encoded` (the file's bytes) or `example` (the record's bytes).
    spatial_rank: 2 for images, 3 for volumes.
    channels: colour channels the model wants, 0 to keep what the file has.
    multi_label: masks may have one channel for each class.
    max_pixels: an image or mask that claims more is refused before it is decoded.
    required: features that a record must have beside those, because a transform reads them.
    """

    features: FeatureKeys
    labels: LabelSettings
    slice_features: tuple[str, ...] = ()
    input_kind: str = "image"
    spatial_rank: int = 2
    channels: int = 0
    multi_label: bool = False
    max_pixels: int = MAX_PIXELS
    required: tuple[str, ...] = ()


def decode(record: Record, settings: DecodeSettings) -> Sample | Failure:
    """Decode one record; what is wrong with it becomes a Failure that names the place."""
    sample_id = None
    lineage = record.lineage
    try:
        example = tf_examples.parse(record.data)
        sample_id = tf_examples.sample_id(example, settings.features.sample_id, f"{lineage.shard}#{lineage.record}")
        slices = tuple(tf_examples.text(example, key) for key in settings.slice_features)
        _check_required(example, settings.required)
        mask, ignored = _mask(example, settings)
        image, bucket = _image(example, record.data, mask, settings)
    except SampleError as error:
        return Failure(lineage, sample_id, error.stage, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - what no decoder foresaw is this record's failure, not the run's
        return Failure(lineage, sample_id, "decode", type(error).__name__, f"decoding failed: {error}")
    return Sample(lineage, sample_id, slices, image, mask, ignored, (bucket, mask.shape, ignored is None))


def _check_required(example: tf_examples.Example, keys: Iterable[str]) -> None:
    for key in keys:
        try:
            tf_examples.values(example, key)
        except SampleError as error:
            raise SampleError(f"{error}. The transform reads it", stage="decode") from error


def _mask(example: tf_examples.Example, settings: DecodeSettings) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    labels, rank = settings.labels, settings.spatial_rank
    stored = masks.stored_values(example, settings.features.mask, settings.max_pixels, rank)
    if stored.size == 0:
        raise SampleError(f"the mask has the shape {list(stored.shape)} and no pixels", stage=masks.STAGE)
    if stored.ndim == rank + 1 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    if stored.ndim == rank:
        return masks.class_ids(stored, labels), None
    if settings.multi_label and stored.ndim == rank + 1 and stored.shape[-1] == len(labels.classes):
        return masks.multi_label(stored, labels)
    extra = f" or one channel for each of the {len(labels.classes)} classes" if settings.multi_label else ""
    msg = f"expected a mask of {rank} spatial axes and one channel{extra}, but it has the shape {list(stored.shape)}"
    raise SampleError(msg, stage=masks.STAGE)


def _image(
    example: tf_examples.Example, data: bytes, mask: NDArray[Any], settings: DecodeSettings
) -> tuple[NDArray[Any] | bytes, tuple[Any, ...]]:
    """The model's input for this sample, and what must be equal for two samples to share a batch."""
    feature, sizes = settings.features.image, mask.shape[: settings.spatial_rank]
    if settings.input_kind == "image":
        image = (
            tf_examples.raw_tensor(example, feature, settings.max_pixels, settings.spatial_rank)
            if feature.raw
            else images.decode(tf_examples.single_bytes(example, feature.key), settings.channels, settings.max_pixels)
        )
        image = _with_channels(image, settings, feature.key)
        _same_size(image.shape[:-1], sizes)
        return image, (image.shape, image.dtype.str)
    if settings.input_kind == "example" and feature.key not in example:
        return data, ()
    encoded = tf_examples.single_bytes(example, feature.key)
    if not feature.raw:
        _same_size(images.size(encoded, settings.max_pixels), sizes)
    return (data if settings.input_kind == "example" else encoded), ()


def _with_channels(image: NDArray[Any], settings: DecodeSettings, key: str) -> NDArray[Any]:
    rank, wanted = settings.spatial_rank, settings.channels
    if image.ndim == rank:
        image = image[..., np.newaxis]
    if image.ndim != rank + 1 or (wanted and image.shape[-1] != wanted):
        channels = f"{wanted} channels" if wanted else "channels"
        msg = f"expected {rank} spatial axes and {channels} in {key!r}, but its shape is {list(image.shape)}"
        raise SampleError(msg, stage="decode")
    return image


def _same_size(image: tuple[int, ...], mask: tuple[int, ...]) -> None:
    if image != mask:
        msg = f"the image is {_times(image)} but its mask is {_times(mask)} (height x width)"
        raise SampleError(msg, stage="decode")


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
