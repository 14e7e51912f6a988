"""Overlap sums on a CPU: one XLA kernel over tiles of a fixed size.

The usual one-hot formulation writes and reads arrays of `[B, N, C]` several times. Here each tile stays in
the cache, three compiled passes read it, and what leaves it is one code and one number a pixel. XLA compiles
once for each static shape; tiles have one shape whatever the images' sizes are.
"""

from collections.abc import Callable
from functools import cache

import tensorflow as tf

ROW = 1024  # pixels in a row of partial sums: a power of two
MAX_CLASSES = 128  # beyond it the C x C bins of a row cost more than they save

_TILE_FLOATS = 1_310_720  # 5 MiB: a tile that the last-level cache holds
_NARROW = 8  # classes up to which loops over them are written out
_LANES = 128  # pixels beside each other in a sum: wide rows vectorise where C alone is narrow
_Kernel = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]
# One int64 a pixel, one bincount: the count is added in the high bits, the probability in units of 2^-40 in
# the low ones. A row of 1024 is < 2^11 counts and, in these units, probabilities < 2^51: neither runs over.
_COUNT_BIT, _UNIT = 52, 2.0**-40
_COUNT = 1 << _COUNT_BIT


def tile_rows(classes: int) -> int:
    """Rows of a tile: the power of two whose floats fit `_TILE_FLOATS`, at least one."""
    fitting = max(_TILE_FLOATS // (ROW * classes), 1)
    return 1 << (fitting.bit_length() - 1)


def tiled_sums(
    probabilities: tf.Tensor, labels: tf.Tensor, counted: tf.Tensor, *, masked: bool
) -> tuple[tf.Tensor, ...]:
    """Sum rows of pixels, tile by tile.

    Args:
        probabilities: float `[rows, ROW, C]`, C static.
        labels: integer `[rows, ROW]`: 0..C-1; any other number for a pixel of no class.
        counted: bool `[rows, ROW]`: the pixels that count.
        masked: whether probabilities of pixels that do not count must be left out of the sums. False is
            right where they are zeros.

    Returns:
        Of each row: int64 `[rows, 3, C]` true positives, pixels predicted and pixels true; float64 `[rows, C]`
        sums of the label's own probability, each rounded to 2^-40; of p; and of p^2.
    """
    classes = probabilities.shape[-1]
    tile = tile_rows(classes)
    kernel = _kernel(classes, masked=masked)
    given = tf.shape(labels)[0]
    missing = tf.maximum(tile - given, 0)  # fewer rows than a tile are filled up to one
    probabilities = tf.pad(probabilities, [[0, missing], [0, 0], [0, 0]])
    labels, counted = (tf.pad(part, [[0, missing], [0, 0]]) for part in (labels, counted))
    last = given + missing - tile
    tiles = (last + tile - 1) // tile + 1
    shapes = ((tf.int64, [tile, 3, classes]), (tf.float64, [tile, classes]), (tf.float64, [tile, classes]))
    arrays = [tf.TensorArray(dtype, size=tiles, element_shape=shape) for dtype, shape in shapes]

    def step(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple[tf.Tensor | tf.TensorArray, ...]:
        start = tf.minimum(i * tile, last)  # the last tile may overlap the one before
        # Slices of the first axis share the buffer: nothing is copied.
        probs = tf.slice(probabilities, [start, 0, 0], [tile, ROW, classes])
        code, weights, *moments = kernel(
            probs, *(tf.slice(part, [start, 0], [tile, ROW]) for part in (labels, counted))
        )
        sums = (_binned(code, weights, classes), *moments)
        return (i + 1, *(array.write(i, value) for array, value in zip(arrays, sums, strict=True)))

    _, *arrays = tf.while_loop(lambda i, *_: i < tiles, step, (0, *arrays), parallel_iterations=1)
    rows = tf.range(given)
    rows += tf.where(rows < (tiles - 1) * tile, 0, tiles * tile - given - missing)  # what the last tile repeats
    packed, sums, squares = (tf.gather(array.concat(), rows) for array in arrays)
    # Half a count is added before the cut: a sum may be slightly negative, as probabilities may.
    counts = tf.bitwise.right_shift(packed + _COUNT // 2, tf.constant(_COUNT_BIT, tf.int64))
    own = tf.cast(packed[:, 2] - counts[:, 2] * _COUNT, tf.float64) * _UNIT
    return counts, own, sums, squares


def _binned(code: tf.Tensor, weights: tf.Tensor, classes: int) -> tf.Tensor:
    """Packed sums of each row, int64 `[rows, 3, C]`: label and argmax equal; by argmax; by label."""
    # Flat, because TensorFlow counts the rows of a matrix in one thread unless there are thousands of them.
    # tf.math.bincount reads the maximum of the data first; here the bins are known.
    bins = tile_rows(classes) * (classes + 2) * classes
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
    bins = (classes + 2) * classes

    def kernel(probabilities: tf.Tensor, labels: tf.Tensor, counted: tf.Tensor) -> tuple[tf.Tensor, ...]:
        probs = tf.cast(probabilities, tf.float32)
        hard = _argmax(probs)
        if labels.dtype.size < tf.int32.size:
            labels = tf.cast(labels, tf.int32)
        known = (labels >= 0) & (labels < classes)
        labels = tf.cast(tf.where(known, labels, 0), tf.int32)
        code = tf.where(known, labels, classes) * classes + hard
        code = tf.where(counted, code, (classes + 1) * classes) + tf.range(tile)[:, None] * bins
        own = _own(probs, labels)
        weights = tf.cast(tf.cast(own, tf.float64) * (1 / _UNIT), tf.int64) + _COUNT
        if masked:
            probs = tf.where(counted[..., None], probs, 0.0)
        moments = (_row_sums(part, tile, classes) for part in (probs, probs * probs))
        return tf.reshape(code, [-1]), tf.reshape(weights, [-1]), *moments

    compiled: _Kernel = tf.function(kernel, jit_compile=True, autograph=False)
    return compiled


def _argmax(probs: tf.Tensor) -> tf.Tensor:
    """First class of the highest probability; few classes as comparisons, which vectorise over the pixels."""
    best, *others = tf.unstack(probs, axis=-1)
    if probs.shape[-1] > _NARROW:
        return tf.argmax(probs, -1, output_type=tf.int32)
    hard = tf.zeros_like(best, tf.int32)
    for class_id, other in enumerate(others, 1):
        hard = tf.where(other > best, class_id, hard)
        best = tf.maximum(best, other)
    return hard


def _own(probs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The probability of each pixel's label."""
    classes = tf.unstack(probs, axis=-1)
    if len(classes) > _NARROW:
        return tf.gather(probs, labels, batch_dims=2)
    return tf.add_n([tf.where(labels == class_id, each, 0.0) for class_id, each in enumerate(classes)])


def _row_sums(values: tf.Tensor, rows: int, classes: int) -> tf.Tensor:
    """Sum the pixels of each row: eight in float32, which is one pass that vectorises for any C, then in float64.

    Two reductions of one type after each other would be merged by XLA into one that is narrow and slow.
    """
    lanes = tf.reshape(values, [rows, ROW // _LANES, _LANES * classes])
    # Written out is faster for few classes, and slower for many that are masked.
    lanes = tf.add_n(tf.unstack(lanes, axis=1)) if classes <= _NARROW else tf.reduce_sum(lanes, 1)
    return tf.reduce_sum(tf.cast(tf.reshape(lanes, [rows, _LANES, classes]), tf.float64), 1)
