"""Rows per second and peak memory of the tables of a run, from sample files that are there already.

    python -m benchmarks.summary
    python -m benchmarks.summary --workers 2

Sample files are generated straight from random counts: `--samples` x `--classes` rows, with a feature of
`--slices` - 1 values. Then a process of its own reads them, and writes `classes`, `slices`, `histograms`,
`replicates` and `runs`. `--profile` prints where that process spends its time.

Measured on a quiet machine of 2 cores, 10 million rows, 50 slices, 20 classes, 1,000 replicates: 17.9 s with imports,
558,472 rows/s, peak memory 1528 MB; with two workers 25.0 s, 399,778 rows/s, and 2031 MB in the runner's process:
matrix products use both cores already, so a second process costs its start and the way of the states between them.
10,000 slices of 10 samples each (`--samples 100000 --slices 10001`), beside other work that kept both cores busy:
273.9 s, 1219 MB. A slice for each sample
(`--samples 20000 --slices 20001 --classes 4`): 45.3 s, 601 MB.
"""

import argparse
import cProfile
import pstats
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq

from benchmarks import processes
from dicebeam.components.runs import run_files
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.samples import sample_rows
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.components.storage import parquet_files
from dicebeam.components.summary.count_duplicates import CountDuplicates
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from dicebeam.components.summary.summarize import Summarize, SummarySettings
from dicebeam.components.summary.write_tables import TableSettings, WriteTables
from dicebeam.pipeline.runner import options
from dicebeam.schemas import tables
from dicebeam.schemas.records import Lineage, SampleKey, SampleSums

FILES, PIXELS = 16, 512 * 512


def run_of(folder: str) -> Run:
    """The run whose tables are made."""
    return Run(folder, "2026-01-01", "bench", "config", "model")


def random_sums(rng: np.random.Generator, samples: int, classes: int) -> SampleSums:
    """Counts whose Dice is skewed as that of a trained model; a class is absent from every third sample."""
    actual = rng.integers(200, 20_000, (samples, classes)) * (rng.random((samples, classes)) < 2 / 3)
    tp = np.rint(actual * rng.beta(9, 1, actual.shape)).astype(np.int64)
    predicted = tp + np.rint(actual * rng.beta(1, 9, actual.shape)).astype(np.int64)
    soft = (tp * 0.9, predicted * 0.95, predicted * 0.93)
    whole = np.full(samples, PIXELS)
    return SampleSums(tp, predicted, actual, *soft, whole, np.zeros(samples, np.int64))


def write_sample_files(run: Run, samples: int, classes: int, slices: int, files: int = FILES, seed: int = 0) -> None:
    """The committed sample files of a run."""
    rng = np.random.default_rng(seed)
    names = [f"class {i}" for i in range(classes)]
    schema = tables.with_metadata(tables.samples_schema(["site"]), run.run_id)
    Path(run.folder("samples")).mkdir(parents=True)
    for file, records in enumerate(np.array_split(np.arange(samples), files)):
        shard = f"/bench/shard-{file:05d}"
        ids = tuple(range(classes))
        record = ShardRecord(
            shard, 0, len(records), len(records), 0, run.config_fingerprint, run.model_fingerprint, class_ids=ids
        )
        path = f"{run.folder('samples')}/{run_files.file_name(shard)}"
        with Path(path).open("wb") as out, parquet_files.writer(out, schema, tables.SAMPLES_ORDER) as writer:
            for part in np.array_split(records, max(1, len(records) * classes >> 17)):
                sites = part % (slices - 1)
                keys = [
                    SampleKey(Lineage(shard, int(i), int(i)), f"image-{i}", (f"site {site}",))
                    for i, site in zip(part, sites, strict=True)
                ]
                sums = random_sums(rng, len(part), classes)
                writer.write_table(sample_rows.sample_table(keys, sums, range(classes), names, ["site"]))
            writer.add_key_value_metadata(record.encode())


def summarize(run: Run, classes: int, replicates: int, workers: int) -> None:
    """Make the tables."""
    names = tuple(f"class {i}" for i in range(classes))
    settings = SummarySettings(
        run,
        ClassSettings(tuple(range(classes)), names, tuple(range(1, classes))),
        ((SliceFeature("site", "site"),),),
        BootstrapSettings(replicates),
    )
    report = TableSettings(run, 0.0, "{}", "model", "{}", "benchmark", datetime.now(UTC))
    mode = "multi_processing" if workers > 1 else "in_memory"
    flags = options.pipeline_options([f"--direct_num_workers={workers}", f"--direct_running_mode={mode}"])
    with beam.Pipeline(options=flags) as pipeline:
        paths = pipeline | beam.Create([file.path for file in run_files.sample_files(run).values()])
        shards = paths | beam.combiners.Count.Globally()
        found, none = paths | Summarize(settings), pipeline | "None" >> beam.Create([0])
        _ = found.slices | WriteTables(report, found.sums, shards, none, found.ids | CountDuplicates())


def main() -> None:
    """Generate, measure, and print."""
    parser = argparse.ArgumentParser()
    for name, default in (("samples", 500_000), ("classes", 20), ("slices", 50), ("replicates", 1000), ("workers", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", help="with sample files already")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    if args.folder:
        profile = cProfile.Profile()
        profile.enable(subcalls=args.profile, builtins=args.profile) if args.profile else None
        summarize(run_of(args.folder), args.classes, args.replicates, args.workers)
        if args.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    with tempfile.TemporaryDirectory() as folder:
        run = run_of(folder)
        write_sample_files(run, args.samples, args.classes, args.slices)
        size = sum(path.stat().st_size for path in Path(run.folder("samples")).iterdir())
        numbers = [f"--{name}={getattr(args, name)}" for name in ("classes", "replicates", "workers")]
        measured = processes.run([sys.executable, "-m", "benchmarks.summary", "--folder", folder, *numbers])
        classes = pq.read_table(run.folder("classes"), partitioning=None)
    rows = args.samples * args.classes
    print(
        f"{rows:,} rows ({size / 1e6:.0f} MB), {args.slices} slices, {classes.num_rows:,} rows of classes, "
        f"{args.replicates} replicates, {args.workers} worker(s): {measured.seconds:.1f} s with imports, "
        f"{rows / measured.seconds:,.0f} rows/s, peak memory {measured.peak_bytes / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
