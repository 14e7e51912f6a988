"""How much faster `dice.overlap` is than the usual one-hot formulation, on the CPU.

    python -m benchmarks.overlap

All ways are called in turn on the same arrays, in one process with two threads, and medians are compared. The
usual formulation: `tf.one_hot` of the labels and of the argmax, their products, six `reduce_sum`. One pass is
`tf.reduce_sum` of the probabilities. Ratios differ by a third between runs on a machine that others use.

Measured, two runs on a machine that nobody else used:

    shape                     times one-hot     GB/s          passes
    [8, 512, 512, 20]         7.4, 8.2          4.0, 4.4      5.2, 4.1
    the same, valid           7.4, 7.8          3.6, 4.0      5.8, 4.5
    [16, 256, 256, 5]         5.0, 5.0          2.8, 2.7      5.7, 5.4
    the same, valid           5.7, 6.2          2.6, 2.7      5.9, 5.4

What was tried, in milliseconds for `[8, 512, 512, 20]` and `[16, 256, 256, 5]`, on 2 cores that others used
at times (compare orders, not digits):

    one pass over the data                                      5.5    0.5
    one-hot, TensorFlow                                         160     32
    one-hot, all under XLA                                      104     15
    argmax, TensorFlow                                           45     12
    argmax, XLA                                                 6.5    1.7
    reduce_max, then p >= max                                    26     12
    top_k(1)                                                     44     16
    transpose to class-major, TensorFlow (oneDNN)                13    2.0
    class-major, all sums as masked reductions under XLA        150    9.0
    sum(p) over pixels, rows made wide                          6.8    0.8
    sum(p^2): square, then the same                              19    2.2
    sum(p^2): diagonal of the Gram matrix                        21    3.1
    sum(p^2): einsum                                            173     13
    sum(p), sum(p^2) as one complex reduction, XLA               26    5.0
    the same as two reductions of 16 pixels, rows 64 wide        15    3.0
    the same, rows 16 wide                                       21    3.3
    the same, two short reductions of one type in a row          46    4.1
    the same, ones matmul                                        19    3.0
    the same, reduce_sum and reduce_euclidean_norm of TensorFlow 10    2.0
    sum(y p): masked sum, XLA                                    19    3.6
    sum(y p): gather p at the label, XLA; then bincount      8 + 5  1.5 + 3
    counts: pixel == class masks, XLA                            16    2.4
    counts: bincount of label * C + argmax                        3    2.3
    counts and sum(y p): one flat bincount, tiles of 5 MiB             1.5
    argmax, 5 classes as comparisons                                   -20 %
    sum(y p), 5 classes: selects instead of a gather                    -8 % of all
    sum(y p): unsorted_segment_sum                               18     12
    tiles by tf.map_fn (copies every tile)                      +16     +4
    tiles by while_loop on slices (copies nothing)             +1.6   +0.9

The parts that won are in components/kernels/overlap_tiles.py. XLA over whole arrays instead of tiles compiles again
for every image size.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import tensorflow as tf

from dicebeam.components import dice

SHAPES = ((8, 512, 512, 20), (16, 256, 256, 5))


def one_hot_sums(probs: tf.Tensor, ids: tf.Tensor, valid: tf.Tensor | None = None) -> list[tf.Tensor]:
    """The usual formulation, in float32."""
    classes = probs.shape[-1]
    truth, hard = tf.one_hot(ids, classes), tf.one_hot(tf.argmax(probs, -1), classes)
    if valid is not None:
        kept = tf.cast(valid, tf.float32)[..., None]
        truth, hard, probs = truth * kept, hard * kept, probs * kept
    products = (truth * hard, hard, truth, truth * probs, probs, probs * probs)
    return [tf.reduce_sum(product, [1, 2]) for product in products]


def medians(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each way, called in turn."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 2):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if repeat > 1:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def measure(shape: tuple[int, ...], repeats: int = 15) -> dict[str, float]:
    """Median seconds on random probabilities of a shape, with traced shapes unknown."""
    tf.random.set_seed(0)
    probs = tf.nn.softmax(tf.random.normal(shape))
    ids = tf.cast(tf.random.uniform(shape[:-1], 0, shape[-1], tf.int32), tf.uint8)
    valid = tf.random.uniform(shape[:-1]) < 0.9
    unknown = [None] * (len(shape) - 1)
    plain = [tf.TensorSpec([*unknown, shape[-1]]), tf.TensorSpec(unknown, tf.uint8)]
    masked = [*plain, tf.TensorSpec(unknown, tf.bool)]
    usual = tf.function(one_hot_sums, input_signature=plain)
    usual_valid = tf.function(one_hot_sums, input_signature=masked)
    ours = tf.function(lambda p, y: dice.overlap(p, y, exclusive=True), input_signature=plain)
    ours_valid = tf.function(lambda p, y, v: dice.overlap(p, y, exclusive=True, valid=v), input_signature=masked)
    ways = {
        "one pass": partial(tf.reduce_sum, probs),
        "one-hot": partial(usual, probs, ids),
        "overlap": partial(ours, probs, ids),
        "one-hot, valid": partial(usual_valid, probs, ids, valid),
        "overlap, valid": partial(ours_valid, probs, ids, valid),
    }
    return medians(ways, repeats)


def main() -> None:
    """Print seconds, GB/s and ratios for both shapes."""
    tf.config.threading.set_intra_op_parallelism_threads(2)
    for shape in SHAPES:
        seconds = measure(shape)
        size = 4 * tf.TensorShape(shape).num_elements()
        print(f"float32 {list(shape)}, {size / 1e6:.0f} MB")
        for name, value in seconds.items():
            ratio = seconds["one-hot, valid" if "valid" in name else "one-hot"] / value
            passes = value / seconds["one pass"]
            print(
                f"  {name:15} {value * 1e3:7.1f} ms {size / value / 1e9:6.1f} GB/s"
                f" {passes:6.1f} passes {ratio:6.1f} x one-hot"
            )


if __name__ == "__main__":
    main()
