"""One large shard among small ones against as many equal ones, with two workers: what is lost to the large one.

    python -m benchmarks.skew [--share 0.9] [--rounds 5]
    python -m benchmarks.skew --index 100000 1000000

The same records are in 64 equal shards, and in one that has a share of them all and 63 small ones; the latter is
evaluated in ranges and, for comparison, uncut. Each evaluation is a process with two worker processes, TensorFlow has
one thread in each, and they take turns. Timed is from the first sample file's begin to the last one's rename.

With `--index`: seconds to index a shard of 4 GB against reading it, for records of so many bytes. The file is sparse
where records are larger than pages, and the records are zeros, so that reading costs no disk.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

import numpy as np  # noqa: E402

from benchmarks import processes, synthetic  # noqa: E402
from dicebeam.components.reading import split_shards, tfrecord  # noqa: E402
from dicebeam.schemas import records  # noqa: E402

SHARDS = 64
FLAGS = ["--", "--direct_num_workers=2", "--direct_running_mode=multi_processing"]
NEVER = 1 << 62


def write(folder: Path, records: list[bytes], share: float) -> str:
    """The records in shards, of which the first has a share of all and the others are equal; returns the glob."""
    folder.mkdir()
    first = round(share * len(records))
    parts = [records[:first], *(records[first + place :: SHARDS - 1] for place in range(SHARDS - 1))]
    for place, part in enumerate(parts):
        path = folder / f"part-{place:05d}-of-{SHARDS:05d}.tfrecord"
        path.write_bytes(b"".join(tfrecord.frame(record) for record in part))
    return str(folder / "*.tfrecord")


def seconds(examples: str, model: str, output: Path, split_bytes: int) -> float:
    """Seconds of one evaluation, from the first sample file's begin to the last one's rename."""
    command = processes.evaluate_command(examples, model, str(output), synthetic.CLASSES)
    command += ["--set", f"shard_split_bytes={split_bytes}", *FLAGS]
    began: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not began and not over.is_set():
            if any(output.glob("samples/*/*/.*.tmp")):
                began.append(time.time())
            time.sleep(0.01)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        done = subprocess.run(
            command, env={**os.environ, **processes.ONE_THREAD}, capture_output=True, text=True, check=False
        )
    finally:
        over.set()
        watching.join()
    if done.returncode:
        sys.exit(done.stderr)
    return max(path.stat().st_ctime for path in output.glob("samples/*/*/*.parquet")) - min(began)


def compare(args: argparse.Namespace, root: Path) -> None:
    """Evaluate in turn and print."""
    rng = np.random.default_rng(0)
    records = [synthetic.example(rng, number, args.size) for number in range(args.records)]
    equal = write(root / "equal", records, 1 / SHARDS)
    skewed = write(root / "skewed", records, args.share)
    model = synthetic.save_model(root / "model", args.width)
    large = max(path.stat().st_size for path in (root / "skewed").iterdir())
    cases = {
        "equal": (equal, NEVER),
        f"{args.ranges} ranges": (skewed, -(-large // args.ranges)),
        "uncut": (skewed, NEVER),
    }
    took: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(args.rounds):
        for name, (examples, split_bytes) in cases.items():
            took[name].append(seconds(examples, model, root / f"out-{number}-{name.replace(' ', '-')}", split_bytes))
        print(", ".join(f"{name} {values[-1]:.1f} s" for name, values in took.items()), flush=True)
    medians = {name: statistics.median(values) for name, values in took.items()}
    print("medians: " + ", ".join(f"{name} {value:.1f} s" for name, value in medians.items()))
    for name, values in took.items():
        ratios = [value / base for value, base in zip(values, took["equal"], strict=True)]
        print(f"{name} / equal: {statistics.median(ratios):.2f} (median of the rounds)")


def index(root: Path, record_bytes: int) -> None:
    """Index a sparse shard of 4 GB, read it, and print both."""
    path, size = root / "large.tfrecord", 4 << 30
    frame = tfrecord.frame(bytes(record_bytes))
    with path.open("wb") as file:
        for offset in range(0, size, len(frame)):
            file.seek(offset)
            file.write(frame[: tfrecord.HEADER_BYTES])
            file.seek(offset + len(frame) - 4)
            file.write(frame[-4:])
    size = path.stat().st_size
    with path.open("rb") as file:
        began = time.monotonic()
        found = split_shards.ranges(file, size, 1 << 28)
        indexed = time.monotonic() - began
    with path.open("rb") as file:
        began = time.monotonic()
        records = sum(isinstance(item, records.Record) for item in tfrecord.records(file, str(path)))
        read = time.monotonic() - began
    print(
        f"{records:,} records of {record_bytes:,} bytes, {size:,} bytes: {len(found)} ranges indexed in "
        f"{indexed:.2f} s, read in {read:.2f} s, {read / indexed:.1f} times as long"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, default in (("records", 2048), ("size", 256), ("rounds", 5), ("ranges", 16), ("width", 32)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--share", type=float, default=0.9, help="of all records, in the large shard")
    parser.add_argument("--index", type=int, nargs="+", metavar="RECORD_BYTES", help="measure the index instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.index:
            for record_bytes in args.index:
                index(Path(folder), record_bytes)
        else:
            compare(args, Path(folder))


if __name__ == "__main__":
    main()
