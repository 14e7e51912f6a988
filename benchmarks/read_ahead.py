"""Memory and speed of reading ahead of a model, for records that are large.

    python -m benchmarks.read_ahead

Two shards: records that decode to 12.6 MB (batches of 16 have 201 MB), and a gzip file of a megabyte that holds records
of 16 MB. Each is read in a process of its own, whose consumer takes its time over each batch, as a model would.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import synthetic
from dicebeam.components.decoding.decode_record import DecodeSettings
from dicebeam.components.reading import read_samples, tfrecord
from dicebeam.schemas.config.features import PRESETS
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.shards import Shard

LARGE, GZIP = "large.tfrecord", "bomb.tfrecord.gz"
SIZE = 1776
"""Pixels of a side."""


def read(path: str, seconds: float) -> dict[str, float]:
    """Read a shard, and wait so long over each batch; how much the peak of memory has grown, and how long it took."""
    labels = LabelSettings(classes=tuple(f"class {i}" for i in range(8)))
    settings = read_samples.ReadSettings(DecodeSettings(PRESETS["deeplab"], labels), batch_size=16)
    before, start = _peak(), time.perf_counter()
    scored = 0
    for batch in read_samples.unit_batches(Shard(path, Path(path).stat().st_size), settings):
        scored += len(batch)
        time.sleep(seconds)
        del batch  # as the stages after this one do, which keep counts alone
    return {"grown": _peak() - before, "seconds": time.perf_counter() - start, "scored": scored}


def _peak() -> int:
    """Of this program alone: `ru_maxrss` would begin with that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10


def write(folder: Path, records: int) -> None:
    """The two shards."""
    data = synthetic.example(np.random.default_rng(0), 0, SIZE)
    (folder / LARGE).write_bytes(tfrecord.frame(data) * records)
    (folder / GZIP).write_bytes(gzip.compress(tfrecord.frame(bytes(16 << 20)) * 80))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(read(args.read, args.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), args.records)
        for name in (LARGE, GZIP):
            path = Path(folder) / name
            command = [sys.executable, "-m", "benchmarks.read_ahead", f"--read={path}", f"--seconds={args.seconds}"]
            runs = [json.loads(subprocess.check_output(command)) for _ in range(args.rounds)]
            grown, seconds = (statistics.median(run[key] for run in runs) for key in ("grown", "seconds"))
            size = path.stat().st_size / 1e6
            samples = runs[0]["scored"]
            print(f"{name}, {size:.1f} MB: peak memory +{grown / 1e6:.0f} MB, {seconds:.2f} s, {samples} samples")


if __name__ == "__main__":
    main()
