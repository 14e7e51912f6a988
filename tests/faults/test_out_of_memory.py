"""Memory that runs out where TensorFlow says so: in a graph, while it is traced, and as results are read."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.model import saved_model, score_function
from dicebeam.components.model.agreement import Agreement
from dicebeam.components.model.saved_model import ScoreSettings
from dicebeam.components.model.scorer import Scorer
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import ModelSettings
from dicebeam.schemas.records import Batch, Lineage, Progress, Sample
from dicebeam.schemas.shards import Shard

NO = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


def plain(images):
    return {"o": tf.nn.softmax(images)}


def hungry(fits):
    """A graph in which memory runs out for more than so many samples.

    TensorFlow makes its own error of Python's. An allocation that is refused ends in the same one, after the ten
    seconds for which TensorFlow's allocators wait each time.
    """

    def nothing(images):
        if len(images) > fits:
            raise MemoryError("no more")
        return np.zeros_like(images)

    def serve(images):
        more = tf.numpy_function(nothing, [images], tf.float32, stateful=False)
        more.set_shape(images.shape)
        return {"o": tf.nn.softmax(images + more)}

    return serve


@pytest.fixture
def scorer_of(monkeypatch):
    """A scorer with the real chain around a function in the place of a signature."""

    def scorer_of(serve):
        monkeypatch.setattr(saved_model, "load", lambda _: SimpleNamespace(signatures={"s": serve}))
        agreement = Agreement("s", "images", "float32", None, "o", 2, 3, None, (0, 1, 2), 0)
        labels = LabelSettings(classes=("a", "b", "c"))
        return Scorer(ScoreSettings(ModelSettings(path="m"), labels, agreement, "f"))

    return scorer_of


def batch(count=16):
    rng = np.random.default_rng(count)
    samples = [
        Sample(Lineage("shard", i, i), f"s{i}", (), image, mask, None, ())
        for i, (image, mask) in enumerate(
            zip(rng.normal(size=(count, 4, 5, 3)).astype(np.float32), rng.integers(0, 3, (count, 4, 5)), strict=True)
        )
    ]
    samples = [Sample(s.lineage, s.sample_id, (), s.image, s.mask.astype(np.uint8), None, ()) for s in samples]
    return Batch(Shard("shard", 1), 0, tuple(samples), (), Progress(count, 9, 0, done=False))


def assert_equal(found, expected):
    assert found.failures == expected.failures == ()
    assert [key.lineage.record for key in found.keys] == list(range(16))
    for name in type(found.sums).__dataclass_fields__:
        np.testing.assert_allclose(getattr(found.sums, name), getattr(expected.sums, name), rtol=1e-6)
        if getattr(found.sums, name).dtype == np.int64:
            np.testing.assert_array_equal(getattr(found.sums, name), getattr(expected.sums, name))


def called(monkeypatch):
    """How many samples each call had."""
    counts, own = [], score_function.score_function

    def counting(*given):
        score = own(*given)
        return lambda *tensors: (counts.append(len(tensors[0])), score(*tensors))[1]

    monkeypatch.setattr(score_function, "score_function", counting)
    return counts


@pytest.mark.parametrize("fits", [1, 5])
def test_memory_that_runs_out_in_the_graph_halves_the_batch(scorer_of, monkeypatch, fits):
    counts = called(monkeypatch)
    found = scorer_of(hungry(fits)).score(batch())
    assert counts == ([16, 8, 4, 4, 4, 4] if fits == 5 else [16, 8, 4, 2, 1] + [1] * 15)
    assert_equal(found, scorer_of(plain).score(batch()))


def test_memory_that_runs_out_even_for_one_makes_failures_of_all_whatever_fitted_before(scorer_of, monkeypatch):
    counts, fits = called(monkeypatch), [16]

    def serve(images):
        return hungry(fits[0])(images)

    first, later = scorer_of(hungry(0)).score(batch()), scorer_of(serve)
    assert later.score(batch()).failures == ()
    fits[0] = 0
    later = scorer_of(serve).score(batch())
    for found in (first, later):
        assert [(failure.lineage.record, failure.error) for failure in found.failures] == [
            (i, "ResourceExhaustedError") for i in range(16)
        ]
        assert re.search("^out of memory with this sample alone .*no more", found.failures[0].message)
    assert counts[:7] == [16, 8, 4, 2, 1, 1, 1]  # the first sample is tried once more


def test_memory_that_runs_out_while_the_graph_is_traced_is_asked_for_again(scorer_of, monkeypatch):
    refused, counts = [], called(monkeypatch)

    def serve(images):
        if not refused:
            refused.append(images.shape)
            raise NO
        return plain(images)

    assert_equal(scorer_of(serve).score(batch()), scorer_of(plain).score(batch()))
    assert len(refused) == 1
    assert counts[:3] == [16, 8, 8]


class Late:
    """A tensor on a device that fails when it is read."""

    def __init__(self, tensor, fits, error):
        self._tensor, self._fits, self._error = tensor, fits, error

    def numpy(self):
        if len(self._tensor) > self._fits:
            raise self._error
        return self._tensor.numpy()


@pytest.mark.parametrize("field", ["low", "predicted"])
@pytest.mark.parametrize(
    "error", [NO, tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY"), MemoryError()], ids=str
)
def test_memory_that_runs_out_as_the_results_are_read_halves_the_batch(scorer_of, monkeypatch, field, error):
    own = score_function.score_function

    def late(*given):
        score = own(*given)

        def call(*tensors):
            scores = score(*tensors)
            if field == "low":
                return scores._replace(low=Late(scores.low, 4, error))
            return scores._replace(overlap=scores.overlap._replace(predicted=Late(scores.overlap.predicted, 4, error)))

        return call

    expected = scorer_of(plain).score(batch())
    monkeypatch.setattr(score_function, "score_function", late)
    assert_equal(scorer_of(plain).score(batch()), expected)


def test_a_sample_that_a_device_fails_on_as_its_result_is_read_fails_alone(scorer_of, monkeypatch):
    """Kernels of a GPU run after the call has come back: what they find is raised by the first read."""
    own = score_function.score_function
    bad = tf.errors.InvalidArgumentError(None, None, "an index is out of range")

    def late(*given):
        score = own(*given)

        def call(images, *tensors):
            scores = score(images, *tensors)
            return scores._replace(low=Late(scores.low, -1, bad)) if (images.numpy() == 99).any() else scores

        return call

    monkeypatch.setattr(score_function, "score_function", late)
    given = batch()
    given.samples[3].image[:] = 99
    scorer = scorer_of(plain)
    found = scorer.score(given)
    assert [failure.lineage.record for failure in found.failures] == [3]
    assert found.failures[0].message == "the model failed: an index is out of range"
    assert len(found.keys) == 15
