"""What another CPU does to the counts: one evaluation with TensorFlow's oneDNN kernels, and one with its others.

    python -m benchmarks.kernels CONFIG.yaml [--set KEY=VALUE ...]

TensorFlow on Linux takes oneDNN's kernels where the CPU has AVX512_VNNI, AVX_VNNI, bfloat16 or AMX instructions, and
Eigen's elsewhere, unless TF_ENABLE_ONEDNN_OPTS says which. Printed is how many pixels have another class, at least:
half of the sum, over samples and classes, of the differences in predicted pixels.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

QUERY = """
    SELECT count(*), sum(a.pixels - a.ignored_pixels) FILTER (a.class_id = 0),
        sum(abs(a.true_positives + a.false_positives - b.true_positives - b.false_positives)) // 2,
        count(*) FILTER (a.true_positives <> b.true_positives OR a.false_positives <> b.false_positives),
        max(abs(a.soft_predicted - b.soft_predicted) / a.soft_predicted)
    FROM read_parquet($eigen) a JOIN read_parquet($onednn) b USING (sample_id, class_id)
"""


def evaluate(args: argparse.Namespace, onednn: int, output: Path) -> str:
    """A run in a process of its own; returns the glob of its sample files."""
    changes = [part for each in [*args.set, f"output={output}"] for part in ("--set", each)]
    command = [sys.executable, "-m", "dicebeam", "evaluate", args.config, *changes]
    done = subprocess.run(
        command,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": str(onednn)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return str(output / "samples/*/*/*.parquet")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = {name: evaluate(args, on, Path(folder) / name) for name, on in (("eigen", 0), ("onednn", 1))}
        found = duckdb.execute(QUERY, files).fetchone()
    if not found or not found[0]:
        sys.exit("expected the same samples in both runs, but none is in both")
    rows, pixels, moved, changed, soft = found
    print(f"{moved} of {pixels:,} pixels have another class, and {changed} of {rows:,} rows (sample and class) other")
    print(f"counts; a soft sum differs by at most {soft:.1e} of itself")


if __name__ == "__main__":
    main()
