"""Peak memory of `evaluate` with ten times the records.

    python -m benchmarks.memory

Two data sets, one with ten times the records of the other in as many shards, so that each shard is ten times as
long. The processes take turns; medians of the peak resident size are compared.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks import processes
from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

from benchmarks import synthetic  # noqa: E402 - only now, so that TensorFlow's notices stay away

SHARDS = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, default in (("records", 400), ("size", 128), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = synthetic.save_model(root / "model")
        commands = []
        for times in (1, 10):
            examples = synthetic.write_shards(root / f"data{times}", args.records * times, SHARDS, args.size)
            commands.append(processes.evaluate_command(examples, model, str(root / "out"), synthetic.CLASSES))
        peaks = [[processes.run(command).peak_bytes for command in commands] for _ in range(args.rounds)]
    small, large = (statistics.median(column) for column in zip(*peaks, strict=True))
    print(
        f"peak memory: {args.records} records {small / 1e6:.0f} MB, {args.records * 10} records {large / 1e6:.0f} MB, "
        f"ratio {large / small:.3f}"
    )


if __name__ == "__main__":
    main()
