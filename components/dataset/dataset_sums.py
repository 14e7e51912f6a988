"""Sums of a data set, which merge: channels of the images, classes of the masks, sizes and slices.

A sample becomes numbers where it was decoded; samples of a unit become one block, and blocks are what is shuffled.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas.config.labels import LabelSettings
from ...schemas.errors import SampleError
from ...schemas.records import Sample, SampleSums
from ...schemas.slices import ALL
from ..statistics import digest, slicing
from ..statistics.hashing import id_hashes
from ..statistics.slicing import SliceSpec
from . import channel_sums, value_counts
from .channel_sums import ChannelSums, Moments
from .value_counts import ValueCounts

Size = tuple[int | None, int, int, int]
"""Depth (None of images, which have none), height, width, channels."""


@dataclass(frozen=True, slots=True)
class SampleMeasures:
    """What is counted of one sample.

    class_pixels: int64 `[C]`, of the pixels that are not ignored. slices: as in Sample.
    """

    sample_id: str
    slices: tuple[str | None, ...]
    channels: tuple[ChannelSums, ...]
    size: Size
    class_pixels: NDArray[np.int64]
    pixels: int
    ignored_pixels: int


@dataclass(frozen=True, slots=True)
class SliceSums:
    """Samples of a slice, all pixels of their masks, and those that are ignored."""

    n_samples: int = 0
    pixels: int = 0
    ignored_pixels: int = 0


@dataclass(frozen=True, slots=True)
class DatasetSums:
    """What is counted of many samples; `classes` are int64 `[C, 2]`, pixels and samples. See `digest.of_data`."""

    classes: NDArray[np.int64]
    channels: tuple[ChannelSums, ...] = ()
    sizes: Mapping[Size, int] | None = None
    slices: Mapping[str, SliceSums] | None = None
    digest: str = digest.NOTHING


def measure(sample: Sample, labels: LabelSettings) -> SampleMeasures:
    """Count one sample, whose image is an array.

    Raises:
        SampleError: if a pixel of the image is no finite number: it has no mean.
    """
    image, mask = np.asarray(sample.image), sample.mask
    if np.issubdtype(image.dtype, np.floating) and not (finite := np.isfinite(image)).all():
        count = image.size - int(np.count_nonzero(finite))
        msg = f"expected finite numbers in the image, but {count:,} of its {image.size:,} values are not"
        raise SampleError(msg, stage="decode")
    if mask.dtype == bool:
        truth = mask if sample.ignored is None else mask & ~sample.ignored[..., np.newaxis]
        counts = np.count_nonzero(truth.reshape(-1, truth.shape[-1]), axis=0).astype(np.int64)
        ignored = 0 if sample.ignored is None else int(np.count_nonzero(sample.ignored))
        pixels = mask.size // mask.shape[-1]
    else:
        is_bytes = mask.dtype == np.uint8
        every = value_counts.of_bytes(mask) if is_bytes else np.bincount(mask.ravel(), minlength=labels.ignored + 1)
        counts, ignored, pixels = every[: labels.no_class], int(every[labels.ignored]), mask.size
    *spatial, channels = image.shape
    depth, height, width = spatial if len(spatial) == 3 else (None, *spatial)  # noqa: PLR2004
    size = (depth, height, width, channels)
    sums = tuple(channel_sums.of_image(image))
    return SampleMeasures(sample.sample_id, sample.slices, sums, size, counts, pixels, ignored)


def of_samples(
    samples: Sequence[SampleMeasures], specs: Sequence[SliceSpec], features: Sequence[str], n_classes: int
) -> DatasetSums:
    """The sums of some samples.

    Args:
        samples: one at least.
        specs: slice specs without that of `all`.
        features: the columns of the samples' slice values, in order.
        n_classes: of the config.
    """
    counts = np.stack([sample.class_pixels for sample in samples])
    pixels = np.array([(sample.pixels, sample.ignored_pixels) for sample in samples], np.int64)
    sizes: dict[Size, int] = {}
    for sample in samples:
        sizes[sample.size] = sizes.get(sample.size, 0) + 1
    columns = {
        column: pa.array([sample.slices[i] for sample in samples], pa.string()) for i, column in enumerate(features)
    }
    slices: dict[str, SliceSums] = {}
    for spec in ((), *specs):
        names, codes = slicing.groups(spec, columns, len(samples))
        for place, name in enumerate(names):
            of_slice = pixels[codes == place]
            slices[name] = SliceSums(len(of_slice), *map(int, of_slice.sum(0)))
    return DatasetSums(
        np.stack([counts.sum(0), np.count_nonzero(counts, axis=0)], 1).astype(np.int64),
        _merged_channels([sample.channels for sample in samples]),
        sizes,
        slices,
        _digest(samples, counts, pixels, n_classes),
    )


def _digest(
    samples: Sequence[SampleMeasures], counts: NDArray[np.int64], pixels: NDArray[np.int64], n_classes: int
) -> str:
    """That of the data of a run which has scored every class."""
    nothing = np.zeros(counts.shape)
    sums = SampleSums(
        np.zeros_like(counts), np.zeros_like(counts), counts, nothing, nothing, nothing, pixels[:, 0], pixels[:, 1]
    )
    ids = id_hashes([sample.sample_id.encode() for sample in samples])
    return digest.of_data(ids, sums, range(n_classes))


def _merged_channels(parts: Sequence[Sequence[ChannelSums]]) -> tuple[ChannelSums, ...]:
    most = max((len(part) for part in parts), default=0)
    return tuple(channel_sums.merged([part[i] for part in parts if i < len(part)]) for i in range(most))


def merged(parts: Iterable[DatasetSums], n_classes: int) -> DatasetSums:
    """The sums of all parts, of the same classes."""
    parts = list(parts)
    sizes: dict[Size, int] = {}
    slices: dict[str, SliceSums] = {}
    for part in parts:
        for size, count in (part.sizes or {}).items():
            sizes[size] = sizes.get(size, 0) + count
        for name, own in (part.slices or {}).items():
            old = slices.get(name, SliceSums())
            slices[name] = SliceSums(
                old.n_samples + own.n_samples, old.pixels + own.pixels, old.ignored_pixels + own.ignored_pixels
            )
    classes = np.zeros((n_classes, 2), np.int64)
    for part in parts:
        classes += part.classes
    channels = _merged_channels([part.channels for part in parts])
    return DatasetSums(classes, channels, sizes, slices, digest.add(part.digest for part in parts))


def encode(sums: DatasetSums) -> bytes:
    """As JSON, in which floats keep every bit."""
    fields = {
        "classes": sums.classes.tolist(),
        "channels": [_encoded_channel(channel) for channel in sums.channels],
        "sizes": [[*size, count] for size, count in (sums.sizes or {}).items()],
        "slices": [[name, s.n_samples, s.pixels, s.ignored_pixels] for name, s in (sums.slices or {}).items()],
        "digest": sums.digest,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def _encoded_channel(sums: ChannelSums) -> list[Any]:
    counts = [[part.values.tolist(), part.counts.tolist()] for part in (sums.exact, sums.buckets)]
    return [sums.images, *counts, [*sums.moments] if sums.moments.n else []]


def decode(data: bytes) -> DatasetSums:
    """What `encode` made bytes of."""
    fields = json.loads(data)
    return DatasetSums(
        np.array(fields["classes"], np.int64).reshape(-1, 2),
        tuple(_decoded_channel(*channel) for channel in fields["channels"]),
        {(depth, height, width, channels): n for depth, height, width, channels, n in fields["sizes"]},
        {name: SliceSums(*numbers) for name, *numbers in fields["slices"]},
        fields["digest"],
    )


def _decoded_channel(images: int, exact: Any, buckets: Any, moments: list[Any]) -> ChannelSums:  # noqa: ANN401 - JSON
    whole, rounded = (ValueCounts(np.array(v, np.int64), np.array(c, np.int64)) for v, c in (exact, buckets))
    return ChannelSums(images, whole, rounded, Moments(*moments) if moments else Moments())


def nothing(n_classes: int) -> DatasetSums:
    """Sums of no samples: every number is 0, and the slice `all` is there."""
    return DatasetSums(np.zeros((n_classes, 2), np.int64), (), {}, {ALL: SliceSums()})
