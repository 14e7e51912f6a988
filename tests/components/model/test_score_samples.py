"""A loaded model over batches: what fails the run, what fails a sample, and that its neighbours are scored."""

import re
import threading

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.model import agreement as agreements
from dicebeam.components.model import fingerprints, signatures
from dicebeam.components.model.saved_model import ScoreSettings
from dicebeam.components.model.score_samples import SegmentationModelHandler
from dicebeam.components.model.scorer import Scorer
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import InputSettings, ModelSettings
from dicebeam.schemas.errors import ModelError
from dicebeam.schemas.records import Batch, Failure, Lineage, Progress, Sample
from dicebeam.schemas.shards import Shard
from tests.support.builders import images_spec, png, save_model

SHARD = Shard("shard", 100)
LABELS = LabelSettings(classes=("a", "b", "c"), ignore_label=255)


def poisoned(images):
    """A red value of 9 becomes NaN, of 8 infinite: one bad sample among good ones."""
    probs = tf.nn.softmax(tf.minimum(images, 1.0))
    probs = tf.where(images[..., :1] == 9.0, np.nan, probs)
    return {"probs": tf.where(images[..., :1] == 8.0, np.inf, probs)}


def decoded(files):
    decode = tf.map_fn(lambda f: tf.io.decode_png(f, 3), files, fn_output_signature=tf.uint8)
    return {"probs": tf.nn.softmax(tf.cast(decode, tf.float32))}


def picky(images):
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_max(images) < 5.0, ["too bright"])]):
        return {"probs": tf.nn.softmax(images)}


WRONG_SHAPES = [[1, 2, 2, 3], [8, 3], [2, 2, 2], [2, 2, 2, 3, 1], [0, 2, 2, 3]]


def shapeless(images):
    """The signature cannot know the shape: the largest value says which it is."""
    kind = tf.cast(tf.reduce_max(images), tf.int32)
    padded = tf.constant([shape + [0] * (5 - len(shape)) for shape in WRONG_SHAPES])
    ranks = tf.constant([len(shape) for shape in WRONG_SHAPES])
    return {"probs": tf.zeros(padded[kind][: ranks[kind]])}


