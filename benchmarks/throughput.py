"""Samples per second of `evaluate` against a hand-written tf.data loop over the same shards.

    python -m benchmarks.throughput

Both read the same shards, decode PNG, run the same SavedModel and the same sums in one `tf.function`, with the
same batch size. They take turns in one process. `evaluate` is timed from its first record to its last commit;
the loop from its first record to its last batch, and it writes nothing.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

import tensorflow as tf  # noqa: E402

from benchmarks import synthetic  # noqa: E402
from dicebeam.components.model import score_function  # noqa: E402
from dicebeam.components.reading import tfrecord  # noqa: E402
from dicebeam.pipeline.plans.evaluation_plan import Plan, make_plan  # noqa: E402
from dicebeam.pipeline.runner import run  # noqa: E402
from dicebeam.schemas import records  # noqa: E402
from dicebeam.schemas.config.config import Config  # noqa: E402

KEYS = ("image/encoded", "image/segmentation/class/encoded")


def evaluate_seconds(plan: Plan) -> float:
    """One evaluation, from the first record that is asked for to the last sample file's rename."""
    began: list[float] = []
    original = tfrecord.records

    def noting(file: BinaryIO, shard: str, **known: int | None) -> Iterator[records.Record]:
        began.append(time.time())
        return original(file, shard, **known)

    tfrecord.records = noting
    try:
        outcome = run.execute(plan)
    finally:
        tfrecord.records = original
    files = Path(outcome.run.folder("samples")).glob("*.parquet")
    return max(file.stat().st_ctime for file in files) - min(began)


def loop_seconds(plan: Plan, score: score_function.ScoreFunction, batch_size: int) -> float:
    """The hand-written loop."""

    def decode(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.io.decode_png(example[KEYS[0]], 3), tf.io.decode_png(example[KEYS[1]], 1)[..., 0]

    spec = {key: tf.io.FixedLenFeature([], tf.string) for key in KEYS}
    data = (
        tf.data.TFRecordDataset([shard.path for shard in plan.shards])
        .map(
            lambda record: decode(tf.io.parse_single_example(record, spec)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )
    began = time.time()
    for images, masks in data:
        [t.numpy() for t in score(images, masks, None).overlap]
    return time.time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, default in (
        ("records", 1536),
        ("shards", 8),
        ("size", 256),
        ("batch", 16),
        ("rounds", 5),
        ("width", 8),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        examples = synthetic.write_shards(root / "data", args.records, args.shards, args.size)
        model = synthetic.save_model(root / "model", args.width)
        config = Config(
            examples=examples,
            model=model,
            output=str(root / "out"),
            classes=synthetic.CLASSES,
            batch_size=args.batch,
        )
        plan = make_plan(config, None, [])
        loaded = tf.saved_model.load(model)
        settings = plan.graph.score
        score = score_function.score_function(
            loaded.signatures["serving_default"], settings.agreement, settings.model, settings.labels
        )
        evaluate_seconds(plan)
        loop_seconds(plan, score, args.batch)
        pairs = []
        for _ in range(args.rounds):
            plan = make_plan(config, None, [])
            pairs.append((evaluate_seconds(plan), loop_seconds(plan, score, args.batch)))
            print(f"evaluate {pairs[-1][0]:.2f} s, tf.data loop {pairs[-1][1]:.2f} s")
        ours, loop = (
            statistics.median(args.records / seconds for seconds in column) for column in zip(*pairs, strict=True)
        )
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"evaluate {ours:.1f} samples/s, tf.data loop {loop:.1f} samples/s, median ratio of pairs {ratio:.3f}")


if __name__ == "__main__":
    main()
