"""`analyze` next to a tf.data loop that computes the same sums, in turn in one run.

The loop reads, decodes and counts in TensorFlow ops with parallel maps: the values of each channel, the pixels and
samples of each class, and the sizes of the images. It knows that every image has 8 bits and 3 channels, which `analyze`
finds out; it checks no sizes, and writes nothing.

Two times are taken of `analyze`. The whole pass is from making the plan to the last table and graph. In that is what
does not grow with the data: tracing, the pipeline's stages, the graph. It is measured with a data set of 8 images and
stated by itself; what is left over is the time of the records.

    python -m benchmarks.analyze [--records 4000] [--size 256] [--rounds 5]
"""

import argparse
import glob
import logging
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks import synthetic
from components import run_tables
from pipeline import analysis_plan, run
from pipeline.config import Config

KEYS = ("image/encoded", "image/segmentation/class/encoded")


def analyze_seconds(config: Config) -> tuple[float, list[int]]:
    """A whole pass, and the pixels of each class that it counted."""
    began = time.perf_counter()
    with analysis_plan.planned(config, None, []) as plan:
        run.finish(plan)
    seconds = time.perf_counter() - began
    return seconds, run_tables.read(plan.run, "dataset_classes")["pixels"].to_pylist()


def loop_seconds(pattern: str, n_classes: int) -> tuple[float, list[int]]:
    """The hand-written loop, and the pixels of each class that it counted."""
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

    began = time.perf_counter()
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
    return time.perf_counter() - began, pixels.tolist()


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
        analyze_seconds(configs[0])
        loop_seconds(few, len(synthetic.CLASSES))
        rounds = []
        for _ in range(args.rounds):
            fixed, _ = analyze_seconds(configs[0])
            whole, ours = analyze_seconds(configs[1])
            loop, theirs = loop_seconds(many, len(synthetic.CLASSES))
            if ours != theirs:
                raise ValueError(f"expected the same counts, but got {ours} and {theirs}")
            rounds.append((fixed, whole, loop))
            print(
                f"analyze {whole:.2f} s, {fixed:.2f} s of it for {args.shards} small images; tf.data loop {loop:.2f} s"
            )
        thousand = 1000 / args.records
        fixed, whole, loop = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"1,000 images of {args.size} x {args.size}: analyze {(whole - fixed) * thousand:.2f} s, and {fixed:.2f} s "
            f"once; tf.data loop {loop * thousand:.2f} s"
        )
        ratio = statistics.median(w / t for _, w, t in rounds)
        records = statistics.median((w - f) / t for f, w, t in rounds)
        print(
            f"median ratio of a whole pass of {args.records:,} images {ratio:.2f}, of its records alone {records:.2f}"
        )


if __name__ == "__main__":
    main()
