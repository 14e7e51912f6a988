"""What an engine costs: `evaluate` of ten thousand small records on each, in turn.

    python -m benchmarks.engines [--prism PATH] [--flink]

Whole processes, with their imports; the median of the rounds is printed, and the records a second beyond an
evaluation of ten records on the same engine, which is what stays when the start is paid.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import processes
from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

from benchmarks import synthetic  # noqa: E402 - only now, so that TensorFlow's notices stay away
from tests.engines import flink  # noqa: E402

RECORDS, FEW, SHARDS, SIZE = 10_000, 10, 8, 32
EMBED = ("--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK")


def engines(prism: str | None) -> Mapping[str, Sequence[str]]:
    """Beam's flags by the engine's name."""
    found: dict[str, Sequence[str]] = {
        "in_memory": (),
        "multi_processing, 2 workers": ("--direct_running_mode=multi_processing", "--direct_num_workers=2"),
        "portable job service": EMBED,
    }
    if prism:
        found["Prism"] = ("--runner=PrismRunner", f"--prism_location={prism}")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--flink",
        action="store_true",
        help="and on a cluster of Flink; its own start is not measured",
    )
    parser.add_argument("--prism", default=".engines-tools/prism", help="the binary; left out where it is not there")
    args = parser.parse_args()
    found = engines(args.prism if Path(args.prism).is_file() else None)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        if args.flink:
            cluster = stack.enter_context(flink.cluster(Path(tempfile.mkdtemp(dir=folder))))
            found = {**found, "Flink cluster, 2 workers": cluster.flags()}
        seconds: dict[tuple[str, int], list[float]] = {(name, count): [] for name in found for count in (FEW, RECORDS)}
        model = synthetic.save_model(root / "model")
        commands = {
            count: processes.evaluate_command(
                synthetic.write_shards(root / f"data{count}", count, SHARDS, SIZE),
                model, str(root / f"out{count}"), synthetic.CLASSES,
            )
            for count in (FEW, RECORDS)
        }  # fmt: skip
        for _ in range(args.rounds):
            for (name, count), measured in seconds.items():
                measured.append(processes.run([*commands[count], "--", *found[name]]).seconds)
    sys.stdout.write(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n")
    sys.stdout.write(
        f"| engine | {FEW} records, s | {RECORDS:,} records, s | records/s beyond the start |\n|---|--:|--:|--:|\n"
    )
    for name in found:
        few, many = (statistics.median(seconds[name, count]) for count in (FEW, RECORDS))
        spread = f"{min(seconds[name, RECORDS]):.1f} to {max(seconds[name, RECORDS]):.1f}"
        rate = f"{(RECORDS - FEW) / (many - few):,.0f}" if many > few else "-"
        sys.stdout.write(f"| {name} | {few:.1f} | {many:.1f} ({spread}) | {rate} |\n")


if __name__ == "__main__":
    main()
