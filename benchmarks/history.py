"""What old runs cost the commands that look at an output: with 2 and with 2,000 of them, in turn.

    python -m benchmarks.history
    python -m benchmarks.history --latency 20 --rounds 1

A night of the demo is evaluated, analyzed and judged, and written again as so many old nights, four a day, each with
all its tables, its verdict and its blessing (benchmarks/old_runs.py). Then each command is run as a process of its own
over both outputs in turn; printed are the medians and their ratio. `nightly` adds a run each time. With `--latency` the
outputs are in a bucket each of whose requests takes so many milliseconds longer (benchmarks/slow_store.py); `query`
takes local folders alone, and is left out.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import old_runs

FEW = 2
SETTINGS = (
    "bootstrap.replicates=100",
    "gate.baseline=blessed",
    "gate.checks=[{metric: dice_mean, class: foreground, max_drop: 0.2}]",
    "gate.drift=[{metric: class_pixels, max_ratio: 2}]",
)
_HISTORY = (
    "SELECT run_id, dice_mean, dice_mean_change FROM class_history WHERE slice = 'all' ORDER BY finished DESC LIMIT 5"
)
_BUCKET = "slow"


def commands(config: str, output: str, number: int) -> dict[str, list[str]]:
    """What is measured; the last one names the run that the night makes."""
    given = [config, *(part for setting in (*SETTINGS, f"output={output}") for part in ("--set", setting))]
    found = {
        "gate": ["gate", *given],
        "gate --baseline previous": ["gate", *given, "--baseline", "previous"],
        "report": ["report", *given, "--run-id", "tonight"],
        "nightly": ["nightly", *given, "--run-id", f"again-{number}"],
    }
    if "://" in output:
        return found
    return found | {
        "query, a table": ["query", output, "SELECT count(*) FROM runs WHERE status = 'done'"],
        "query, the latest run": ["query", output, "SELECT class_name, dice_mean FROM latest_classes"],
        "query, a history": ["query", output, _HISTORY],
        "query, the list of views": ["query", output],
    }


def run(arguments: Sequence[str], slow: Sequence[str] = ()) -> tuple[float, int | None]:
    """Seconds of a command, and how many requests it made of a slow store.

    Raises:
        RuntimeError: if it does not end with 0.
    """
    began = time.monotonic()
    module = ["benchmarks.slow_store", *slow] if slow else ["dicebeam"]
    done = subprocess.run([sys.executable, "-m", *module, *arguments], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found = re.search(r"(\d+) requests$", done.stderr.strip())
    return seconds, int(found[1]) if found else None


def make(root: Path, old: Sequence[int], samples: int) -> str:
    """An output with so many old runs for each number, in a folder of that name; returns the path of the config."""
    config = f"{root}/demo/config.yaml"
    run(["demo", str(root / "demo"), "--samples", str(samples)])
    first = root / str(old[0]) / "reports"
    gated = commands(config, str(first), 0)
    subprocess.run(
        [sys.executable, "-m", "dicebeam", *gated["nightly"][:-1], "tonight"], capture_output=True, check=False
    )  # there is no baseline: it ends with 4
    run([*gated["gate"], "--bless", "tonight"])
    for count in old[1:]:
        shutil.copytree(first.parent, root / str(count))
    for count in old:
        old_runs.add(str(root / str(count) / "reports"), "tonight", count, print)
    return config


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds that each request waits")
    parser.add_argument("--folder", help="where the outputs are, or are to be made; else a temporary folder")
    parser.add_argument("--only", help="commands that begin so")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root, old = Path(args.folder or temporary), (FEW, args.runs)
        config = f"{root}/demo/config.yaml"
        if not Path(config).exists():
            config = make(root, old, args.samples)
        _measure(args, root, config, old)


def _measure(args: argparse.Namespace, root: Path, config: str, old: Sequence[int]) -> None:
    taken: dict[tuple[str, int], list[float]] = {}
    asked: dict[tuple[str, int], int | None] = {}
    stamp = int(time.time())
    for number in range(args.rounds):
        for count in old:
            slow = [str(args.latency), f"{root}/{count}"] if args.latency else []
            output = f"gs://{_BUCKET}/reports" if slow else f"{root}/{count}/reports"
            if slow:
                _as_bucket(root / str(count))
            for name, command in commands(config, output, stamp + number).items():
                if args.only and not name.startswith(args.only):
                    continue
                seconds, asked[name, count] = run(command, slow)
                taken.setdefault((name, count), []).append(seconds)
    few, many = old
    for name in dict.fromkeys(name for name, _ in taken):
        medians = [statistics.median(taken[name, count]) for count in old]
        requests = "" if asked[name, few] is None else f", {asked[name, few]} and {asked[name, many]} requests"
        print(
            f"{name}: {medians[0]:.2f} s with {few} old runs, {medians[1]:.2f} s with {many:,}, "
            f"ratio {medians[1] / medians[0]:.2f}{requests}"
        )


def _as_bucket(folder: Path) -> None:
    """Let the outputs of a folder be seen as a bucket."""
    bucket = folder / _BUCKET
    if not bucket.exists():
        bucket.symlink_to(folder, target_is_directory=True)


if __name__ == "__main__":
    main()
