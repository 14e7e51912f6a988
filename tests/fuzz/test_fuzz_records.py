"""Damaged shards, records, images and masks: a sample or a failure, and never a wrong sample."""

import gzip
import io
import random

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.decoding import decode_record, image_headers, images, masks, tf_examples
from dicebeam.components.decoding.decode_record import DecodeSettings
from dicebeam.components.reading import tfrecord
from dicebeam.components.samples import sample_rows
from dicebeam.schemas import records
from dicebeam.schemas.config.features import PRESETS, FeatureKeys
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.errors import SampleError
from dicebeam.schemas.records import Failure, Lineage, Sample
from tests.fuzz import corpus, mutations
from tests.fuzz.driver import Target, fuzz

BUDGET = 1 << 16
"""Pixels; enough for what the corpus holds, and damage that claims more is refused at once."""


def shard(rng: random.Random) -> bytes:
    data = mutations.damaged_shard(rng, [*corpus.ENCODED_RECORDS, b"", b"x" * 40])
    if rng.random() < 0.2:
        packed = gzip.compress(data, mtime=0)
        return mutations.damaged(rng, packed) if rng.random() < 0.8 else packed
    return data


def check_shard(data: bytes, _: random.Random) -> None:
    """Indexes count up, offsets follow each other to the end, records are what stands there."""
    zipped = data.startswith(b"\x1f\x8b")
    file = gzip.GzipFile(fileobj=io.BytesIO(data)) if zipped else io.BytesIO(data)
    items = list(tfrecord.records(file, "s"))
    end = 0
    for i, item in enumerate(items):
        assert item.lineage == Lineage("s", i, item.lineage.byte_offset)
        assert (item.lineage.byte_offset == end) if i and isinstance(items[i - 1], records.Record) else True
        assert item.lineage.byte_offset >= end
        assert i == len(items) - 1 or not (isinstance(item, Failure) and item.ends_shard)
        end = item.end if isinstance(item, records.Record) else item.lineage.byte_offset
        if isinstance(item, records.Record) and not zipped:
            assert data[item.lineage.byte_offset : item.end] == tfrecord.frame(item.data)
    if not zipped and not (items and isinstance(items[-1], Failure)):
        assert end == len(data)


def test_damaged_shards() -> None:
    fuzz(Target("tfrecord", 3000, 0.1), shard, check_shard)


RAW = FeatureKeys.model_validate(
    {"image": {"key": "image", "shape": "image_shape"}, "mask": {"key": "mask", "shape": "shape"}}
)
FIXED = FeatureKeys.model_validate(
    {"image": {"key": "image", "shape": [8, 7, 3], "dtype": "float32"},
     "mask": {"key": "mask", "shape": [8, 7], "dtype": "int64"}}
)  # fmt: skip
LABELS = LabelSettings(classes=("a", "b", "c"), ignore_label=(255,))
WIDE = LabelSettings(classes=tuple("abcdef"), mask_values={0: 0, 1: 3, 2: None, 38: 1, 75: 2})
SETTINGS = [
    DecodeSettings(features, labels, ("site", "age"), kind, 2, channels, multi_label=multi, max_pixels=BUDGET)
    for features, kind, channels in [
        (PRESETS["deeplab"], "image", 3), (PRESETS["deeplab"], "image", 0), (PRESETS["deeplab"], "image", 1),
        (PRESETS["deeplab"], "encoded", 3), (PRESETS["deeplab"], "example", 3),
        (RAW, "image", 3), (FIXED, "image", 0), (RAW, "example", 0),
    ]
    for labels, multi in [(LABELS, False), (WIDE, False), (LABELS, True)]
]  # fmt: skip
STAGES = {"read", "decode", "mask"}


