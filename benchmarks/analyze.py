"""`analyze` next to a tf.data loop that computes the same sums, in turn in one run.

The loop reads, decodes and counts in TensorFlow ops with parallel maps: the values of each channel, the pixels and
samples of each class, and the sizes of the images. It knows that every image has 8 bits and 3 channels, which `analyze`
finds out; it checks no sizes, and writes nothing.

The whole pass is from making the plan to the last table and graph. In that is what does not grow with the data:
tracing, the pipeline's stages, the graph. It is measured with a data set of 8 images and stated by itself; what is left
over is the time of the records. On a machine that others use too, the processor's time tells more than the clock's.

    python -m benchmarks.analyze [--records 4000] [--size 256] [--rounds 5]
"""

import argparse
import glob
import logging
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks import synthetic
from dicebeam.components.runs import run_tables
from dicebeam.pipeline.plans import analysis_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config

KEYS = ("image/encoded", "image/segmentation/class/encoded")


class Seconds(NamedTuple):
    """By the clock, and of the processor over all threads of the process."""

    clock: float
    processor: float


@contextmanager
def timed(found: list[Seconds]) -> Iterator[None]:
    """Put the time of the block into a list."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    found.append(Seconds(time.perf_counter() - clock, time.process_time() - processor))


def analyzed(config: Config) -> list[int]:
    """A whole pass; the pixels of each class."""
    with analysis_plan.planned(config, None, []) as plan:
        run.finish(plan)
    return run_tables.read(plan.run, "dataset_classes")["pixels"].to_pylist()


def looped(pattern: str, n_classes: int) -> list[int]:
    """The hand-written loop; the pixels of each class."""
    spec = {key: tf.io.FixedLenFeature([], tf.string) for key in KEYS}

    def counts(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(record, spec)
        image, mask = tf.io.decode_png(example[KEYS[0]], 3), tf.io.decode_png(example[KEYS[1]], 1)
        values = tf.transpose(tf.cast(tf.reshape(image, [-1, 3]), tf.int32))
        channels = tf.math.bincount(values, minlength=256, maxlength=256, axis=-1, dtype=tf.int64)
        ids = tf.reshape(tf.cast(mask, tf.int32), [-1])
        return (
            channels,
            tf.math.bincount(ids, minlength=n_classes, maxlength=n_classes, dtype=tf.int64),
            tf.shape(image),
        )

    data = (
        tf.data.TFRecordDataset(sorted(glob.glob(pattern)))  # noqa: PTH207 - the pattern is a whole path
        .map(counts, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(64)
        .prefetch(tf.data.AUTOTUNE)
    )
    channels, pixels, samples = (
        np.zeros((3, 256), np.int64),
        np.zeros(n_classes, np.int64),
        np.zeros(n_classes, np.int64),
    )
    sizes: dict[tuple[int, ...], int] = {}
    for values, of_classes, shapes in data.as_numpy_iterator():
        channels += values.sum(0)
        pixels += of_classes.sum(0)
        samples += (of_classes > 0).sum(0)
        for shape in map(tuple, shapes.tolist()):
            sizes[shape] = sizes.get(shape, 0) + 1
    _moments(channels)
    return pixels.tolist()


def _moments(channels: NDArray[np.int64]) -> list[tuple[float, float]]:
    values = np.arange(256)
    means = channels @ values / channels.sum(1)
    stds = np.sqrt((channels * (values - means[:, None]) ** 2).sum(1) / channels.sum(1))
    return list(zip(means.tolist(), stds.tolist(), strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, default in (("records", 4000), ("shards", 8), ("size", 256), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    logging.getLogger("absl").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        few = synthetic.write_shards(root / "few", args.shards, args.shards, 32)
        many = synthetic.write_shards(root / "many", args.records, args.shards, args.size)
        configs = [
            Config(examples=pattern, model="none", output=str(root / "out"), classes=synthetic.CLASSES)
            for pattern in (few, many)
        ]
        analyzed(configs[0])
        looped(few, len(synthetic.CLASSES))
        fixed, whole, loop = [], [], []
        for _ in range(args.rounds):
            with timed(fixed):
                analyzed(configs[0])
            with timed(whole):
                ours = analyzed(configs[1])
            with timed(loop):
                theirs = looped(many, len(synthetic.CLASSES))
            if ours != theirs:
                raise ValueError(f"expected the same counts, but got {ours} and {theirs}")
            print(
                f"analyze {_shown(whole[-1])}, {args.shards} small images {_shown(fixed[-1])}; loop {_shown(loop[-1])}"
            )
    for place, name in enumerate(Seconds._fields):
        columns = [[seconds[place] for seconds in each] for each in (fixed, whole, loop)]
        _report(name, columns, args)


def _shown(seconds: Seconds) -> str:
    return f"{seconds.clock:.2f} s ({seconds.processor:.2f} s of the processor)"


def _report(name: str, columns: list[list[float]], args: argparse.Namespace) -> None:
    fixed, whole, loop = (statistics.median(column) for column in columns)
    thousand = 1000 / args.records
    ratios = statistics.median(w / t for _, w, t in zip(*columns, strict=True))
    records = statistics.median((w - f) / t for f, w, t in zip(*columns, strict=True))
    ours = f"{(whole - fixed) * thousand:.2f} s, and {fixed:.2f} s once"
    print(
        f"by the {name}: 1,000 images of {args.size} x {args.size} take analyze {ours}; the loop "
        f"{loop * thousand:.2f} s. Median ratio of a whole pass of {args.records:,} images {ratios:.2f}, "
        f"without what it takes once {records:.2f}"
    )


if __name__ == "__main__":
    main()
