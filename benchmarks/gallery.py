"""Choosing the samples of a page: the worst, and the largest falls against a baseline, from the rows of two runs.

    python -m benchmarks.gallery [--samples 500000] [--classes 20]

Sample files of two runs are generated in a temporary folder (about 0.5 GB for 10 million rows each); then the cases of
a page are found, and peak memory is what this takes beside what was held before.
"""

import argparse
import resource
import tempfile
import time

from benchmarks.summary import write_sample_files
from dicebeam.components.report import gallery_samples
from dicebeam.components.runs.run_files import Run


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--classes", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        now, before = (Run(folder, "2026-01-01", name, "config", "model") for name in ("now", "before"))
        for seed, run in enumerate((now, before)):
            write_sample_files(run, args.samples, args.classes, 50, seed=seed)
        foreground = [f"class {i}" for i in range(1, args.classes)]
        held, began = _peak_mb(), time.monotonic()
        found = [gallery_samples.find(kind, now, before, foreground, ()) for kind in ("worst", "fall")]
        seconds, peak = time.monotonic() - began, _peak_mb()
    rows = 2 * args.samples * args.classes
    print(
        f"{rows:,} rows of two runs, {args.classes} classes: {sum(map(len, found))} samples chosen in {seconds:.1f} s, "
        f"peak memory {peak:.0f} MB, {held:.0f} MB of it before"
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
