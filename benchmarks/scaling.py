"""Two workers against one: whole `evaluate` commands in turn, each worker with one TensorFlow thread.

    python -m benchmarks.scaling [--rounds 5] [--records 4096] [--few 512] [--size 256] [--width 32]
    python -m benchmarks.scaling --one=FLAGS --two=FLAGS
    python -m benchmarks.scaling --flink [--core-each]

Every engine's flags are given as one argument, `--two="--runner=FlinkRunner ..."`; without them the embedded runner's
worker processes are measured. `--flink` starts the cluster of the tests, two machines with a worker each on loopback
(`make test-engines` fetches it); with `--core-each` a machine is one core, for its TaskManager and its worker.
TensorFlow takes its number of threads from the environment, which worker processes and that cluster inherit; workers
that another server starts have to be given it there. Images are decoded in Python threads of the worker, so one
TensorFlow thread is not one busy core: printed is also how many cores one worker kept busy, where the workers are
processes of the command.

A round is four commands: few and all records, with one worker and with two. The start, which is the same work for every
worker, is in both: seconds(all) - seconds(few) is what is left of the records alone. Ratios are taken in each round,
of commands that ran after each other; their medians are printed.
"""

import argparse
import os
import shlex
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks import processes
from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

from benchmarks import synthetic  # noqa: E402 - only now, so that TensorFlow's notices stay away
from tests.engines import flink  # noqa: E402

WORKERS = "--direct_running_mode=multi_processing --direct_num_workers={}"
SHARDS = 16


def differences(more: list[float], less: list[float]) -> list[float]:
    """What the further records cost in each round."""
    return [a - b for a, b in zip(more, less, strict=True)]


def ratios(one: list[float], two: list[float]) -> tuple[float, float, float]:
    """Median, smallest and largest of the rounds."""
    each = [a / b for a, b in zip(one, two, strict=True)]
    return statistics.median(each), min(each), max(each)


def measure(args: argparse.Namespace, root: Path) -> dict[tuple[str, int], list[processes.Measured]]:
    """Each command as often as there are rounds, in turn."""
    model = synthetic.save_model(root / "model", args.width)
    flags = {"one": shlex.split(args.one), "two": shlex.split(args.two)}
    commands = {
        count: processes.evaluate_command(
            synthetic.write_shards(root / f"data{count}", count, SHARDS, args.size),
            model, str(root / f"out{count}"), synthetic.CLASSES,
        )
        for count in (args.few, args.records)
    }  # fmt: skip
    found: dict[tuple[str, int], list[processes.Measured]] = {(name, count): [] for count in commands for name in flags}
    for number in range(args.rounds):
        for (name, count), each in found.items():
            each.append(processes.run([*commands[count], "--", *flags[name]]))
        took = ", ".join(f"{name} {count:,}: {each[-1].seconds:.1f} s" for (name, count), each in found.items())
        print(f"round {number + 1}: {took}; load {os.getloadavg()[0]:.1f}", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    defaults = (("rounds", 5), ("records", 4096), ("few", 512), ("size", 256), ("width", 32))
    for name, default in defaults:
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, workers in (("one", 1), ("two", 2)):
        parser.add_argument(f"--{name}", default=WORKERS.format(workers), help="Beam's flags, in one argument")
    parser.add_argument("--flink", action="store_true", help="on a Flink cluster of two machines")
    parser.add_argument("--core-each", action="store_true", help="each machine of that cluster has one core")
    args = parser.parse_args()
    os.environ.update(processes.ONE_THREAD)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if args.flink:
            made = flink.cluster(Path(tempfile.mkdtemp(dir=folder)), core_each=args.core_each)
            flags = stack.enter_context(made).flags
            args.one, args.two = shlex.join(flags(1)), shlex.join(flags(2))
        found = measure(args, Path(folder))
    seconds = {key: [each.seconds for each in measured] for key, measured in found.items()}
    beyond = {name: differences(seconds[name, args.records], seconds[name, args.few]) for name in ("one", "two")}
    if min(map(min, beyond.values())) <= 0:
        sys.exit("more records took no longer than few: measure again on a quieter machine, or with more --records")
    cpu = differences(*([each.cpu_seconds for each in found["one", count]] for count in (args.records, args.few)))
    if not args.flink:
        print(f"one worker keeps {ratios(cpu, beyond['one'])[0]:.2f} cores busy")
    print(f"{os.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}; one worker / two workers:")
    for what, pair in (
        (f"{args.records:,} records, whole command", [seconds[name, args.records] for name in ("one", "two")]),
        ("records alone, without the start", [beyond["one"], beyond["two"]]),
    ):
        middle, low, high = ratios(*pair)
        print(f"  {what}: {middle:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
