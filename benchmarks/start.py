"""Time of `evaluate` on ten samples against importing TensorFlow and Beam and loading the model alone.

    python -m benchmarks.start

Whole processes that take turns; the median ratio of the pairs is printed.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import processes
from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

from benchmarks import synthetic  # noqa: E402 - only now, so that TensorFlow's notices stay away

ALONE = "import tensorflow as tf, apache_beam; tf.saved_model.load({model!r})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", help="another SavedModel of 5 softmax classes, float images of any size")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = args.model or synthetic.save_model(root / "model")
        examples = synthetic.write_shards(root / "data", 10, 2, 256)
        ours = processes.evaluate_command(examples, model, str(root / "out"), synthetic.CLASSES)
        alone = [sys.executable, "-c", ALONE.format(model=model)]
        processes.run(ours)
        pairs = [(processes.run(ours).seconds, processes.run(alone).seconds) for _ in range(args.rounds)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"start: evaluate of 10 samples {first:.2f} s, imports and model alone {second:.2f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
