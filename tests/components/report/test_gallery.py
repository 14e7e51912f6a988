"""Cards with models that are functions here: what is drawn of which input, and what is said where something is not."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from dicebeam.components.decoding.decode_record import DecodeSettings
from dicebeam.components.model.predictor import Predicted
from dicebeam.components.reading import tfrecord
from dicebeam.components.report import gallery, outlines, thumbnails
from dicebeam.components.report.gallery import ShownModel
from dicebeam.schemas.config.features import PRESETS, FeatureKeys
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.errors import SampleError
from dicebeam.schemas.records import Lineage
from tests.support import builders, pages

LABELS = LabelSettings(classes=("ground", "car"), ignore_label=255)
IMAGE = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
MASK = np.zeros((6, 8), np.uint8)
MASK[1:3, 1:3] = 1
MASK[5] = 255
DECODE = DecodeSettings(PRESETS["deeplab"], LABELS)


def predicting(hard, decode=DECODE):
    return ShownModel(decode, SimpleNamespace(predict=lambda _: Predicted(np.array(hard, int), (0, 1))))


def failing(decode=DECODE):
    def fail(_):
        raise SampleError("the model failed: too bright", stage="model")

    return ShownModel(decode, SimpleNamespace(predict=fail))


@pytest.fixture
def case(tmp_path):
    """A case whose record is in a shard, at its second place."""
    records = [builders.sample(IMAGE, MASK, "first"), builders.sample(IMAGE, MASK, "second")]
    path = builders.write_shard(tmp_path / "a.tfrecord", records)
    place = Lineage(str(path), 1, len(tfrecord.frame(records[0])))
    focus = dataclasses.replace(pages.score("car", 1), true_positives=4, false_positives=0, false_negatives=0)
    return dataclasses.replace(pages.card().shown, sample_id="second", lineage=place, focus=focus)


def card_of(case, now, before=None):
    (card,) = gallery.cards([case], now, before)
    return card


def test_every_layer_is_drawn_where_pixels_count(case):
    wide = np.zeros((6, 8), int)
    wide[:, 4:] = 1
    card = card_of(case, predicting(MASK == 1), predicting(wide))
    assert card.notes == ()
    assert (card.image, card.width, card.height) == (thumbnails.data_uri(IMAGE), 8, 6)
    assert card.paths["truth"] == card.paths["now"] == "M1 1h2v2h-2z"
    assert card.paths["ignored"] == "M0 5h8v1h-8z"
    assert card.paths["before"] == "M4 0h4v5h-4z"


def test_a_prediction_that_is_another_now_is_said(case):
    card = card_of(case, predicting(np.zeros((6, 8), int)))
    assert card.notes == ("The model's prediction differs now from the one that was scored, by some pixels at least.",)


def test_models_that_fail_leave_the_truth(case):
    card = card_of(case, failing(), failing())
    assert set(card.paths) == {"truth", "ignored"}
    assert [note.partition(":")[0] for note in card.notes] == [
        "No prediction of this run", "No prediction of the baseline",
    ]  # fmt: skip


def test_a_baseline_that_lacks_the_class_or_the_sample_says_so(case):
    other = dataclasses.replace(DECODE, labels=LabelSettings(classes=("ground", "lorry"), ignore_label=255))
    assert card_of(case, predicting(MASK == 1), predicting(MASK, other)).notes == (
        "No prediction of the baseline: it has no such class.",
    )
    unscored = dataclasses.replace(case, focus=dataclasses.replace(case.focus, state_before=None))
    assert card_of(unscored, predicting(MASK == 1), predicting(MASK)).notes == (
        "No prediction of the baseline: it has not scored this sample.",
    )


@pytest.mark.parametrize("kind", ["encoded", "example"])
def test_images_that_the_model_decodes_are_shown_too(case, kind):
    card = card_of(case, predicting(MASK == 1, dataclasses.replace(DECODE, input_kind=kind)))
    assert card.image == thumbnails.data_uri(IMAGE)


def test_a_record_without_an_image_shows_the_masks_on_grey(case, tmp_path):
    record = builders.example_of({"image/segmentation/class/encoded": builders.png(MASK), "image/filename": "second"})
    path = builders.write_shard(tmp_path / "b.tfrecord", [record])
    there = dataclasses.replace(case, lineage=Lineage(str(path), 0, 0))
    card = card_of(there, predicting(MASK == 1, dataclasses.replace(DECODE, input_kind="example")))
    assert card.notes[0].startswith("The image cannot be shown: expected the feature 'image/encoded'")
    assert card.image == thumbnails.data_uri(np.full((6, 8, 1), 128, np.uint8))
    assert "truth" in card.paths


def test_a_record_that_does_not_decode_any_more_says_why(case):
    keys = FeatureKeys(image=PRESETS["deeplab"].image, mask=PRESETS["tfds"].mask)
    card = card_of(case, predicting(MASK, dataclasses.replace(DECODE, features=keys)))
    assert card.image is None
    assert "expected the feature 'segmentation_mask'" in card.notes[0]


def test_another_sample_at_the_place_is_not_shown(case):
    card = card_of(dataclasses.replace(case, sample_id="third"), predicting(MASK))
    assert card.notes == ("The image cannot be shown: another sample stands there now; the shard has changed since.",)


def test_outlines_that_are_too_much_are_coarser_and_that_is_said(case, monkeypatch):
    monkeypatch.setattr(outlines.outline, "__defaults__", (3,))
    card = card_of(case, predicting(MASK == 1))
    assert any(note.startswith("Outlines are drawn on a grid of") for note in card.notes)
