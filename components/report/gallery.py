"""Cards of a page: samples read again from their shards, predicted again, and drawn. Nothing here fails the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schemas.errors import SampleError
from ...schemas.records import Failure, Record, Sample
from ..decoding import decode_record, images, tf_examples
from ..decoding.decode_record import DecodeSettings
from ..model import predictor as predictions
from ..model.predictor import Predicted, Predictor
from ..reading import record_reader
from . import outlines, thumbnails
from .gallery_samples import ClassScore, ShownSample

GONE = "The image cannot be shown: "
_ROOM, _NEAREST = 1.4, 1 / 8
"""Around a class that is seen near: how much larger the part is than the class, and the smallest part of a side."""
_TRUTH, _IGNORED, _NOW, _BEFORE = "truth", "ignored", "now", "before"


@dataclass(frozen=True, slots=True)
class ShownModel:
    """A model and how its samples are decoded; a text in the model's place says why there is none."""

    decode: DecodeSettings
    model: Predictor | str


@dataclass(frozen=True, slots=True)
class Card:
    """A sample with what could be drawn of it.

    image: a data: address, None where nothing could be read. width, height: of the mask, which `paths` are in.
    near: x, y, width and height of the part in which the class is true or predicted, in the picture's proportions.
    paths: outlines by layer: truth, ignored, before, now; layers that could not be made are not there.
    notes: what is to be said of the picture, why it is missing first.
    """

    shown: ShownSample
    image: str | None = None
    width: int = 0
    height: int = 0
    paths: dict[str, str] | None = None
    notes: tuple[str, ...] = ()
    near: tuple[int, ...] = ()


def cards(samples: Sequence[ShownSample], now: ShownModel, before: ShownModel | None) -> list[Card]:
    """A card for each sample, in order.

    Args:
        samples: what is to be shown.
        now: the run's model.
        before: the baseline's, None without one.
    """
    found = record_reader.read_places(shown.lineage for shown in samples)
    return [_card(shown, found[shown.lineage], now, before) for shown in samples]


def _card(shown: ShownSample, record: Record | str, now: ShownModel, before: ShownModel | None) -> Card:
    if isinstance(record, str):
        return Card(shown, notes=(f"{GONE}{record}.",))
    sample = decode_record.decode(record, now.decode)
    if isinstance(sample, Failure):
        return Card(shown, notes=(f"{GONE}{sample.message}.",))
    if sample.sample_id != shown.sample_id:
        return Card(shown, notes=(f"{GONE}another sample stands there now; the shard has changed since.",))
    layers, notes = _layers(shown, record, sample, now, before)
    image = _image(record, now.decode, sample)
    if isinstance(image, str):
        notes.append(image)
        image = np.full((*sample.mask.shape[: now.decode.spatial_rank], 1), 128, np.uint8)
    if now.decode.spatial_rank > 2:  # noqa: PLR2004 - a volume
        depth = _depth(layers)
        layers = {name: mask[depth] for name, mask in layers.items()}
        notes.append(f"Slice {depth + 1} of {len(image)} along the first axis, the one with most errors.")
        image = image[depth]
    return _drawn(shown, image, layers, notes)


def _drawn(shown: ShownSample, image: NDArray[Any], layers: dict[str, NDArray[np.bool_]], notes: list[str]) -> Card:
    drawn = {name: outlines.outline(mask) for name, mask in layers.items()}
    coarse = max((outline.step for name, outline in drawn.items() if name != _IGNORED), default=1)
    if coarse > 1:
        notes.append(f"Outlines are drawn on a grid of {coarse} pixels.")
    height, width = image.shape[:2]
    paths = {name: outline.path for name, outline in drawn.items()}
    return Card(shown, thumbnails.data_uri(image), width, height, paths, tuple(notes), _near(layers, height, width))


