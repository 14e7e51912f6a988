"""Arrays of samples to one tensor of a batch, without a second copy of it.

`tf.constant` copies what `np.stack` has copied, so that a batch stands in memory three times with its samples. Here the
tensor is made of the very bytes that the samples were stacked in, which nothing else refers to.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_ALIGNMENT = 64
"""Bytes; TensorFlow takes no foreign memory that begins elsewhere."""


def stacked(arrays: Sequence[NDArray[Any]]) -> tf.Tensor:
    """Arrays of one shape and dtype, at least one, as a tensor `[len(arrays), *shape]` of that dtype.

    Raises:
        ValueError: if their shapes differ.
        TypeError: if their dtypes do.
    """
    shape, dtype = (len(arrays), *arrays[0].shape), arrays[0].dtype
    size = len(arrays) * arrays[0].nbytes
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    whole = memory[begin : begin + size].view(dtype).reshape(shape)
    np.stack(arrays, out=whole, casting="no")
    return tf.experimental.dlpack.from_dlpack(whole.__dlpack__())
