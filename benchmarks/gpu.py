"""Samples per second of the pipeline against the bare model, on the same device.

    python -m benchmarks.gpu --require-gpu

The bare model is the same SavedModel's signature on batches that are decoded and in memory already, float images as
the signature takes them; the second column adds the Dice sums, as the pipeline does, in one `tf.function`. The pipeline
reads such samples from TFRecords of PNG, decodes them, scores them and commits its files: from its first record to its
last commit. The three take turns, at each batch size; medians of the rounds. Without a GPU the first line says so, and
with `--require-gpu` nothing is measured.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from benchmarks import synthetic  # noqa: E402
from benchmarks.throughput import evaluate_seconds  # noqa: E402
from dicebeam.components.model import score_function  # noqa: E402
from dicebeam.components.runtime import gpus  # noqa: E402
from dicebeam.pipeline.plans.evaluation_plan import Plan, make_plan  # noqa: E402
from dicebeam.schemas.config.config import Config  # noqa: E402
from dicebeam.schemas.config.devices import DeviceSettings  # noqa: E402
from dicebeam.schemas.errors import DeviceError  # noqa: E402

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Rates:
    """Samples per second at one batch size, medians, and of pairs of rounds the pipeline's part of the bare model's."""

    batch: int
    model: float
    with_sums: float
    pipeline: float
    ratio: float


def device() -> str:
    """The name of what models run on here: the GPU's, or that it is a CPU."""
    found = tf.config.list_physical_devices("GPU")
    if not found:
        return "CPU"
    return str(tf.config.experimental.get_device_details(found[0]).get("device_name", "a GPU without a name"))


def heading(name: str) -> str:
    """What the figures are of; those of a CPU are never called a GPU's."""
    if name == "CPU":
        return "device: CPU (there is no GPU here: these are NOT figures of a GPU)"
    return f"device: {name}"


def decoded(plan: Plan, count: int) -> Arrays:
    """The images, uint8, and masks of the first samples, in memory."""
    spec = {key: tf.io.FixedLenFeature([], tf.string) for key in ("image/encoded", "image/segmentation/class/encoded")}
    images, masks = [], []
    for record in tf.data.TFRecordDataset([shard.path for shard in plan.shards]).take(count):
        example = tf.io.parse_single_example(record, spec)
        images.append(tf.io.decode_png(example["image/encoded"], 3).numpy())
        masks.append(tf.io.decode_png(example["image/segmentation/class/encoded"], 1)[..., 0].numpy())
    return np.stack(images), np.stack(masks)


def seconds(call: Callable[[np.ndarray, np.ndarray], object], arrays: Arrays, batch: int) -> float:
    """Time of all samples, batch by batch, each copied to the device and its results back."""
    began = time.perf_counter()
    for images, masks in _batches(arrays, batch):
        call(images, masks)
    return time.perf_counter() - began


def _batches(arrays: Arrays, batch: int) -> Iterator[Arrays]:
    for first in range(0, len(arrays[0]) - batch + 1, batch):
        yield arrays[0][first : first + batch], arrays[1][first : first + batch]


def measure(config: Config, in_memory: int, rounds: int) -> Rates:
    """Take turns, after one round of each that is not counted."""
    plan = make_plan(config, None, [])
    settings, batch = plan.graph.score, config.batch_size
    loaded = tf.saved_model.load(config.model)
    signature = loaded.signatures[settings.agreement.signature]
    score = score_function.score_function(signature, settings.agreement, settings.model, settings.labels)
    images, masks = decoded(plan, in_memory)
    floats = images.astype(np.float32) / 255.0

    def bare(images: np.ndarray, _: np.ndarray) -> object:
        # one number of each sample is read back, so that the device has finished
        output = signature(**{settings.agreement.input_name: tf.constant(images)})[settings.agreement.output_name]
        return tf.reduce_max(output, range(1, output.shape.rank)).numpy()

    def with_sums(images: np.ndarray, masks: np.ndarray) -> object:
        return [tensor.numpy() for tensor in score(tf.constant(images), tf.constant(masks), None).overlap]

    scored = len(images) // batch * batch
    rates = []
    records = sum(1 for _ in tf.data.TFRecordDataset([shard.path for shard in plan.shards]))
    for _ in range(rounds + 1):
        plan = make_plan(config, None, [])
        rates.append(
            (
                scored / seconds(bare, (floats, masks), batch),
                scored / seconds(with_sums, (images, masks), batch),
                records / evaluate_seconds(plan),
            )
        )
    kept = rates[1:]
    model, sums, pipeline = (statistics.median(column) for column in zip(*kept, strict=True))
    return Rates(batch, model, sums, pipeline, statistics.median(row[2] / row[0] for row in kept))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", help="your own SavedModel, float images in, softmax of five classes out")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32])
    for name, default in (("records", 2048), ("in-memory", 256), ("shards", 8), ("size", 512), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--width", type=int, default=64, help="channels of the model that is made without --model")
    parser.add_argument("--require-gpu", action="store_true")
    args = parser.parse_args(arguments)
    if max(args.batches) > min(args.in_memory, args.records):
        parser.error("expected at least one whole batch in memory: raise --in-memory and --records")
    try:
        gpus.prepare(DeviceSettings(require_gpu=args.require_gpu))
    except DeviceError as error:
        sys.exit(f"benchmarks.gpu: {error}")
    print(f"{heading(device())}, TensorFlow {tf.__version__}, {args.size} x {args.size} pixels, {args.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = Config(
            examples=synthetic.write_shards(root / "data", args.records, args.shards, args.size),
            model=args.model or synthetic.save_model(root / "model", args.width),
            output=str(root / "out"),
            classes=synthetic.CLASSES,
            bootstrap={"replicates": 0},
        )
        print("| batch | model alone | model and sums | pipeline | pipeline / model |\n|--:|--:|--:|--:|--:|")
        for batch in args.batches:
            found = measure(config.model_copy(update={"batch_size": batch}), args.in_memory, args.rounds)
            rates = " | ".join(f"{rate:,.1f}" for rate in (found.model, found.with_sums, found.pipeline))
            print(f"| {batch} | {rates} | {found.ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
