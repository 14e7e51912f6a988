"""Overlap sums on a CPU: one XLA kernel over tiles of a fixed size.

The usual one-hot formulation writes and reads arrays of `[B, N, C]` several times. Here each tile stays in
the cache, three compiled passes read it, and what leaves it is one code and one number a pixel. XLA compiles
once for each static shape; tiles have one shape whatever the images' sizes are.
"""

from collections.abc import Callable
from functools import cache

import tensorflow as tf

ROW = 1024  # pixels in a row of partial sums: a power of two
UNCOUNTED = -(2**31)
MAX_CLASSES = 128  # beyond it the C x C bins of a row cost more than they save

_TILE_FLOATS = 655_360  # 2.5 MiB: a tile that the last-level cache holds
_Kernel = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
_UNROLL, _CHAIN = 4, 16
# One int64 a pixel, one bincount: the count is added in the high bits, the probability in units of 2^-40 in
# the low ones. A row of 1024 is < 2^11 counts and, in these units, probabilities < 2^51: neither runs over.
_COUNT_BIT, _UNIT = 52, 2.0**-40
_COUNT = 1 << _COUNT_BIT


def tile_rows(classes: int) -> int:
    """Rows of a tile: the power of two whose floats fit `_TILE_FLOATS`, at least one."""
    fitting = max(_TILE_FLOATS // (ROW * classes), 1)
    return 1 << (fitting.bit_length() - 1)


def tiled_sums(probabilities: tf.Tensor, labels: tf.Tensor, *, masked: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Sum rows of pixels, tile by tile.

    Args:
        probabilities: float `[rows, ROW, C]`, C static.
        labels: int32 `[rows, ROW]`: 0..C-1; UNCOUNTED for a pixel that does not count; any other number for
            one of no class.
        masked: whether probabilities of pixels that do not count must be left out of the sums. False is
            right where they are zeros.

    Returns:
        Of each row: int64 `[rows, 3, C]` true positives, pixels predicted and pixels true; float64 `[rows, C]`
        sums of the label's own probability, each rounded to 2^-40; complex64 `[rows, C]` sums of p + i p^2.
    """
    classes = probabilities.shape[-1]
    tile = tile_rows(classes)
    kernel = _kernel(classes, masked=masked)
    given = tf.shape(labels)[0]
    missing = tf.maximum(tile - given, 0)  # fewer rows than a tile are filled up to one
    probabilities = tf.pad(probabilities, [[0, missing], [0, 0], [0, 0]])
    labels = tf.pad(labels, [[0, missing], [0, 0]], constant_values=UNCOUNTED)
    last = given + missing - tile
    tiles = (last + tile - 1) // tile + 1
    shapes = ((tf.int64, [tile, 3, classes]), (tf.complex64, [tile, classes]))
    arrays = [tf.TensorArray(dtype, size=tiles, element_shape=shape) for dtype, shape in shapes]

    def step(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple[tf.Tensor | tf.TensorArray, ...]:
        start = tf.minimum(i * tile, last)  # the last tile may overlap the one before
        # Slices of the first axis share the buffer: nothing is copied.
        probs = tf.slice(probabilities, [start, 0, 0], [tile, ROW, classes])
        code, weights, moments = kernel(probs, tf.slice(labels, [start, 0], [tile, ROW]))
        sums = (_binned(code, weights, classes), moments)
        return (i + 1, *(array.write(i, value) for array, value in zip(arrays, sums, strict=True)))

    _, *arrays = tf.while_loop(lambda i, *_: i < tiles, step, (0, *arrays), parallel_iterations=1)
    rows = tf.range(given)
    rows += tf.where(rows < (tiles - 1) * tile, 0, tiles * tile - given - missing)  # what the last tile repeats
    packed, moments = (tf.gather(array.concat(), rows) for array in arrays)
    # Half a count is added before the cut: a sum may be slightly negative, as probabilities may.
    counts = tf.bitwise.right_shift(packed + _COUNT // 2, tf.constant(_COUNT_BIT, tf.int64))
    own = tf.cast(packed[:, 2] - counts[:, 2] * _COUNT, tf.float64) * _UNIT
    return counts, own, moments


def _binned(code: tf.Tensor, weights: tf.Tensor, classes: int) -> tf.Tensor:
    """Packed sums of each row, int64 `[rows, 3, C]`: label and argmax equal; by argmax; by label."""
    # tf.math.bincount reads the maximum of the data first; here the bins are known.
    bins = (classes + 2) * classes
    packed = tf.raw_ops.DenseBincount(input=code, size=bins, weights=weights, binary_output=False)
    return _margins(tile_rows(classes), classes)(packed)


@cache
def _margins(rows: int, classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Diagonal and sums of the bins, compiled: TensorFlow's own sums over so few bins cost more than the pixels."""

    def margins(packed: tf.Tensor) -> tf.Tensor:
        packed = tf.reshape(packed, [rows, classes + 2, classes])[:, :-1]  # without pixels that do not count
        by_label = tf.reduce_sum(packed, 2)[:, :-1]
        return tf.stack([tf.linalg.diag_part(packed[:, :-1]), tf.reduce_sum(packed, 1), by_label], 1)

    compiled: Callable[[tf.Tensor], tf.Tensor] = tf.function(margins, jit_compile=True, autograph=False)
    return compiled


@cache
def _kernel(classes: int, *, masked: bool) -> _Kernel:
    """Compiled once a process for each number of classes."""
    tile = tile_rows(classes)

    def kernel(probabilities: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        probs = tf.cast(probabilities, tf.float32)
        hard = tf.argmax(probs, -1, output_type=tf.int32)
        known = (labels >= 0) & (labels < classes)
        code = tf.where(known, labels, classes) * classes + hard
        code = tf.where(labels == UNCOUNTED, (classes + 1) * classes, code)
        own = tf.gather(probs, tf.where(known, labels, 0), batch_dims=2)
        weights = tf.cast(tf.cast(own, tf.float64) / _UNIT, tf.int64) + _COUNT
        if masked:
            probs = tf.where((labels != UNCOUNTED)[..., None], probs, 0.0)
        return code, weights, _moments(probs, tile, classes)

    compiled: _Kernel = tf.function(kernel, jit_compile=True, autograph=False)
    return compiled


def _moments(probs: tf.Tensor, rows: int, classes: int) -> tf.Tensor:
    """Sum p + i p^2 over the pixels of each row.

    A complex number makes XLA compute both in one pass; two real reductions are two passes. Slices of many
    pixels are added first, in loops that vectorise for any number of classes. Three short sums, which XLA
    compiles in a third of the time of one long one, and whose float32 chains are 4, 16 and 16 additions:
    equal pixels round in one direction, and 1024 of them in a chain lose two digits.
    """
    lanes = tf.reshape(probs, [rows, _UNROLL, ROW // _UNROLL * classes])
    parts = tf.add_n([tf.complex(part, part * part) for part in tf.unstack(lanes, axis=1)])
    parts = tf.reduce_sum(tf.reshape(parts, [rows, _CHAIN, ROW // _UNROLL // _CHAIN * classes]), 1)
    return tf.reduce_sum(tf.reshape(parts, [rows, ROW // _UNROLL // _CHAIN, classes]), 1)
