"""One record to one sample, or to a failure that says where and why."""

import numpy as np
import pytest

from dicebeam.components.decoding.decode_record import DecodeSettings, decode
from dicebeam.schemas.config.features import PRESETS, FeatureKeys, TensorFeature
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.records import Failure, Lineage, Record, Sample
from tests.support.builders import example, png, sample

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
MASK = np.array([[0, 1, 2, 0, 0, 0]] * 4, np.uint8)
LABELS = LabelSettings(classes=("a", "b", "c"), ignore_label=255)
RAW = FeatureKeys(
    image=TensorFeature(key="image", shape="shape", dtype="float32"),
    mask=TensorFeature(key="mask", shape="mask_shape"),
)


def run(data, features=PRESETS["deeplab"], **more):
    settings = DecodeSettings(**{"features": features, "labels": LABELS, **more})
    return decode(Record(Lineage("shard", 3, 70), data, 99), settings)


def failed(data, *args, **more):
    outcome = run(data, *args, **more)
    assert isinstance(outcome, Failure), "it was decoded"
    assert outcome.lineage == Lineage("shard", 3, 70)
    return outcome


def raw(image, mask, **more):
    return example(
        image=np.asarray(image, "<f4").tobytes(), shape=list(np.shape(image)),
        mask=np.asarray(mask, np.uint8).tobytes(), mask_shape=list(np.shape(mask)), **more,
    )  # fmt: skip


def test_a_record_of_the_deeplab_preset():
    found = run(sample(IMAGE, MASK, "x.png"))
    assert isinstance(found, Sample)
    assert (found.lineage, found.sample_id, found.slices, found.ignored) == (Lineage("shard", 3, 70), "x.png", (), None)
    np.testing.assert_array_equal(found.image, IMAGE)
    np.testing.assert_array_equal(found.mask, MASK)


def test_a_record_of_the_tfds_preset():
    data = example(image=png(IMAGE), segmentation_mask=png(MASK), file_name="y")
    found = run(data, PRESETS["tfds"])
    assert found.sample_id == "y"
    np.testing.assert_array_equal(found.mask, MASK)


def test_a_record_without_a_name_is_named_by_its_place():
    data = example(image__encoded=png(IMAGE), image__segmentation__class__encoded=png(MASK))
    assert run(data).sample_id == "shard#3"


def test_slice_values_with_one_that_is_missing():
    found = run(sample(IMAGE, MASK, site="north", age=7), slice_features=("age", "none", "site"))
    assert found.slices == ("7", None, "north")


def test_a_slice_feature_of_several_values_fails_the_sample():
    failure = failed(sample(IMAGE, MASK, site=["a", "b"]), slice_features=("site",))
    assert (failure.sample_id, failure.stage) == ("a.png", "read")
    assert failure.message == "expected one value in 'site', but it holds 2"


def test_ignored_pixels():
    assert run(sample(IMAGE, np.where(MASK == 2, 255, MASK))).mask.max() == LABELS.ignored


# what differs


def test_image_and_mask_of_different_sizes():
    failure = failed(sample(IMAGE, MASK[:3]))
    assert failure.message == "the image is 4 x 6 but its mask is 3 x 6 (height x width)"
    assert (failure.stage, failure.error, failure.sample_id) == ("decode", "SampleError", "a.png")


@pytest.mark.parametrize("kind", ["encoded", "example"])
def test_sizes_are_compared_where_the_model_decodes_the_image(kind):
    assert "the image is 4 x 6 but its mask is 6 x 4" in failed(sample(IMAGE, MASK.T), input_kind=kind).message


def test_a_transposed_pair_is_no_pair():
    assert "the image is 4 x 6 but its mask is 6 x 4" in failed(sample(IMAGE, MASK.T)).message


@pytest.mark.parametrize(("channels", "has"), [(0, 1), (1, 1), (3, 3)])
def test_a_grey_image_gets_the_channels_the_model_wants(channels, has):
    assert run(sample(IMAGE[..., 0], MASK), channels=channels).image.shape == (4, 6, has)


def test_raw_tensors_are_not_converted_to_other_channels():
    failure = failed(raw(np.zeros((2, 2, 4)), [[0, 1], [1, 0]]), RAW, channels=3)
    assert failure.message == "expected 2 spatial axes and 3 channels in 'image', but its shape is [2, 2, 4]"


def test_a_raw_image_without_a_channel_axis_gets_one():
    found = run(raw([[0.5, 1], [1, 0]], [[0, 1], [1, 0]]), RAW, channels=1)
    assert (found.image.shape, found.image.dtype) == ((2, 2, 1), np.float32)


# volumes


def test_a_volume():
    found = run(raw(np.zeros((2, 3, 4, 1)), np.zeros((2, 3, 4))), RAW, spatial_rank=3, channels=1)
    assert (found.image.shape, found.mask.shape) == ((2, 3, 4, 1), (2, 3, 4))


def test_a_volume_without_channels_and_a_mask_with_one():
    found = run(raw(np.zeros((2, 3, 4)), np.zeros((2, 3, 4, 1))), RAW, spatial_rank=3)
    assert (found.image.shape, found.mask.shape) == ((2, 3, 4, 1), (2, 3, 4))


def test_a_volume_where_an_image_is_wanted():
    failure = failed(raw(np.zeros((2, 3, 4)), np.zeros((2, 3, 4))), RAW)
    assert "expected a mask of 2 spatial axes and one channel, but it has the shape [2, 3, 4]" in failure.message


