"""Who is to blame when a model fails: one sample, the device, or the memory. The model is a plain function here."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicebeam.components import dice
from dicebeam.components.model import model_faults, saved_model, score_function
from dicebeam.components.model.agreement import Agreement
from dicebeam.components.model.saved_model import ScoreSettings
from dicebeam.components.model.score_function import Scores
from dicebeam.components.model.scorer import Scorer
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.config.model import ModelSettings
from dicebeam.schemas.errors import DeviceError, ModelError
from dicebeam.schemas.records import Batch, Lineage, Progress, Sample
from dicebeam.schemas.shards import Shard

LABELS = LabelSettings(classes=("a", "b", "c"))
BAD, ODD, BROKEN, NAN, FORCED = 9.0, 8.0, 7.0, 6.0, 5.0
FITS = 16


class Model:
    """Raises for bad values and for more samples than fit; notes how many samples each call had."""

    def __init__(self, fits=FITS, memory_error=None, error=None):
        self.calls, self.fits, self.error = [], fits, error
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
            (FORCED, self.error),
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


# a rule of the data alone


@pytest.mark.parametrize("bad", [BAD, ODD])
@pytest.mark.parametrize("count", [1, 3, 16])
@pytest.mark.parametrize("before", [0, 2])
def test_what_was_scored_before_does_not_matter(scorer_of, bad, count, before):
    scorer = scorer_of(Model())
    scorer.score(batch(values(before)))
    found = scorer.score(batch([bad] * count))
    assert (records(found), failed(found)) == ([], list(range(count)))


VALUES = st.sampled_from([0.25, 0.5, BAD, ODD, NAN])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=st.lists(VALUES, min_size=1, max_size=12), fits=st.integers(0, FITS), before=st.lists(VALUES, max_size=3))
def test_what_becomes_of_a_batch_is_what_becomes_of_its_samples_alone(scorer_of, given, fits, before):
    whole = scorer_of(Model(fits))
    whole.score(batch(before))
    found = whole.score(batch(given))
    alone = [scorer_of(Model(fits)).score(batch([value])) for value in given]
    scored = [i for i, one in enumerate(alone) if one.keys]
    assert records(found) == scored
    assert {f.lineage.record: (f.error, f.message) for f in found.failures} == {
        i: (one.failures[0].error, one.failures[0].message) for i, one in enumerate(alone) if one.failures
    }
    assert len(found.failures) == len(given) - len(scored)
    for name in type(found.sums).__dataclass_fields__ if scored else ():
        expected = np.concatenate([getattr(alone[i].sums, name) for i in scored])
        np.testing.assert_array_equal(getattr(found.sums, name), expected)


# the device, or the model on it


OP_ERRORS = sorted(
    (kind for kind in vars(tf.errors).values() if isinstance(kind, type) and issubclass(kind, tf.errors.OpError)),
    key=lambda kind: kind.__name__,
)
OF_A_SAMPLE = {"InvalidArgumentError", "OutOfRangeError", "UnimplementedError"}


def test_tensorflow_has_no_kind_of_error_that_nobody_looked_at():
    assert len(OP_ERRORS) == 17


def made(kind, text="it went wrong"):
    return kind(None, None, text, 99) if kind is tf.errors.OpError else kind(None, None, text)


@pytest.mark.parametrize("kind", OP_ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("before", [0, 2])
def test_only_a_samples_own_kinds_of_errors_make_it_a_failure(scorer_of, kind, count, before):
    scorer = scorer_of(Model(error=made(kind)))
    scorer.score(batch(values(before)))
    if kind.__name__ in OF_A_SAMPLE | {model_faults.OUT_OF_MEMORY}:
        found = scorer.score(batch([FORCED] * count))
        assert [failure.error for failure in found.failures] == [kind.__name__] * count
        return
    expected = rf"model m: .* failed on shard, records 0 to {count - 1}: {kind.__name__}: it went wrong\. .* --run-id"
    with pytest.raises(DeviceError, match=expected) as raised:
        scorer.score(batch([FORCED] * count))
    assert "\n" not in str(raised.value)  # runners hand one line on


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (ValueError("depth must be 3"), True),
        (TypeError("has DataType bool"), True),
        (RuntimeError("CUDA error"), False),
        (KeyError("probs"), False),
        (OSError("device not ready"), False),
    ],
)
def test_pythons_errors(scorer_of, error, own):
    scorer = scorer_of(Model(error=error))
    if own:
        assert failed(scorer.score(batch([FORCED]))) == [0]
        return
    with pytest.raises(DeviceError, match=type(error).__name__):
        scorer.score(batch([FORCED]))


@pytest.mark.parametrize(
    "text",
    [
        "No OpKernel was registered to support Op 'CudnnRNN' used by {{node CudnnRNN}} with these attrs: []",
        "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
        "CUDNN_STATUS_NOT_SUPPORTED in external/xla/cuda_dnn.cc(4369)",
        "Unable to find any devices for spec /device:GPU:0",
        "Cannot assign a device for operation a: Could not satisfy explicit device specification",
        "Detected unsupported operations when trying to compile graph f[] on XLA_CPU_JIT: AsString",
        "Default MaxPoolingOp only supports NHWC on device type CPU",
        "DNN library is not found.",
        "The Conv2D op currently only supports the NHWC tensor format on the CPU. The op was given the format: NCHW",
    ],
)
@pytest.mark.parametrize("kind", [tf.errors.InvalidArgumentError, tf.errors.UnimplementedError])
def test_what_a_device_cannot_do_with_any_sample_is_not_the_samples_fault(scorer_of, kind, text):
    with pytest.raises(DeviceError, match="records 0 to 0"):
        scorer_of(Model(error=made(kind, text))).score(batch([FORCED]))


def test_a_sample_may_speak_of_devices():
    said = "assertion failed: [unknown device type GPU-7] [OpKernel]"
    assert model_faults.is_samples(tf.errors.InvalidArgumentError(None, None, said))


def test_an_op_that_has_no_kernel_here():
    def recurrent():
        zeros = tf.zeros([1, 2, 3])
        return tf.raw_ops.CudnnRNN(input=zeros, input_h=zeros, input_c=zeros, params=tf.zeros([9]), rnn_mode="lstm")

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("it has one")
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.function(recurrent)()
    assert not model_faults.is_samples(raised.value)
    assert "CudnnRNN" in model_faults.reason_of_device(raised.value)


def test_a_broken_device_beside_a_bad_sample_ends_the_run(scorer_of):
    scorer = scorer_of(Model())
    with pytest.raises(DeviceError, match="failed on shard, records 2 to 3: InternalError: CUDA_ERROR_LAUNCH_FAILED"):
        scorer.score(batch([BAD, 0.5, 0.5, BROKEN]))


def test_bad_samples_of_both_kinds_are_no_failure_of_the_model(scorer_of):
    found = scorer_of(Model()).score(batch([NAN, BAD]))
    assert (records(found), sorted(failed(found))) == ([], [0, 1])


# the transform before the model


@pytest.mark.parametrize("kind", OP_ERRORS, ids=lambda kind: kind.__name__)
def test_a_transforms_errors_are_told_apart_likewise(scorer_of, monkeypatch, kind):
    """The model fails on everything; the transform, which is asked whether it was it, fails in its own way."""

    def transform(_):
        raise made(kind)

    def model(*_):
        raise ValueError("no")

    monkeypatch.setattr(saved_model, "load_inputs", lambda _: transform)
    scorer, given = scorer_of(model), batch([0.5])
    given = replace(given, samples=(replace(given.samples[0], image=b"an example"),))
    if kind.__name__ in OF_A_SAMPLE:
        (failure,) = scorer.score(given).failures
        assert failure.message == "the transform failed: it went wrong"
        return
    with pytest.raises(DeviceError, match=f"records 0 to 0: {kind.__name__}: it went wrong"):
        scorer.score(given)


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


@pytest.mark.parametrize("before", [0, 4])
@pytest.mark.parametrize("count", [1, 4])
def test_samples_that_do_not_fit_alone_fail_whatever_was_scored_before(scorer_of, before, count):
    model = Model()
    scorer = scorer_of(model)
    scorer.score(batch(values(before)))
    model.fits = 0
    found = scorer.score(batch(values(count)))
    assert (records(found), failed(found)) == ([], list(range(count)))
    failure = found.failures[0]
    assert (failure.error, failure.stage, failure.sample_id) == (model_faults.OUT_OF_MEMORY, "model", "s0")
    assert failure.message == (
        "out of memory with this sample alone (image [2, 2, 3], mask [2, 2]); it needs a machine with more memory "
        "(OOM when allocating)"
    )


def test_a_sample_that_does_not_fit_alone_is_tried_once_more(scorer_of):
    model = Model(fits=0)
    scorer = scorer_of(model)
    scorer.score(batch([0.5]))
    assert model.calls == [1, 1]

    def free():
        model.fits = FITS
        raise model.memory_error

    scorer._score = lambda *given: free() if model.fits == 0 else model(*given)
    assert records(scorer.score(batch([0.5]))) == [0]


def test_the_last_try_has_the_device_for_itself(scorer_of):
    """What the other threads of the process hold at that moment is not the sample's matter either."""
    inside, most, lock = [], [], threading.Lock()

    def score(images, *given):
        with lock:
            inside.append(len(images))
            crowd = len(inside)
        try:
            time.sleep(0.01)
            if images.numpy()[0, 0, 0, 0] == 0.5 and crowd > 1:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
            most.append(crowd)
            return model(images, *given)
        finally:
            with lock:
                inside.pop()

    model, scorer = Model(), scorer_of(Model())
    scorer._score = score
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: scorer.score(batch([0.5 if i % 4 == 0 else 0.1])), range(24)))
    assert [failure for one in found for failure in one.failures] == []
    assert max(most) > 1


def test_a_fixed_batch_cannot_be_halved(scorer_of):
    model = Model(fits=3)
    with pytest.raises(
        ModelError, match=r"out of memory with the signature's batch of 4 on shard, records 0 to 1; free"
    ):
        scorer_of(model, fixed=4).score(batch(values(2)))
    assert model.calls == [4]
