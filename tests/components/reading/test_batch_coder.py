"""What Beam asks of a batch between two stages costs no copy of its pixels."""

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.coders import registry

from dicebeam.components.reading.read_samples import BatchCoder, ReadSamples
from dicebeam.schemas.records import Batch, Failure, Lineage, Progress, Sample
from dicebeam.schemas.shards import Shard


class Unpicklable(np.ndarray):
    """Pixels that nobody may pickle."""

    def __reduce__(self):
        pytest.fail("pixels were pickled")


def batch(image):
    lineage = Lineage("s", 0, 0)
    mask = np.zeros((2, 3), np.uint8)
    samples = tuple(Sample(lineage, name, (), image, mask, None, ()) for name in "ab")
    return Batch(
        Shard("s", 9), 0, samples, (Failure(lineage, None, "mask", "SampleError", "no"),), Progress(3, 9, 3, True)
    )


def test_its_size_is_known_without_pickling():
    size = BatchCoder().get_impl().estimate_size(batch(np.zeros((2, 3, 4), np.float32).view(Unpicklable)))
    assert size == 2 * (2 * 3 * 4 * 4 + 2 * 3)
    assert BatchCoder().get_impl().estimate_size(batch(b"12345")) == 2 * (5 + 2 * 3)


def test_it_comes_back_as_it_was():
    coder, sent = BatchCoder(), batch(np.arange(24.0).reshape(2, 3, 4))
    came = coder.decode(coder.encode(sent))
    assert (came.shard, came.failures, came.progress) == (sent.shard, sent.failures, sent.progress)
    for a, b in zip(came.samples, sent.samples, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_batches_are_sent_with_it(monkeypatch):
    monkeypatch.delitem(registry._coders, Batch, raising=False)  # of another test
    pipeline = beam.Pipeline(runner="apache_beam.runners.portability.fn_api_runner.FnApiRunner")
    units = pipeline | beam.Create([Shard("s", 9)]).with_output_types(Shard)
    batches = units | ReadSamples(None)
    assert isinstance(registry.get_coder(batches.element_type), BatchCoder)
