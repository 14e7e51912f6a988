"""Masks predicted again, held against the counts that scoring gives for the same sample and model."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.decoding import decode_record, tf_examples
from dicebeam.components.decoding.decode_record import DecodeSettings
from dicebeam.components.model import agreement as agreements
from dicebeam.components.model import fingerprints, predictor, signatures
from dicebeam.components.model.predictor import Predictor
from dicebeam.components.model.saved_model import ScoreSettings
from dicebeam.components.model.scorer import Scorer
from dicebeam.schemas import records
from dicebeam.schemas.config.features import PRESETS
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import InputSettings, ModelSettings
from dicebeam.schemas.errors import SampleError
from dicebeam.schemas.records import Batch, Lineage, Progress
from dicebeam.schemas.shards import Shard
from tests.support import builders

CLASSES = ("ground", "disc", "square")
RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 255, (12, 16, 3)).astype(np.uint8)
MASK = RNG.choice([0, 1, 2, 255], (12, 16)).astype(np.uint8)
RECORD = records.Record(Lineage("s", 0, 0), builders.sample(IMAGE, MASK), 0)


def softmax(images):
    return {"probabilities": tf.nn.softmax(8 * images)}


def sigmoid_of_one(images):
    return {"probabilities": images[..., :1]}


def class_ids(images):
    return {"ids": tf.argmax(images, -1)}


def half_size(images):
    return {"probabilities": tf.nn.softmax(8 * images[:, ::2, ::2])}


def from_png(files):
    decoded = tf.map_fn(lambda f: tf.cast(tf.io.decode_png(f, 3), tf.float32), files, fn_output_signature=tf.float32)
    return {"probabilities": tf.nn.softmax(decoded / 32)}


def from_examples(serialized):
    key = "image/encoded"
    parsed = tf.io.parse_example(serialized, {key: tf.io.FixedLenFeature([], tf.string)})
    return from_png(parsed[key])


TEXT = tf.TensorSpec([None], tf.string, name="texts")
CASES = {
    "softmax": (softmax, builders.images_spec(), {}, CLASSES),
    "softmax_logits": (softmax, builders.images_spec(), {"output_kind": "softmax_logits"}, CLASSES),
    "one_sigmoid_channel": (sigmoid_of_one, builders.images_spec(), {"output_kind": "sigmoid"}, CLASSES[:2]),
    "sigmoid_channels": (softmax, builders.images_spec(), {"output_kind": "sigmoid", "threshold": 0.3}, CLASSES),
    "class_ids": (class_ids, builders.images_spec(), {"output_kind": "class_ids"}, CLASSES),
    "fixed_batch": (softmax, builders.images_spec(batch=3), {}, CLASSES),
    "another_size": (softmax, builders.images_spec(size=(8, 8)), {}, CLASSES),
    "half_size": (half_size, builders.images_spec(), {}, CLASSES),
    "signed": (softmax, builders.images_spec(), {"input": InputSettings(scale="signed")}, CLASSES),
    "encoded": (from_png, TEXT, {"input": InputSettings(kind="encoded")}, CLASSES),
    "example": (from_examples, TEXT, {"input": InputSettings(kind="example")}, CLASSES),
}


def settings_of(tmp_path, function, spec, more, classes, batch_size=3):
    model = ModelSettings(path=builders.save_model(tmp_path / "model", function, spec), **more)
    agreement = agreements.with_signature(signatures.read(model.path), model, len(classes), batch_size)
    labels = LabelSettings(classes=classes, ignore_label=255 if len(classes) > 2 else (2, 255))
    decode = DecodeSettings(
        PRESETS["deeplab"], labels, (), model.input.kind, agreement.spatial_rank, agreement.channels
    )  # fmt: skip
    return ScoreSettings(model, labels, agreement, fingerprints.model_fingerprint(model.path)), decode


@pytest.mark.parametrize("case", CASES)
def test_the_masks_have_the_counts_of_scoring(case, tmp_path):
    score, decode = settings_of(tmp_path, *CASES[case])
    sample = decode_record.decode(RECORD, decode)
    batch = Batch(Shard("s", 1), 0, (sample,), (), Progress(1, 9, 0, done=True))
    sums = Scorer(score).score(batch).sums
    predicted = Predictor(score).predict(sample)
    counted = ~predictor.ignored(sample, decode.labels)
    for place, class_id in enumerate(score.agreement.scored):
        truth, now = predictor.truth(sample, class_id) & counted, predicted.of(class_id) & counted
        found = int(np.sum(truth & now)), int(np.sum(now)), int(np.sum(truth))
        assert found == tuple(int(x[0, place]) for x in (sums.true_positives, sums.predicted, sums.actual))
    assert 0 < counted.sum() < MASK.size


def test_channels_of_truth_that_are_independent():
    masks = RNG.random((4, 5, 3)) > 0.5
    sample = decode_record.decode(
        RECORD, DecodeSettings(PRESETS["deeplab"], LabelSettings(classes=CLASSES, ignore_label=255))
    )
    several = dataclasses.replace(sample, mask=masks, ignored=masks[..., 0])
    labels = LabelSettings(classes=CLASSES)
    np.testing.assert_array_equal(predictor.truth(several, 2), masks[..., 2])
    np.testing.assert_array_equal(predictor.ignored(several, labels), masks[..., 0])
    assert not predictor.ignored(dataclasses.replace(several, ignored=None), labels).any()


def picky(images):
    check = tf.debugging.Assert(tf.shape(images)[1] % 16 == 0, ["sizes must be multiples of 16"])
    with tf.control_dependencies([check]):
        return {"probabilities": tf.nn.softmax(images)}


def too_many(images):
    return {"probabilities": tf.repeat(images, 2, axis=0)}


@pytest.mark.parametrize(("function", "said"), [(picky, "the model failed"), (too_many, "shape of a prediction")])
def test_a_model_that_fails_on_a_sample_says_so(function, said, tmp_path):
    score, decode = settings_of(tmp_path, function, builders.images_spec(), {}, CLASSES)
    with pytest.raises(SampleError, match=said):
        Predictor(score).predict(decode_record.decode(RECORD, decode))


def test_a_model_that_hangs_is_given_up_on(tmp_path, monkeypatch):
    score, decode = settings_of(tmp_path, softmax, builders.images_spec(), {}, CLASSES)

    def late(_function, _seconds):
        raise TimeoutError

    monkeypatch.setattr(predictor.time_limit, "call", late)
    with pytest.raises(SampleError, match="no result within batch_timeout_seconds, 1800 s"):
        Predictor(score).predict(decode_record.decode(RECORD, decode))


def test_the_record_is_one_that_parses():
    assert "image/encoded" in tf_examples.parse(RECORD.data)