def _near(layers: dict[str, NDArray[np.bool_]], height: int, width: int) -> tuple[int, ...]:
    """The smallest part, in the picture's proportions, with every pixel of the class, true or predicted, and some room.

    The whole where there are none.
    """
    seen = np.logical_or.reduce([mask for name, mask in layers.items() if name != _IGNORED])
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return 0, 0, width, height
    middle_y, middle_x = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    part = max((rows[-1] - rows[0] + 1) / height, (columns[-1] - columns[0] + 1) / width)
    part = min(1.0, max(_ROOM * part, _NEAREST))
    box_width, box_height = max(1, round(part * width)), max(1, round(part * height))
    left = min(max(round(middle_x - box_width / 2), 0), width - box_width)
    top = min(max(round(middle_y - box_height / 2), 0), height - box_height)
    return left, top, box_width, box_height


def _layers(
    shown: ShownSample, record: Record, sample: Sample, now: ShownModel, before: ShownModel | None
) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
    """Masks of the class that is shown, and what is to be said of them."""
    class_id, notes = shown.focus.class_id, list[str]()
    ignored = predictions.ignored(sample, now.decode.labels)
    layers = {_TRUTH: predictions.truth(sample, class_id) & ~ignored, _IGNORED: ignored}
    ours = _predicted(now, sample, class_id)
    if isinstance(ours, str):
        notes.append(f"No prediction of this run: {ours}.")
    else:
        layers[_NOW] = ours & ~ignored
        notes += _differences(shown.focus, layers[_TRUTH], layers[_NOW])
    if before is not None:
        theirs = _of_baseline(before, record, shown.focus)
        if isinstance(theirs, str):
            notes.append(f"No prediction of the baseline: {theirs}.")
        elif theirs.shape == ignored.shape:
            layers[_BEFORE] = theirs & ~ignored
    return layers, notes


def _of_baseline(before: ShownModel, record: Record, focus: ClassScore) -> NDArray[np.bool_] | str:
    if focus.state_before is None:
        return "it has not scored this sample"
    sample = decode_record.decode(record, before.decode)
    if isinstance(sample, Failure):
        return sample.message
    names = before.decode.labels.classes
    return _predicted(before, sample, names.index(focus.name)) if focus.name in names else "it has no such class"


def _predicted(predictor: ShownModel, sample: Sample, class_id: int) -> NDArray[np.bool_] | str:
    if isinstance(predictor.model, str):
        return predictor.model
    try:
        found: Predicted = predictor.model.predict(sample)
        return found.of(class_id)
    except SampleError as error:
        return str(error)


def _differences(focus: ClassScore, truth: NDArray[np.bool_], now: NDArray[np.bool_]) -> list[str]:
    """Whether record and model still give what the tables say."""
    if int(truth.sum()) != focus.true_positives + focus.false_negatives:
        return ["The true mask is not the one that was scored: the shard has changed since."]
    counts = [int(np.sum(part)) for part in (truth & now, ~truth & now)]
    if counts != [focus.true_positives, focus.false_positives]:
        return ["The model's prediction differs now from the one that was scored, by some pixels at least."]
    return []


def _depth(layers: dict[str, NDArray[np.bool_]]) -> int:
    """The place on the first axis with most errors, or most truth where there is no prediction."""
    wrong = layers[_TRUTH] ^ layers[_NOW] if _NOW in layers else layers[_TRUTH]
    return int(np.argmax(wrong.sum(axis=(1, 2))))


def _image(record: Record, settings: DecodeSettings, sample: Sample) -> NDArray[Any] | str:
    """The image `[*S, channels]` as the record has it, or why it cannot be shown."""
    if not isinstance(sample.image, bytes):
        return sample.image
    feature, rank = settings.features.image, settings.spatial_rank
    try:
        example = tf_examples.parse(record.data)
        if feature.raw:
            found = tf_examples.raw_tensor(example, feature, settings.max_pixels, rank)
        else:
            found = images.decode(tf_examples.single_bytes(example, feature.key), 0, settings.max_pixels)
    except SampleError as error:
        return f"{GONE}{error}."
    found = found[..., np.newaxis] if found.ndim == rank else found
    return found if found.ndim == rank + 1 else f"{GONE}its shape is {list(found.shape)}."