def record(rng: random.Random) -> bytes:
    """Damaged as bytes, or rightly encoded around a damaged image or mask."""
    if rng.random() < 0.25:
        mask = rng.choice((corpus.MASKS[0], corpus.OTHER_SIZE))
        features = {"image/encoded": rng.choice(corpus.IMAGES), "image/segmentation/class/encoded": mask}
        key = rng.choice([*features, ""])
        if key:
            features[key] = mutations.damaged_image(rng, corpus.IMAGES if key == "image/encoded" else corpus.MASKS)
        return corpus.example_of(features)
    known = rng.choice((corpus.ENCODED_RECORDS, corpus.RAW_RECORDS))
    if rng.random() < 0.5:
        return mutations.damaged_features(rng, rng.choice(known))
    return mutations.damaged(rng, rng.choice(known), known)


def check_record(data: bytes, rng: random.Random) -> None:
    """A sample of the sizes that its settings ask for, or a failure, both fit for the tables."""
    check_parse(data)
    fitting = [s for s in SETTINGS if s.features.image.key.encode() in data]
    settings = rng.choice(fitting or SETTINGS)
    outcome = decode_record.decode(records.Record(Lineage("s", 0, 0), data, len(data)), settings)
    if isinstance(outcome, Failure):
        assert outcome.stage in STAGES
        sample_rows.failure_table([outcome])
        return
    assert isinstance(outcome, Sample)
    outcome.sample_id.encode()
    assert outcome.sample_id
    assert len(outcome.slices) == 2
    assert all(value is None or value.encode() is not None for value in outcome.slices)
    sizes = outcome.mask.shape[:2]
    assert 0 < np.prod(sizes) <= BUDGET
    if outcome.mask.dtype == bool:
        assert outcome.mask.shape == (*sizes, len(settings.labels.classes))
        assert outcome.ignored is None or outcome.ignored.shape == sizes
    else:
        assert outcome.mask.ndim == 2
        assert outcome.mask.dtype == settings.labels.dtype
        assert int(outcome.mask.max()) <= settings.labels.ignored
    if isinstance(outcome.image, np.ndarray):
        assert outcome.image.shape[:-1] == sizes
        assert outcome.image.shape[-1] == (settings.channels or outcome.image.shape[-1])


def check_parse(data: bytes) -> None:
    """What protobuf reads is read the same, or refused."""
    try:
        found = tf_examples.parse(data)
    except SampleError:
        return
    try:
        known = tf.train.Example.FromString(data).features.feature
    except Exception:  # noqa: BLE001 - protobuf refuses more than tfrecord-lite does
        return
    lists = {key: getattr(feature, feature.WhichOneof("kind") or "bytes_list").value for key, feature in known.items()}
    assert set(found) == {key for key, values in lists.items() if values}
    for key, values in found.items():
        if isinstance(values, list):
            assert values == list(lists[key])
        else:
            np.testing.assert_array_equal(values, np.array(lists[key], values.dtype))


def test_damaged_records() -> None:
    fuzz(Target("record", 2500, 0.35), record, check_record)


def check_image(data: bytes, rng: random.Random) -> None:
    """An image of the size that its header says and with the channels that were asked for, or a SampleError."""
    channels = rng.choice((0, 1, 3, 4))
    try:
        size = images.size(data, BUDGET)
    except SampleError:
        size = None
    try:
        image = images.decode(data, channels, BUDGET)
    except SampleError:
        return
    assert image.ndim == 3
    assert image.dtype in (np.uint8, np.uint16)
    assert image.shape[:2] == (size or image.shape[:2])
    as_it_is = channels == 0 or data.startswith(image_headers.GIF)  # TensorFlow's GIF decoder gives colours alone
    assert as_it_is or image.shape[-1] == channels


def check_mask(data: bytes, _: random.Random) -> None:
    try:
        mask = masks.decode_png_mask(data, BUDGET)
    except SampleError:
        return
    assert mask.shape[:2] == images.size(data, BUDGET)
    assert np.issubdtype(mask.dtype, np.integer)


@pytest.mark.parametrize(
    ("name", "known", "check"), [("image", corpus.IMAGES, check_image), ("mask", corpus.MASKS, check_mask)]
)
def test_damaged_images_and_masks(name, known, check) -> None:
    fuzz(Target(name, 1500, 0.1), lambda rng: mutations.damaged_image(rng, known), check)