# masks


def test_a_colour_mask_is_refused():
    failure = failed(sample(IMAGE, IMAGE))
    assert failure.message == "expected a mask of 2 spatial axes and one channel, but it has the shape [4, 6, 3]"
    assert failure.stage == "mask"


def test_a_mask_with_one_channel_a_class():
    onehot = (MASK[..., None] == np.arange(3)).astype(np.uint8)
    found = run(sample(IMAGE, onehot), multi_label=True)
    np.testing.assert_array_equal(found.mask, onehot.astype(bool))
    assert found.ignored is None


def test_ignored_pixels_of_a_multi_label_mask():
    onehot = (MASK[..., None] == np.arange(3)).astype(np.uint8)
    onehot[0, 0, 1] = 255
    found = run(sample(IMAGE, onehot), multi_label=True)
    assert found.ignored.sum() == 1
    assert found.bucket != run(sample(IMAGE, onehot % 255), multi_label=True).bucket


def test_a_multi_label_model_takes_masks_of_class_ids_too():
    found = run(sample(IMAGE, MASK), multi_label=True)
    np.testing.assert_array_equal(found.mask, MASK)


def test_a_multi_label_mask_of_another_number_of_channels():
    failure = failed(sample(IMAGE, np.zeros((4, 6, 4), np.uint8)), multi_label=True)
    assert "or one channel for each of the 3 classes, but it has the shape [4, 6, 4]" in failure.message


def test_an_unmapped_value_fails_the_sample():
    failure = failed(sample(IMAGE, np.where(MASK == 2, 7, MASK), "x.png"))
    assert failure.message.startswith("the mask holds 7; expected class ids 0 to 2 or an ignored value (255)")
    assert (failure.stage, failure.sample_id) == ("mask", "x.png")


# kinds of input


def test_encoded_passes_the_file_on():
    data = png(IMAGE)
    found = run(sample(data, MASK), input_kind="encoded")
    assert found.image == data


def test_example_passes_the_record_on():
    data = sample(IMAGE, MASK)
    assert run(data, input_kind="example").image == data


def test_an_example_may_have_no_image_of_this_name():
    data = example(image__segmentation__class__encoded=png(MASK), other=b"x")
    assert run(data, input_kind="example").image == data


def test_images_of_different_sizes_share_a_batch_where_the_model_decodes_them_and_the_masks_are_equal():
    one, other = (run(sample(IMAGE[..., :c], MASK), input_kind="encoded") for c in (1, 3))
    assert one.bucket == other.bucket


@pytest.mark.parametrize(
    "other", [sample(IMAGE[:2], MASK[:2]), sample(IMAGE[..., 0], MASK), sample(IMAGE.astype(np.uint16), MASK)]
)
def test_another_size_channel_count_or_dtype_is_another_bucket(other):
    assert run(other).bucket != run(sample(IMAGE, MASK)).bucket


def test_a_damaged_image():
    failure = failed(sample(png(IMAGE)[:50], MASK))
    assert (failure.stage, failure.sample_id) == ("decode", "a.png")
    assert "cannot be decoded" in failure.message


def test_a_record_that_is_no_example():
    failure = failed(b"abc")
    assert (failure.stage, failure.sample_id, failure.error) == ("read", None, "SampleError")


def test_a_missing_mask():
    failure = failed(example(image__encoded=png(IMAGE), image__filename="x"))
    assert "expected the feature 'image/segmentation/class/encoded', but it is missing or empty" in failure.message
    assert failure.sample_id == "x"


# the pixel budget


@pytest.mark.parametrize("input_kind", ["image", "encoded", "example"])
def test_an_image_over_the_pixel_budget(input_kind):
    failure = failed(sample(IMAGE, MASK[:2]), max_pixels=23, input_kind=input_kind)
    assert failure.message == "the image claims 4 x 6 = 24 pixels, but max_pixels is 23; it was not decoded"
    assert failure.stage == "decode"


def test_a_mask_over_the_pixel_budget():
    failure = failed(sample(IMAGE[:2], MASK), max_pixels=23)
    assert failure.message == "the mask claims 4 x 6 = 24 pixels, but max_pixels is 23; it was not decoded"
    assert failure.stage == "mask"


def test_a_raw_volume_over_the_pixel_budget():
    data = raw(np.zeros((2, 3, 4, 2)), np.zeros((2, 3, 4)))
    assert isinstance(run(data, RAW, spatial_rank=3, channels=2, max_pixels=24), Sample)
    failure = failed(data, RAW, spatial_rank=3, channels=2, max_pixels=23)
    assert failure.message.startswith("the feature 'mask' claims 2 x 3 x 4 = 24 pixels, but max_pixels is 23")


def test_what_no_decoder_foresaw_fails_the_record_alone(monkeypatch):
    def broken(*_):
        raise RecursionError("deep")

    monkeypatch.setattr("dicebeam.components.decoding.masks.decode_png_mask", broken)
    failure = failed(sample(IMAGE, MASK))
    assert (failure.error, failure.message, failure.sample_id) == ("RecursionError", "decoding failed: deep", "a.png")


def test_a_damaged_palette_mask_is_a_matter_of_the_mask():
    header = png(MASK)[:25] + b"\x03"
    assert failed(sample(IMAGE, header + bytes(60))).stage == "mask"
