"""Samples stacked to a tensor: the values, dtypes and shapes of tf.constant, in memory that is taken once."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.model import stacking

WHOLE = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES = [*WHOLE, "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 4, 1), (0, 3)])
def test_the_tensor_is_the_one_that_a_copy_would_be(dtype, shape):
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)) for _ in range(3)]
    found, wanted = stacking.stacked(arrays), tf.constant(np.stack(arrays))
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_arrays_of_any_layout_are_stacked():
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    frozen = np.frombuffer(array.tobytes(), np.uint8).reshape(3, 4, 5)
    for each in (array.transpose(0, 1, 2)[:, ::-1], np.asfortranarray(array), frozen, array[:, :, ::2]):
        np.testing.assert_array_equal(stacking.stacked([each, each]).numpy(), np.stack([each, each]))


def test_the_samples_may_change_and_go_afterwards():
    arrays = [np.full((4, 4), value, np.uint8) for value in (1, 2)]
    found = stacking.stacked(arrays)
    arrays[0][:] = 9
    del arrays
    assert found.numpy().reshape(2, -1).mean(1).tolist() == [1, 2]


def test_other_shapes_and_dtypes_are_no_batch():
    with pytest.raises(ValueError, match="shape"):
        stacking.stacked([np.zeros((2, 2)), np.zeros((2, 3))])
    with pytest.raises(TypeError, match=r"(?i)cast"):
        stacking.stacked([np.zeros(2, np.float32), np.zeros(2, np.float64)])


CHILD = """
import numpy as np, tensorflow as tf
from dicebeam.components.model import stacking

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) >> 10

samples = [np.ones((4 << 20,), np.uint8) for _ in range(16)]
stacking.stacked([np.ones(4, np.uint8)]) + 1
before = peak()
batch = stacking.stacked(samples)
print(len(batch), peak() - before)
"""


def test_a_batch_takes_its_memory_once():
    found = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    count, grown = map(int, found.stdout.split())
    assert count == 16
    assert grown < 64 + 16  # MiB; tf.constant(np.stack(...)) takes two or three times as much
