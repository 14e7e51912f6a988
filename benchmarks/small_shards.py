"""What a shard costs beside its records: `evaluate` of many shards of two records against one shard of as many.

    python -m benchmarks.small_shards
    python -m benchmarks.small_shards --shards 1000 --profile

Whole processes that take turns, with a small model and images of 32 x 32 pixels; printed are the medians, and the
milliseconds of each shard more. `--profile` prints where a process spends its time with many shards.
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
from pathlib import Path

from benchmarks import processes
from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

from benchmarks import synthetic  # noqa: E402 - only now, so that TensorFlow's notices stay away
from dicebeam.pipeline import cli  # noqa: E402

SIZE, RECORDS_A_SHARD = 32, 2


def profile(command: list[str]) -> None:
    """Run a command in this process, and print where its time goes."""
    measured = cProfile.Profile(subcalls=True)
    try:
        measured.runcall(cli.main, command)
    except SystemExit:
        pstats.Stats(measured).sort_stats("cumtime").print_stats(
            r"dicebeam|scale|components|schemas|benchmarks|fsync|pyarrow", 70
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, records = Path(folder), RECORDS_A_SHARD * args.shards
        model = synthetic.save_model(root / "model")
        commands = {
            shards: processes.evaluate_command(
                synthetic.write_shards(root / f"data-{shards}", records, shards, SIZE),
                model,
                str(root / f"out-{shards}"),
                synthetic.CLASSES,
            )
            for shards in (1, args.shards)
        }
        if args.profile:
            profile(commands[args.shards][3:])
            return
        taken: dict[int, list[processes.Measured]] = {shards: [] for shards in commands}
        for _ in range(args.rounds):
            for shards, command in commands.items():
                taken[shards].append(processes.run(command))
    one, many = (statistics.median(each.seconds for each in found) for found in taken.values())
    cpu = [statistics.median(each.cpu_seconds for each in found) for found in taken.values()]
    print(
        f"{records:,} records: {one:.1f} s in one shard, {many:.1f} s in {args.shards:,} shards: "
        f"{1000 * (many - one) / args.shards:.1f} ms a shard more, "
        f"{1000 * (cpu[1] - cpu[0]) / args.shards:.1f} ms of CPU"
    )


if __name__ == "__main__":
    main()
