"""Who is to blame when a model fails: one sample, the model, or the memory. The model is a plain function here."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components import dice
from dicebeam.components.model import model_faults, saved_model, score_function
from dicebeam.components.model.agreement import Agreement
from dicebeam.components.model.saved_model import ScoreSettings
from dicebeam.components.model.score_function import Scores
from dicebeam.components.model.scorer import Scorer
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import ModelSettings
from dicebeam.schemas.errors import ModelError
from dicebeam.schemas.records import Batch, Lineage, Progress, Sample
from dicebeam.schemas.shards import Shard

LABELS = LabelSettings(classes=("a", "b", "c"))
BAD, ODD, BROKEN, NAN = 9.0, 8.0, 7.0, 6.0
FITS = 16


class Model:
    """Raises for bad values and for more samples than fit; notes how many samples each call had."""

    def __init__(self, fits=FITS, memory_error=None):
        self.calls, self.fits = [], fits
        self.memory_error = memory_error or tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    def __call__(self, images, masks, _ignored):
        self.calls.append(len(images))
        values = images.numpy()
        if len(images) > self.fits:
            raise self.memory_error
        for value, error in (
            (BAD, tf.errors.InvalidArgumentError(None, None, "too bright")),
            (ODD, ValueError("depth must be 3")),
            (BROKEN, tf.errors.InternalError(None, None, "CUDA_ERROR_LAUNCH_FAILED")),
        ):
            if (values == value).any():
                raise error
        probs = tf.where(images == NAN, np.nan, tf.nn.softmax(images))
        sums = dice.overlap(probs, masks, exclusive=True, threshold=0.5)
        pixels = tf.fill([len(images)], tf.constant(4, tf.int64))
        limits = tf.reduce_min(probs, [1, 2, 3]), tf.reduce_max(probs, [1, 2, 3])
        return Scores(sums, pixels, tf.zeros_like(pixels), *limits, tf.constant(3), tf.constant(True), tf.shape(probs))


@pytest.fixture
def scorer_of(monkeypatch):
    def scorer_of(model, fixed=0):
        loaded = SimpleNamespace(signatures={"s": None})
        monkeypatch.setattr(saved_model, "load", lambda _: loaded)
        monkeypatch.setattr(score_function, "score_function", lambda *_: model)
        agreement = Agreement("s", "i", "float32", None, "o", 2, 3, None, (0, 1, 2), fixed)
        return Scorer(ScoreSettings(ModelSettings(path="m"), LABELS, agreement, "f"))

    return scorer_of


def batch(values, bucket=()):
    mask = np.zeros((2, 2), np.uint8)
    images = [np.full((2, 2, 3), value, np.float32) for value in values]
    samples = [Sample(Lineage("shard", i, i), f"s{i}", (), im, mask, None, bucket) for i, im in enumerate(images)]
    return Batch(Shard("shard", 1), 0, tuple(samples), (), Progress(len(samples), 9, 0, done=False))


def values(count, **replaced):
    made = [i / 100 for i in range(count)]
    for at, value in replaced.items():
        made[int(at[1:])] = value
    return made


def records(found):
    return [key.lineage.record for key in found.keys]


def failed(found):
    return [failure.lineage.record for failure in found.failures]


# a sample the model fails on


@pytest.mark.parametrize("bad", [0, 5, 15])
def test_one_bad_sample_is_found_by_halving(scorer_of, bad):
    model = Model()
    found = scorer_of(model).score(batch(values(16, **{f"i{bad}": BAD})))
    assert failed(found) == [bad]
    assert records(found) == [i for i in range(16) if i != bad]
    assert found.failures[0].message == "the model failed: too bright"
    assert len(model.calls) == 1 + 2 * 4 + 1  # the batch, two halves at each of four steps, the others together
    assert model.calls[-1] == 15


def test_the_others_have_the_sums_they_have_without_it(scorer_of):
    given = values(11, i3=BAD, i7=ODD)
    found = scorer_of(Model()).score(batch(given))
    without = scorer_of(Model()).score(batch([v for v in given if v not in (BAD, ODD)]))
    assert failed(found) == [3, 7]
    for name in type(found.sums).__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found.sums, name), getattr(without.sums, name))


def test_a_good_batch_is_one_call(scorer_of):
    model = Model()
    assert records(scorer_of(model).score(batch(values(16)))) == list(range(16))
    assert model.calls == [16]


# the model, or the device


@pytest.mark.parametrize("bad", [BAD, ODD])
def test_a_model_that_has_scored_nothing_and_fails_on_all_of_several_is_to_blame(scorer_of, bad):
    with pytest.raises(ModelError, match=r"model m: it failed on shard, records 0 to 2: (too bright|depth must be 3)$"):
        scorer_of(Model()).score(batch([bad] * 3))


def test_a_model_that_has_scored_is_not_to_blame_for_several_bad_samples(scorer_of):
    scorer = scorer_of(Model())
    scorer.score(batch(values(2)))
    found = scorer.score(batch([BAD, ODD, BAD]))
    assert (records(found), failed(found)) == ([], [0, 1, 2])


def test_a_broken_device_ends_the_run_whatever_was_scored(scorer_of):
    scorer = scorer_of(Model())
    scorer.score(batch(values(2)))
    with pytest.raises(ModelError, match="it failed on shard, records 0 to 2: CUDA_ERROR_LAUNCH_FAILED"):
        scorer.score(batch([BROKEN] * 3))


def test_bad_samples_of_both_kinds_are_no_failure_of_the_model(scorer_of):
    found = scorer_of(Model()).score(batch([NAN, BAD]))
    assert (records(found), sorted(failed(found))) == ([], [0, 1])


# memory


MEMORY_ERRORS = [
    tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
    tf.errors.InternalError(None, None, "Failed copying input tensor: Dst tensor is not initialized."),
    tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    tf.errors.InternalError(None, None, "cuLaunchKernel: CUBLAS_STATUS_ALLOC_FAILED"),
    tf.errors.UnknownError(None, None, "CUDNN_STATUS_ALLOC_FAILED in external/xla/cuda_dnn.cc(4369)"),
    tf.errors.NotFoundError(None, None, "No algorithm worked!"),
    MemoryError(),
]


@pytest.mark.parametrize("error", MEMORY_ERRORS, ids=str)
def test_what_is_said_where_memory_runs_out(error):
    assert model_faults.is_memory(error)


def test_other_errors_of_a_device_are_not_taken_for_memory():
    for kind, text in (("InternalError", "CUDA_ERROR_LAUNCH_FAILED"), ("InvalidArgumentError", "ALLOC_FAILED")):
        assert not model_faults.is_memory(getattr(tf.errors, kind)(None, None, text))


@pytest.mark.parametrize("error", MEMORY_ERRORS, ids=str)
@pytest.mark.parametrize("fits", [1, 3, 5, 15])
def test_a_batch_that_does_not_fit_is_halved_and_every_count_is_the_same(scorer_of, fits, error):
    given = values(16, i6=BAD, i7=NAN)
    found, wanted = (scorer_of(Model(n, error)).score(batch(given)) for n in (fits, FITS))
    assert records(found) == records(wanted) == [i for i in range(16) if i not in (6, 7)]
    assert failed(found) == failed(wanted)
    assert [f.message for f in found.failures] == [f.message for f in wanted.failures]
    for name in type(found.sums).__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found.sums, name), getattr(wanted.sums, name))


def test_the_size_that_fits_is_remembered_for_the_bucket(scorer_of):
    model = Model(fits=5)
    scorer = scorer_of(model)
    scorer.score(batch(values(16)))
    assert model.calls == [16, 8, 4, 4, 4, 4]
    model.calls.clear()
    scorer.score(batch(values(16)))
    scorer.score(batch(values(3)))
    assert model.calls == [4, 4, 4, 4, 3]
    model.calls.clear()
    scorer.score(batch(values(5), bucket=("other",)))
    assert model.calls == [5]


def test_a_sample_that_does_not_fit_alone_fails(scorer_of):
    scorer = scorer_of(Model(fits=0))
    (failure,) = scorer.score(batch([0.5])).failures
    assert (failure.error, failure.stage, failure.sample_id) == (model_faults.OUT_OF_MEMORY, "model", "s0")
    assert failure.message == (
        "out of memory with this sample alone (image [2, 2, 3], mask [2, 2]); it needs a machine with more memory "
        "(OOM when allocating)"
    )


def test_several_that_do_not_fit_alone_fail_beside_others_that_do(scorer_of):
    model = Model()
    scorer = scorer_of(model)
    scorer.score(batch(values(4), bucket=("small",)))
    model.fits = 0
    assert failed(scorer.score(batch(values(4), bucket=("big",)))) == [0, 1, 2, 3]


def test_a_model_that_never_fitted_ends_the_run(scorer_of):
    with pytest.raises(ModelError, match="it failed on shard, records 0 to 3: out of memory with this sample alone"):
        scorer_of(Model(fits=0)).score(batch(values(4)))


def test_memory_that_others_have_taken_is_not_the_samples_fault(scorer_of):
    model = Model()
    scorer = scorer_of(model)
    scorer.score(batch(values(4)))
    model.fits = 0
    with pytest.raises(
        ModelError, match=r"out of memory with a sample of a shape that has fitted before on shard, rec"
    ):
        scorer.score(batch(values(4)))


def test_a_fixed_batch_cannot_be_halved(scorer_of):
    model = Model(fits=3)
    with pytest.raises(
        ModelError, match=r"out of memory with the signature's batch of 4 on shard, records 0 to 1; free"
    ):
        scorer_of(model, fixed=4).score(batch(values(2)))
    assert model.calls == [4]
