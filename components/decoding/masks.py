"""Masks: stored values to class ids, never by way of colours and never dropping a value."""

from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ...schemas.config.features import TensorFeature
from ...schemas.config.labels import LabelSettings
from ...schemas.config.limits import MAX_PIXELS
from ...schemas.errors import SampleError
from . import image_headers, images, pixel_budget, tf_examples

STAGE = "mask"
_TABLE_SIZE = 1 << 16


def stored_values(
    example: tf_examples.Example, feature: TensorFeature, max_pixels: int = MAX_PIXELS, rank: int | None = None
) -> NDArray[Any]:
    """The mask as it is stored: integers `[*S]` or `[*S, channels]`.

    Args:
        example: the record.
        feature: of the mask.
        max_pixels: as in `tf_examples.raw_tensor`.
        rank: the same.

    Raises:
        SampleError: if it cannot be decoded, is a lossy or unknown format, has too many pixels, or holds no integers.
    """
    if feature.raw:
        stored = tf_examples.raw_tensor(example, feature, max_pixels, rank)
        if stored.dtype == bool:
            return stored.astype(np.uint8)
        if np.issubdtype(stored.dtype, np.floating):
            return _whole_numbers(stored, feature.key)
        return stored
    return decode_png_mask(tf_examples.single_bytes(example, feature.key), max_pixels)


def decode_png_mask(data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Class values of a PNG mask: `[H, W]` from grey or palette files, `[H, W, channels]` from others.

    A palette file gives its indexes. A grey file of 1, 2 or 4 bits gives the stored numbers, where the
    decoder would stretch them to 0..255.

    Raises:
        SampleError: if the bytes are no PNG, are damaged, or claim more than `max_pixels`.
    """
    if not data.startswith(image_headers.PNG):
        lossy = " JPEG is lossy and blurs class ids;" if data.startswith(image_headers.JPEG) else ""
        msg = (
            f"expected a PNG mask, but the {len(data)} bytes begin with {data[:8]!r};{lossy} store masks "
            "as PNG or raw tensors"
        )
        raise SampleError(msg, stage=STAGE)
    depth, colour = images.png_header(data, STAGE)
    try:
        claim = image_headers.claim(data)
        if claim is not None:
            pixel_budget.check("the mask", (claim.height, claim.width), max_pixels, STAGE)
        mask = _pixels(data, depth, colour)
    except (tf.errors.OpError, ValueError) as error:
        raise SampleError(f"the mask cannot be decoded: {images.first_line(error)}", stage=STAGE) from error
    pixel_budget.check_decoded("the mask", claim, mask, STAGE)
    return mask


def _pixels(data: bytes, depth: int, colour: int) -> NDArray[Any]:
    if colour == images.PALETTE:
        return images.palette_indexes(data, STAGE)
    if colour == images.GRAY and depth < 8:  # noqa: PLR2004 - bits
        return images.grey_values(data, depth)
    decoded: NDArray[Any] = tf.io.decode_png(data, 0, tf.uint16 if depth == images.SIXTEEN_BITS else tf.uint8).numpy()
    return decoded[..., 0] if decoded.shape[-1] == 1 else decoded


def class_ids(stored: NDArray[Any], labels: LabelSettings) -> NDArray[Any]:
    """Class ids, `labels.no_class` and `labels.ignored` for stored values, in `labels.dtype`.

    Raises:
        SampleError: if a value is no class, is not mapped and is not ignored; the message says which.
    """
    low, high = (int(stored.min()), int(stored.max())) if stored.size else (0, 0)
    if low < 0 or high >= _TABLE_SIZE:
        return _wide_class_ids(stored, labels)
    mapped = _looked_up(stored, _table(labels.model_dump_json()))
    if mapped.size and int(mapped.max()) == _unmapped(labels):
        _refuse(np.unique(stored[mapped == _unmapped(labels)]), labels)
    return mapped.astype(labels.dtype)


def _looked_up(stored: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """The table's entry for each pixel; NumPy would make eight bytes of each pixel of one byte first."""
    if stored.dtype == table.dtype == np.uint8:
        return np.frombuffer(stored.tobytes().translate(table[:256].tobytes()), np.uint8).reshape(stored.shape)
    return table.take(stored)


def _unmapped(labels: LabelSettings) -> int:
    return labels.ignored + 1


@cache
def _table(labels_json: str) -> NDArray[Any]:
    """Class id of every value of 16 bits; one lookup a pixel is the fastest mapping there is."""
    labels = LabelSettings.model_validate_json(labels_json)
    return _map(np.arange(_TABLE_SIZE), labels).astype(np.uint8 if _unmapped(labels) < 256 else np.int32)  # noqa: PLR2004


def _map(stored: NDArray[Any], labels: LabelSettings) -> NDArray[np.int64]:
    stored = stored.astype(np.int64)
    mapped = np.full(stored.shape, _unmapped(labels), np.int64)
    if labels.mask_values:
        for value, class_id in labels.mask_values.items():
            mapped[stored == value] = labels.no_class if class_id is None else class_id
    else:
        shifted = stored + labels.label_offset
        known = (shifted >= 0) & (shifted < len(labels.classes))
        mapped[known] = shifted[known]
    mapped[np.isin(stored, labels.ignore_label)] = labels.ignored
    return mapped


def _wide_class_ids(stored: NDArray[Any], labels: LabelSettings) -> NDArray[Any]:
    mapped = _map(stored, labels)
    if (mapped == _unmapped(labels)).any():
        _refuse(np.unique(stored[mapped == _unmapped(labels)]), labels)
    return mapped.astype(labels.dtype)


def _refuse(unknown: NDArray[Any], labels: LabelSettings) -> None:
    shown = ", ".join(str(value) for value in unknown[:10]) + (", ..." if unknown.size > 10 else "")  # noqa: PLR2004
    if labels.mask_values:
        expected = f"the values in mask_values ({', '.join(map(str, sorted(labels.mask_values)))})"
    else:
        first = -labels.label_offset
        expected = f"class ids {first} to {first + len(labels.classes) - 1}"
    ignored = f" or an ignored value ({', '.join(map(str, labels.ignore_label))})" if labels.ignore_label else ""
    msg = (
        f"the mask holds {shown}; expected {expected}{ignored}. Map such values with mask_values, or name "
        "them in ignore_label"
    )
    raise SampleError(msg, stage=STAGE)


def multi_label(stored: NDArray[Any], labels: LabelSettings) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Truth of a mask with one channel for each class, and the pixels that do not count.

    Args:
        stored: `[*S, C]`; after mapping every value is 0 (not this class), null (the same) or 1.
        labels: `ignore_label` in any channel makes the pixel not count for any class.

    Returns:
        bool `[*S, C]` and bool `[*S]`, None where no pixel is ignored.

    Raises:
        SampleError: if a value is neither 0 nor 1 after mapping.
    """
    usable = {value: to for value, to in labels.mask_values.items() if to in (None, 0, 1)}
    if labels.mask_values and not usable:
        raise SampleError(
            "mask_values maps no value to 0 or 1, which a mask with one channel a class needs", stage=STAGE
        )
    binary = labels.model_copy(update={"classes": ("absent", "present"), "mask_values": usable})
    ids = class_ids(stored, binary)
    ignored = (ids == binary.ignored).any(-1)
    return ids == 1, ignored if ignored.any() else None


def _whole_numbers(stored: NDArray[Any], key: str) -> NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        whole = stored.astype(np.int64)
    if not np.array_equal(whole, stored):
        msg = f"expected class ids in the mask {key!r}, but it holds values that are no whole numbers"
        raise SampleError(msg, stage=STAGE)
    return whole
