"""The chain from images to sums, step by step, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.model import prediction, score_function
from dicebeam.components.model.agreement import Agreement
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import InputSettings, ModelSettings

RNG = np.random.default_rng(3)
LABELS = LabelSettings(classes=("a", "b", "c"), ignore_label=255)
IGNORED, NO_CLASS = LABELS.ignored, LABELS.no_class


def agreement(**more):
    usual = {
        "signature": "serving_default", "input_name": "images", "input_dtype": "float32",
        "input_shape": (None, None, None, 3), "output_name": "out", "spatial_rank": 2, "channels": 3, "size": None,
        "scored": (0, 1, 2), "batch": 0,
    }  # fmt: skip
    return Agreement(**{**usual, **more})


def scorer(function, labels=LABELS, kind="softmax", threshold=0.5, scale="unit", input_kind="image", **more):
    settings = ModelSettings(
        path="m", output_kind=kind, threshold=threshold, input=InputSettings(scale=scale, kind=input_kind)
    )
    score = score_function.score_function(lambda images: {"out": function(images)}, agreement(**more), settings, labels)

    def call(images, masks, ignored=None):
        return score(tf.constant(images), tf.constant(masks), None if ignored is None else tf.constant(ignored))

    return call


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_sums(probs, masks, *, hard):
    """Sums of class ids masks by boolean sets: tp, predicted, actual, and the soft ones, `[B, C]`."""
    valid = masks != IGNORED
    rows = []
    for p, h, m, v in zip(probs, hard, masks, valid, strict=True):
        row = []
        for c in range(p.shape[-1]):
            truth, predicted, soft = (m == c) & v, h[..., c] & v, p[..., c][v].astype(np.float64)
            counts = [(truth & predicted).sum(), predicted.sum(), truth.sum()]
            row.append([*counts, p[..., c][truth].sum(), soft.sum(), (soft**2).sum()])
        rows.append(row)
    return np.moveaxis(np.array(rows), -1, 0)


def check(scores, expected):
    for found, wanted in zip(scores.overlap, expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)


def draw(batch=2, height=5, width=7):
    masks = RNG.choice([0, 1, 2, NO_CLASS, IGNORED], (batch, height, width)).astype(np.uint8)
    return RNG.normal(size=(batch, height, width, 3)).astype(np.float32), masks


def argmax_hard(x):
    return x.argmax(-1)[..., None] == np.arange(x.shape[-1])


# activations: the "model" gives its input back


@pytest.mark.parametrize("kind", ["softmax", "softmax_logits"])
def test_softmax(kind):
    logits, masks = draw()
    probs = softmax(logits)
    scores = scorer(tf.identity, kind=kind)(logits if "logits" in kind else probs, masks)
    check(scores, numpy_sums(probs, masks, hard=argmax_hard(probs)))


@pytest.mark.parametrize("kind", ["sigmoid", "sigmoid_logits"])
@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_sigmoid(kind, threshold):
    logits, masks = draw()
    probs = sigmoid(logits)
    scores = scorer(tf.identity, kind=kind, threshold=threshold)(logits if "logits" in kind else probs, masks)
    check(scores, numpy_sums(probs, masks, hard=probs > threshold))


@pytest.mark.parametrize("channel", [True, False])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64, tf.uint8])
def test_class_ids(channel, dtype):
    logits, masks = draw()
    onehot = argmax_hard(logits)

    def model(images):
        ids = tf.cast(tf.argmax(images, -1), dtype)
        return ids[..., tf.newaxis] if channel else ids

    scores = scorer(model, kind="class_ids")(logits, masks)
    check(scores, numpy_sums(onehot.astype(np.float32), masks, hard=onehot))
    assert (scores.low.numpy() >= 0).all()
    assert (scores.high.numpy() <= 2).all()


@pytest.mark.parametrize("axis", [True, False], ids=["channel axis", "no channel axis"])
def test_one_sigmoid_channel_is_class_1(axis):
    logits, masks = draw()
    labels = LabelSettings(classes=("ground", "thing"))
    masks = masks % 4  # 0, 1, no class (2), ignored (3)
    probs = sigmoid(logits[..., :1])
    model = (lambda x: x[..., :1]) if axis else (lambda x: x[..., 0])
    scores = scorer(model, labels, "sigmoid_logits", scored=(1,))(logits, masks)
    valid = masks != labels.ignored
    truth, predicted = (masks == 1) & valid, (probs[..., 0] > 0.5) & valid
    np.testing.assert_array_equal(scores.overlap.true_positives[:, 0], (truth & predicted).sum((1, 2)))
    np.testing.assert_array_equal(scores.overlap.predicted[:, 0], predicted.sum((1, 2)))
    np.testing.assert_array_equal(scores.overlap.actual[:, 0], truth.sum((1, 2)))
    np.testing.assert_allclose(scores.overlap.soft_predicted[:, 0], (probs[..., 0] * valid).sum((1, 2)), rtol=1e-5)
    assert scores.overlap.actual.shape == (2, 1)


def test_multi_label_masks_with_ignored_pixels():
    logits, _ = draw()
    truth, ignored = RNG.random((2, 5, 7, 3)) < 0.4, RNG.random((2, 5, 7)) < 0.2
    scores = scorer(tf.identity, kind="sigmoid_logits")(logits, truth, ignored)
    hard = sigmoid(logits) > 0.5
    valid = ~ignored[..., None]
    np.testing.assert_array_equal(scores.overlap.true_positives, (truth & hard & valid).sum((1, 2)))
    np.testing.assert_array_equal(scores.overlap.actual, (truth & valid).sum((1, 2)))
    np.testing.assert_array_equal(scores.ignored_pixels, ignored.sum((1, 2)))


def test_multi_label_masks_without():
    logits, _ = draw()
    truth = RNG.random((2, 5, 7, 3)) < 0.4
    scores = scorer(tf.identity, kind="sigmoid_logits")(logits, truth)
    np.testing.assert_array_equal(scores.overlap.actual, truth.sum((1, 2)))
    np.testing.assert_array_equal(scores.ignored_pixels, [0, 0])
    np.testing.assert_array_equal(scores.pixels, [35, 35])


def test_pixel_counts_and_limits():
    logits, masks = draw()
    scores = scorer(tf.identity, kind="sigmoid")(logits, masks)
    np.testing.assert_array_equal(scores.pixels, [35, 35])
    np.testing.assert_array_equal(scores.ignored_pixels, (masks == IGNORED).sum((1, 2)))
    np.testing.assert_allclose(scores.low, logits.min((1, 2, 3)))
    np.testing.assert_allclose(scores.high, logits.max((1, 2, 3)))
    assert int(scores.channels) == 3


def test_half_precision_outputs():
    logits, masks = draw()
    scores = scorer(lambda x: tf.cast(x, tf.float16), kind="softmax_logits")(logits, masks)
    half = softmax(logits.astype(np.float16).astype(np.float32))
    check(scores, numpy_sums(half, masks, hard=argmax_hard(half)))


def test_an_output_of_unknown_rank():
    logits, masks = draw()

    def forget(x):
        return tf.reshape(x, tf.boolean_mask(tf.shape(x), [True] * 4))

    @tf.function(input_signature=[tf.TensorSpec(None)])
    def unknown(x):
        return tf.identity(x)

    assert unknown.get_concrete_function().output_shapes.rank is None
    scores = scorer(lambda x: unknown(forget(x)), kind="softmax_logits")(logits, masks)
    check(scores, numpy_sums(softmax(logits), masks, hard=argmax_hard(logits)))


@pytest.mark.parametrize("with_ignored", [False, True])
def test_a_call_fits_the_traced_function_at_once(monkeypatch, with_ignored):
    """One that does not is tried another way by TensorFlow, which writes out all pixels for a message first."""
    logits, masks = draw()
    score = scorer(tf.identity, kind="softmax_logits")
    given = (
        [logits, np.stack([masks == c for c in range(3)], -1), masks == IGNORED] if with_ignored else [logits, masks]
    )
    score(*given)

    def written(_tensor):
        pytest.fail("a tensor was written out")

    monkeypatch.setattr(type(tf.constant(0)), "__repr__", written)
    score(*given)


# scale and size


def prepared(images, scale="unit", dtype="float32", size=None, rank=2):
    agreed = agreement(input_dtype=dtype, size=size, spatial_rank=rank)
    tensor = tf.constant(images)
    return prediction.prepare(tensor, agreed, scale, tf.constant(tensor.dtype.max, tf.float32)).numpy()


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535), (np.int16, 32767)])
def test_integer_images_are_scaled_by_the_dtype(dtype, largest):
    images = np.array([[[[0], [largest], [100]]]], dtype)
    np.testing.assert_array_equal(prepared(images), images.astype(np.float32) / np.float32(largest))
    np.testing.assert_allclose(prepared(images, "signed").ravel(), [-1, 1, 200 / largest - 1], rtol=1e-6)
    np.testing.assert_array_equal(prepared(images, "none"), images)


@pytest.mark.parametrize("scale", ["unit", "signed", "none"])
def test_float_images_are_passed_on(scale):
    images = np.array([[[[-3.5], [700.0]]]], np.float32)
    np.testing.assert_array_equal(prepared(images, scale), images)


@pytest.mark.parametrize("scale", ["unit", "signed", "none"])
def test_integer_models_get_the_values(scale):
    images = np.array([[[[0], [255]]]], np.uint8)
    found = prepared(images, scale, "uint8")
    np.testing.assert_array_equal(found, images)
    assert found.dtype == np.uint8


def test_resized_images_of_an_integer_model_are_rounded():
    images = np.array([[[[0], [3]]]], np.uint8)
    found = prepared(images, dtype="uint8", size=(1, 4))
    np.testing.assert_array_equal(found.ravel(), np.round([0, 0.75, 2.25, 3]))


@pytest.mark.parametrize("images", [np.uint16([[[[300]]]]), np.int32([[[[-1]]]]), np.float32([[[[255.6]]]])])
def test_values_that_an_integer_model_cannot_hold_do_not_wrap(images):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=f"the images are {images.dtype} and hold values that an input of uint8"
    ):
        prepared(images, dtype="uint8")


@pytest.mark.parametrize("images", [np.uint16([[[[255]]]]), np.float32([[[[254.6]]]]), np.int64([[[[255]]]])])
def test_values_that_fit_are_cast(images):
    assert prepared(images, dtype="uint8").ravel().tolist() == [255]


def test_images_are_resized_before_the_model_and_scaled():
    images = np.zeros((1, 2, 2, 1), np.uint8)
    images[0, :, 1] = 255
    found = prepared(images, size=(2, 4))
    np.testing.assert_allclose(found[0, :, :, 0], [[0, 0.25, 0.75, 1]] * 2)


def test_volumes_are_not_resized():
    volume = np.zeros((1, 2, 2, 2, 1), np.uint8)
    assert prepared(volume, size=(4, 4, 4), rank=3).shape == (1, 2, 2, 2, 1)


def bilinear(image, height, width):
    """Half-pixel centres, edges repeated."""

    def weights(source, target):
        at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = np.floor(at).astype(int)
        matrix = np.zeros((target, source))
        matrix[np.arange(target), low] += 1 - (at - low)
        matrix[np.arange(target), np.minimum(low + 1, source - 1)] += at - low
        return matrix

    return np.einsum("yh,xw,hwc->yxc", weights(image.shape[0], height), weights(image.shape[1], width), image)


def test_probabilities_are_resized_to_the_mask():
    logits, masks = draw(2, 8, 12)
    small = softmax(logits)[:, ::2, ::2]
    scores = scorer(lambda x: x[:, ::2, ::2], kind="softmax")(softmax(logits), masks)
    large = np.stack([bilinear(p, 8, 12) for p in small])
    check(scores, numpy_sums(large, masks, hard=argmax_hard(large)))
    np.testing.assert_array_equal(scores.pixels, [96, 96])


def test_class_ids_are_resized_to_the_nearest():
    masks = np.array([[[0, 0, 2, 2], [0, 0, 2, 2]]], np.uint8)
    ids = np.array([[[0, 2]]])
    scores = scorer(lambda _: tf.constant(ids), kind="class_ids")(np.zeros((1, 2, 4, 3), np.float32), masks)
    np.testing.assert_array_equal(scores.overlap.true_positives, [[4, 0, 4]])
    np.testing.assert_array_equal(scores.overlap.predicted, [[4, 0, 4]])


def test_a_model_of_fixed_size_sees_it_and_is_scored_at_the_masks():
    seen = []

    def model(images):
        seen.append(images.shape)
        return tf.nn.softmax(images)

    images = RNG.integers(0, 256, (2, 9, 6, 3)).astype(np.uint8)
    masks = RNG.integers(0, 3, (2, 9, 6)).astype(np.uint8)
    scores = scorer(model, size=(4, 4), input_shape=(None, 4, 4, 3))(images, masks)
    assert seen == [(None, 4, 4, 3)]
    np.testing.assert_array_equal(scores.pixels, [54, 54])


# volumes


def test_volumes():
    logits = RNG.normal(size=(2, 3, 4, 5, 3)).astype(np.float32)
    masks = RNG.choice([0, 1, 2, IGNORED], (2, 3, 4, 5)).astype(np.uint8)
    scores = scorer(tf.identity, kind="softmax_logits", spatial_rank=3, input_shape=(None, None, None, None, 3))(
        logits, masks
    )
    check(scores, numpy_sums(softmax(logits), masks, hard=argmax_hard(logits)))
    np.testing.assert_array_equal(scores.pixels, [60, 60])


def test_a_volume_whose_output_has_another_size():
    volume, masks = np.zeros((1, 4, 4, 4, 3), np.float32), np.zeros((1, 4, 4, 4), np.uint8)
    score = scorer(lambda x: x[:, ::2], spatial_rank=3, input_shape=(None, None, None, None, 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="has another size than its mask"):
        score(volume, masks)


# traces


def test_many_shapes_are_one_trace():
    traces = []

    def model(images):
        traces.append(images.shape)
        return tf.nn.softmax(images)

    score = scorer(model)
    for batch, height, width in [(1, 4, 4), (2, 4, 4), (2, 5, 7), (3, 16, 2)]:
        score(np.zeros((batch, height, width, 3), np.uint8), np.zeros((batch, height, width), np.uint8))
    assert len(traces) == 1


@pytest.mark.parametrize("labelled", ["class ids", "multi-label", "ignored"])
@pytest.mark.parametrize("rank", [2, 3])
def test_sizes_and_free_channels_make_no_trace_of_their_own(rank, labelled):
    traces = []

    def model(images):
        traces.append(images.shape)
        return tf.concat([tf.nn.sigmoid(images[..., :1])] * 3, -1)

    score = scorer(model, kind="sigmoid", spatial_rank=rank, channels=0, input_shape=(None,) * (rank + 2))
    for sizes in [(2, 4, 6), (2, 5, 7), (3, 9, 2), (2, 2, 3), (1, 1, 1)]:
        for channels in (1, 3, 6):
            masks = np.zeros((2, *sizes[:rank]), np.uint8)
            ignored = masks == 0 if labelled == "ignored" else None
            if labelled != "class ids":
                masks = np.zeros((*masks.shape, 3), bool)
            found = score(np.zeros((2, *sizes[:rank], channels), bool), masks, ignored)
            np.testing.assert_array_equal(found.pixels, [np.prod(sizes[:rank])] * 2)
    assert len(traces) == 1


def test_traces_are_as_many_as_dtypes():
    traces = []

    def model(images):
        traces.append(images.shape)
        return tf.nn.softmax(images)

    score = scorer(model, spatial_rank=3, input_shape=(None, None, None, None, 3))
    for width in range(1, 6):
        for dtype in (np.uint8, np.uint16, np.float32):
            score(np.zeros((1, 2, 2, width, 3), dtype), np.zeros((1, 2, 2, width), np.uint8))
    assert traces == [(None, None, None, None, 3)] * 3


def test_another_dtype_is_another_trace():
    traces = []

    def model(images):
        traces.append(images.shape)
        return tf.nn.softmax(images)

    score = scorer(model)
    for dtype in (np.uint8, np.uint16, np.uint8):
        score(np.zeros((1, 2, 2, 3), dtype), np.zeros((1, 2, 2), np.uint8))
    assert len(traces) == 2


def test_the_batch_does_not_change_a_sample():
    logits, masks = draw(5)
    score = scorer(tf.identity, kind="softmax_logits")
    together = score(logits, masks)
    for i in range(5):
        alone = score(logits[i : i + 1], masks[i : i + 1])
        for a, b in zip(alone.overlap, together.overlap, strict=True):
            np.testing.assert_allclose(a[0], b[i], rtol=1e-12)


@pytest.mark.parametrize("sizes", [(4, 6), (2, 4, 6)], ids=["images", "volumes"])
def test_an_output_for_fewer_samples_does_not_fit_and_is_no_error_of_the_graph(sizes):
    rank = len(sizes)
    score = scorer(lambda images: tf.nn.softmax(images)[:1], spatial_rank=rank, input_shape=None)
    found = score(np.zeros((2, *sizes, 3), np.float32), np.zeros((2, *sizes), np.uint8))
    assert not found.fits