def as_many_as_said(images):
    """The signature cannot know that there will be 6 channels."""
    count = tf.cast(tf.reduce_max(images), tf.int32)
    return {"probs": tf.concat([images, images], -1)[..., :count] / 100.0}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One SavedModel, a signature for each behaviour."""
    free = images_spec()
    return save_model(
        tmp_path_factory.mktemp("models") / "all",
        lambda images: {"probs": tf.nn.softmax(images)},
        free,
        identity=(lambda images: {"probs": images}, free),
        sigmoid=(lambda images: {"probs": tf.nn.sigmoid(images)}, free),
        ids=(lambda images: {"ids": tf.cast(images[..., 0], tf.int64)}, free),
        poisoned=(poisoned, free),
        picky=(picky, free),
        channels=(as_many_as_said, free),
        shapeless=(shapeless, free),
        four=(lambda images: {"probs": tf.nn.softmax(images)}, images_spec(batch=4)),
        encoded=(decoded, tf.TensorSpec([None], tf.string, "files")),
    )


_loaded = {}


@pytest.fixture
def score(models):
    """Score images (and masks) with a signature; scorers are kept, loading is slow."""

    def score(images, signature="serving_default", kind="softmax", masks=None, failures=(), ignored=None):
        key = (signature, kind)
        if key not in _loaded:
            _loaded[key] = Scorer(settings(models, signature, kind))
        return _loaded[key].score(batch(images, masks, failures, ignored))

    return score


def settings(path, signature="serving_default", kind="softmax"):
    input_kind = "encoded" if signature == "encoded" else "image"
    model = ModelSettings(path=path, output_kind=kind, input=InputSettings(signature=signature, kind=input_kind))
    size = 4 if signature == "four" else 16
    agreement = agreements.with_signature(signatures.read(path), model, 3, size)
    return ScoreSettings(model, LABELS, agreement, fingerprints.model_fingerprint(path))


def batch(images, masks=None, failures=(), ignored=None):
    samples = []
    for i, image in enumerate(images):
        mask = np.zeros((2, 2), np.uint8) if masks is None else masks[i]
        skip = None if ignored is None else ignored[i]
        samples.append(Sample(Lineage("shard", i, 10 * i), f"s{i}", ("x",), image, mask, skip, ()))
    return Batch(SHARD, 5, tuple(samples), tuple(failures), Progress(len(images), 99, 0, done=False))


def image(value=0.0):
    return np.full((2, 2, 3), value, np.float32)


def test_a_batch_keeps_shard_index_progress_and_keys(score):
    found = score([image(), image(1)])
    assert (found.shard, found.index, found.progress.byte_offset) == (SHARD, 5, 99)
    assert [(k.sample_id, k.lineage.record, k.slices) for k in found.keys] == [("s0", 0, ("x",)), ("s1", 1, ("x",))]
    assert found.sums.true_positives.tolist() == [[4, 0, 0], [4, 0, 0]]
    assert found.sums.pixels.tolist() == [4, 4]
    np.testing.assert_allclose(found.sums.soft_predicted, 4 / 3, rtol=1e-6)


def test_a_batch_without_samples_hands_its_failures_on(score):
    failure = Failure(Lineage("shard", 0, 0), None, "read", "data_checksum", "no")
    found = score([], failures=[failure])
    assert (found.keys, found.sums, found.failures) == ((), None, (failure,))


def test_ignored_pixels_are_not_counted(score):
    masks = [np.uint8([[0, LABELS.ignored], [LABELS.ignored, 1]])]
    found = score([image()], masks=masks)
    assert (found.sums.ignored_pixels.tolist(), found.sums.actual.tolist()) == ([2], [[1, 1, 0]])


def test_multi_label_masks(score):
    masks = [np.ones((2, 2, 3), bool)]
    found = score([image(1)], "sigmoid", "sigmoid", masks=masks, ignored=[np.eye(2, dtype=bool)])
    assert found.sums.true_positives.tolist() == [[2, 2, 2]]


# the activation


def test_logits_declared_as_softmax(score):
    expected = (
        r"model .*/all: output_kind is 'softmax', which means probabilities, but the values run from 0 to 7 in "
        r"shard, records 0 to 1; if these are logits, set output_kind: softmax_logits"
    )
    with pytest.raises(ModelError, match=expected):
        score([image(0.5), image(7)], "identity", "softmax")


def test_negative_logits_declared_as_sigmoid(score):
    with pytest.raises(ModelError, match=r"the values run from -3 to 0 .* set output_kind: sigmoid_logits"):
        score([image(-3)], "identity", "sigmoid")


def test_sigmoid_declared_as_softmax(score):
    expected = (
        r"the probabilities of a pixel add to 2\.193 on average in shard, .*; independent classes are output_kind: si"
    )
    with pytest.raises(ModelError, match=expected):
        score([image(1)], "sigmoid", "softmax")


def test_probabilities_a_little_outside_are_rounding(score):
    assert len(score([image(1.0005)], "identity", "sigmoid").keys) == 1


def test_the_sum_is_not_judged_by_ignored_pixels(score):
    masks = [np.full((2, 2), LABELS.ignored, np.uint8)]
    found = score([image(0.1)], "identity", "softmax", masks=masks)
    assert found.sums.predicted.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(("value", "limits"), [(3, "0 to 3"), (-1, "-1 to 0"), (255, "0 to 255")])
def test_class_ids_out_of_range(score, value, limits):
    with pytest.raises(ModelError, match=f"it gives class ids from {limits}, but the config names 3 classes"):
        score([image(0), image(value)], "ids", "class_ids")


def test_class_ids(score):
    found = score([image(2)], "ids", "class_ids", masks=[np.full((2, 2), 2, np.uint8)])
    assert found.sums.true_positives.tolist() == [[0, 0, 4]]


def test_another_number_of_channels_than_the_signature_said(score):
    with pytest.raises(
        ModelError, match=r"the config names 3 classes, but the output has 6 channels \(seen at run time\)"
    ):
        score([image(6)], "channels", "sigmoid")


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", range(1, len(WRONG_SHAPES)))
def test_an_output_of_the_wrong_shape_is_the_models_fault(score, kind, count):
    wanted = r"model .*/all: expected an output of \[batch, 2 spatial axes, classes\] for a batch of 1, but it has the "
    with pytest.raises(ModelError, match=wanted + re.escape(f"shape {WRONG_SHAPES[kind]} on shard, records 0 to 0")):
        score([image(kind)] * count, "shapeless", "sigmoid")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_model_that_gives_one_prediction_for_whatever_it_is_given_is_asked_one_by_one(score, count):
    """With any batch size, as where it raises an error for several."""
    found = score([image(0)] * count, "shapeless", "sigmoid")
    assert (len(found.keys), found.failures) == (count, ())
    assert found.sums.pixels.tolist() == [4] * count


# one bad sample


@pytest.mark.parametrize("value", [9, 8], ids=["NaN", "infinity"])
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_sample_that_is_not_finite_fails_and_its_neighbours_are_scored(score, value, bad):
    images = [image(0), image(0), image(0)]
    images[bad] = image(value)
    found = score(images, "poisoned")
    assert [k.lineage.record for k in found.keys] == [i for i in range(3) if i != bad]
    (failure,) = found.failures
    assert (failure.lineage.record, failure.sample_id, failure.stage) == (bad, f"s{bad}", "model")
    assert failure.message == "the model's output has NaN or infinite values for this sample"
    assert found.sums.true_positives.tolist() == [[4, 0, 0]] * 2


def test_only_bad_samples(score):
    found = score([image(9), image(9)], "poisoned")
    assert found.keys == ()
    assert len(found.failures) == 2
    assert found.sums.pixels.shape == (0,)


def test_nan_in_an_ignored_pixel_does_not_matter(score):
    bad = image(0)
    bad[0, 0] = 9
    masks = [np.uint8([[LABELS.ignored, 0], [0, 0]])]
    found = score([bad], "poisoned", masks=masks)
    assert (len(found.keys), found.failures) == (1, ())
    assert found.sums.true_positives.tolist() == [[3, 0, 0]]


def test_logits_are_still_found_out_beside_a_bad_sample(score):
    with pytest.raises(ModelError, match="the values run from 0 to 7"):
        score([image(np.nan), image(7)], "identity")


# a model that fails


@pytest.mark.parametrize("before", [[], [0.1]])
def test_samples_on_which_a_model_fails_are_failures_whatever_it_scored_before(models, before):
    scorer = Scorer(settings(models, "picky"))
    scorer.score(batch([image(value) for value in before]))
    found = scorer.score(batch([image(7), image(6)]))
    assert (found.keys, [failure.message for failure in found.failures]) == (
        (),
        ["the model failed: assertion failed: [too bright]"] * 2,
    )


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_sample_that_the_model_fails_on_fails_alone(score, bad):
    images = [image(0.1), image(0.2), image(0.3)]
    images[bad] = image(6)
    found = score(images, "picky")
    assert [key.lineage.record for key in found.keys] == [i for i in range(3) if i != bad]
    assert len(found.sums.pixels) == 2
    (failure,) = found.failures
    assert (failure.lineage.record, failure.stage, failure.error) == (bad, "model", "InvalidArgumentError")
    assert failure.message == "the model failed: assertion failed: [too bright]"


def test_the_neighbours_of_a_failed_sample_have_the_sums_they_have_without_it(score):
    with_it = score([image(0.1), image(6), image(0.3)], "picky").sums
    without = score([image(0.1), image(0.3)], "picky").sums
    np.testing.assert_array_equal(with_it.soft_predicted, without.soft_predicted)


def test_a_lone_sample_fails_as_a_sample(score):
    found = score([image(6)], "picky")
    assert (found.keys, found.sums, len(found.failures)) == ((), None, 1)


def test_image_bytes(score):
    found = score([png(np.zeros((2, 2, 3)))], "encoded", masks=[np.zeros((2, 2), np.uint8)])
    assert found.sums.true_positives.tolist() == [[4, 0, 0]]


def test_bytes_the_model_cannot_decode(score):
    masks = [np.zeros((2, 2), np.uint8)] * 2
    found = score([png(np.zeros((2, 2, 3))), b"no image"], "encoded", masks=masks)
    assert [failure.lineage.record for failure in found.failures] == [1]
    assert found.sums.true_positives.tolist() == [[4, 0, 0]]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_partial_batch_for_a_fixed_batch_size(score, count):
    found = score([image(i / 10) for i in range(count)], "four")
    assert len(found.keys) == count
    assert found.sums.true_positives.shape == (count, 3)
    assert found.sums.pixels.tolist() == [4] * count


def test_what_is_no_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"nothing")
    model = ModelSettings(path=str(tmp_path))
    agreement = agreements.Agreement("s", "i", "float32", None, "o", 2, 3, None, (0, 1, 2), 0)
    with pytest.raises(ModelError, match=r"model .*: expected a SavedModel, but it cannot be loaded: "):
        Scorer(ScoreSettings(model, LABELS, agreement, fingerprints.model_fingerprint(str(tmp_path))))


# the handler


def test_the_handler_gives_one_scored_batch_for_a_batch(models):
    handler = SegmentationModelHandler(settings(models))
    (found,) = handler.run_inference(batch([image()]), handler.load_model())
    assert len(found.keys) == 1


def test_bytes_are_those_of_the_pixels(models):
    handler = SegmentationModelHandler(settings(models))
    assert handler.get_num_bytes(batch([image(), image()])) == 2 * (2 * 2 * 3 * 4 + 2 * 2)
    assert handler.get_num_bytes(batch([b"12345"])) == 5 + 4
    assert handler.get_metrics_namespace() == "dicebeam"


def test_a_sample_that_the_graph_cannot_be_traced_for_fails_alone(tmp_path):
    kernel = np.ones((1, 1, 3, 3), np.float32)
    three = save_model(
        tmp_path / "m",
        lambda images: {"probs": tf.nn.softmax(tf.nn.conv2d(images, kernel, 1, "SAME"))},
        images_spec(None),
    )
    scorer = Scorer(settings(three, "serving_default", "softmax"))
    assert len(scorer.score(batch([image(0.5)])).keys) == 1
    grey = scorer.score(batch([image(0.5)[..., :1]]))
    assert grey.keys == ()
    assert re.search("input depth|dimension|incompatible", grey.failures[0].message)


class Stuck:
    """A scorer that does not come back."""

    def __init__(self):
        self.freed = threading.Event()

    def score(self, _):
        self.freed.wait(60)


@pytest.fixture
def stuck():
    scorer = Stuck()
    yield scorer
    scorer.freed.set()


def limited(batch, scorer):
    agreed = agreements.Agreement("s", "images", "float32", None, "probs", 2, 0, None, (0, 1, 2), 0)
    given = ScoreSettings(ModelSettings(path="/models/m"), LABELS, agreed, "f", batch_timeout_seconds=0.05)
    return SegmentationModelHandler(given).run_inference(batch, scorer)


def test_a_batch_without_a_result_in_time_is_an_error_that_names_the_place(stuck):
    message = r"model /models/m: .* for shard, records 0 to 1, within batch_timeout_seconds, .* none after 0.05 s"
    with pytest.raises(ModelError, match=message):
        limited(batch([image(), image()]), stuck)


def test_a_batch_of_failures_alone_has_a_place_too(stuck):
    with pytest.raises(ModelError, match="expected a result for shard, within"):
        limited(batch([]), stuck)
