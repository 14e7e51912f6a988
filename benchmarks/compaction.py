"""Rows a second and memory of `compact`, over generated sample files.

python -m benchmarks.compaction [--samples 200000] [--classes 20] [--shards 1000]
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence

import pyarrow as pa

from benchmarks import summary
from dicebeam.components.runs import run_files, runs_row
from dicebeam.components.samples import compaction
from dicebeam.schemas import tables
from dicebeam.schemas.shards import Shard

SLICES = 50


def main() -> None:
    """Generate, compact, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--shards", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = summary.run_of(folder)
        summary.write_sample_files(run, args.samples, args.classes, SLICES, args.shards)
        row = {"shards": args.shards, "records": args.samples, "scored": args.samples, "failed": 0}
        run_files.write_table(pa.Table.from_pylist([row], schema=tables.RUNS), run, "runs", runs_row.FILE)
        held, start = _peak(), time.monotonic()
        done = compaction.compact(run)
        seconds = time.monotonic() - start
    rows = args.samples * args.classes
    sys.stdout.write(
        f"{rows:,} rows: {_said(done.before)} became {_said(done.after)} in {seconds:.1f} s, "
        f"{rows / seconds:,.0f} rows/s; peak {_peak():,.0f} MB, {held:,.0f} MB before\n"
    )


def _said(files: Sequence[Shard]) -> str:
    return f"{len(files):,} files of {sum(file.size_bytes for file in files) / 1e6:,.0f} MB"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10)


if __name__ == "__main__":
    main()
