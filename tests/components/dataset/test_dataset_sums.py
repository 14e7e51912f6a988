"""Sums of samples: hand-worked ones, any sharding, and what a block is as bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.dataset import channel_sums, dataset_sums
from dicebeam.components.statistics import digest
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.errors import SampleError
from dicebeam.schemas.records import Lineage, Sample

LABELS = LabelSettings(classes=("a", "b", "c"), ignore_label=255)
SITE = SliceFeature("site", "site")
SPECS = ((SITE,), (SITE, SliceFeature("age", "age", (40.0, 60.0))))


def sample(image, mask, ignored=None, name="s", slices=("A", "41")):
    return Sample(Lineage("f", 0, 0), name, slices, np.asarray(image), np.asarray(mask), ignored, ())


def measures(count=9, seed=1):
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        height, width = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        image = rng.integers(0, 256, (height, width, int(rng.choice([1, 3]))), np.uint8)
        slices = (["A", "B", None][number % 3], [None, "39", "60"][number % 2])
        found.append(sample(image, rng.integers(0, 5, (height, width), np.uint8), name=f"s{number}", slices=slices))
    return [dataset_sums.measure(each, LABELS) for each in found]


def of(samples):
    return dataset_sums.of_samples(samples, SPECS, ("site", "age"), 3)


def test_a_pixel_of_no_class_counts_and_an_ignored_one_does_not():
    mask = np.array([[0, 0, 2], [LABELS.no_class, LABELS.ignored, LABELS.ignored]], np.uint8)
    found = dataset_sums.measure(sample(np.zeros((2, 3, 1), np.uint8), mask), LABELS)
    assert found.class_pixels.tolist() == [2, 0, 1]
    assert (found.pixels, found.ignored_pixels, found.size) == (6, 2, (None, 2, 3, 1))


def test_classes_of_more_than_a_byte():
    labels = LabelSettings(classes=tuple(f"c{i}" for i in range(300)))
    mask = np.array([[299, 299, labels.ignored]], np.uint16)
    found = dataset_sums.measure(sample(np.zeros((1, 3, 1), np.uint8), mask), labels)
    assert (found.class_pixels[299], found.class_pixels.sum(), found.ignored_pixels) == (2, 2, 1)


def test_of_a_mask_with_a_channel_for_each_class_ignored_pixels_are_of_no_class():
    mask = np.array([[[1, 1, 0], [0, 1, 0]]], bool)
    found = dataset_sums.measure(sample(np.zeros((1, 2, 1), np.uint8), mask, np.array([[True, False]])), LABELS)
    assert found.class_pixels.tolist() == [0, 1, 0]
    assert (found.pixels, found.ignored_pixels) == (2, 1)


def test_a_volume_has_a_depth():
    found = dataset_sums.measure(sample(np.zeros((2, 3, 4, 1)), np.zeros((2, 3, 4), np.uint8)), LABELS)
    assert found.size == (2, 3, 4, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_image_with_a_number_that_is_not_finite_fails(bad):
    image = np.array([[[0.5], [bad]]], np.float32)
    with pytest.raises(SampleError, match=r"expected finite numbers in the image, but 1 of its 2 values are not"):
        dataset_sums.measure(sample(image, [[0, 0]]), LABELS)


def test_slices_and_their_crosses_are_named_as_in_the_table_classes():
    found = of(measures())
    assert found.slices["all"].n_samples == 9
    assert {name: s.n_samples for name, s in found.slices.items() if "/" not in name} == {
        "all": 9, "site=A": 3, "site=B": 3, "site=NULL": 3
    }  # fmt: skip
    assert {"site=A/age=NULL", "site=A/age=[-inf,40)"} < set(found.slices)


@given(st.lists(st.integers(0, 3), min_size=9, max_size=9))
def test_any_sharding_gives_the_same_sums(shards):
    samples = measures()
    whole = of(samples)
    parts = [[s for s, shard in zip(samples, shards, strict=True) if shard == number] for number in range(4)]
    found = dataset_sums.merged([of(part) for part in parts if part], 3)
    assert found.classes.tolist() == whole.classes.tolist()
    assert (found.sizes, found.slices, found.digest) == (whole.sizes, whole.slices, whole.digest)
    for ours, theirs in zip(found.channels, whole.channels, strict=True):
        assert channel_sums.statistics(ours) == channel_sums.statistics(theirs)


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_a_block_is_read_back_as_it_was(kind):
    rng = np.random.default_rng(0)
    image = rng.normal(0, 9, (4, 5, 2)).astype(kind)
    block = of([dataset_sums.measure(sample(image, np.zeros((4, 5), np.uint8), slices=("é/=\x07", None)), LABELS)])
    again = dataset_sums.decode(dataset_sums.encode(block))
    assert dataset_sums.encode(again) == dataset_sums.encode(block)
    assert [channel_sums.statistics(c) for c in again.channels] == [channel_sums.statistics(c) for c in block.channels]


def test_no_samples():
    found = dataset_sums.decode(dataset_sums.encode(dataset_sums.nothing(3)))
    assert found.classes.tolist() == [[0, 0]] * 3
    assert found.slices["all"].n_samples == 0
    assert found.digest == digest.NOTHING


def test_images_of_other_channels_are_counted_where_they_have_one():
    found = of(measures())
    colour = sum(1 for each in measures() if each.size[3] == 3)
    assert [channel.images for channel in found.channels] == [9, colour, colour]
