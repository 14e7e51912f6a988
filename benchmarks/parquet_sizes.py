"""Bytes of a column of `samples` with a dictionary and without, and of a file at each level of zstd.

python -m benchmarks.parquet_sizes [--classes 3] [--rows 131072]
"""

import argparse
import dataclasses
import io
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.summary import random_sums
from dicebeam.components.samples import sample_rows
from dicebeam.components.storage import parquet_files
from dicebeam.schemas import tables
from dicebeam.schemas.records import Lineage, SampleKey

SHARD = "gs://bucket/data/validation/val-00017-of-01000.tfrecord"
LEVELS = (1, 3, 6, 9)


def rows_of_a_shard(samples: int, classes: int) -> pa.Table:
    """Rows as of a demo, and a column of patients beside that of sites."""
    rng = np.random.default_rng(0)
    offsets = np.cumsum(rng.integers(20_000, 60_000, samples))
    keys = [
        SampleKey(
            Lineage(SHARD, i, int(offsets[i])),
            f"scene-{rng.integers(10**6):06d}-{i:06d}.png",
            (f"site {rng.integers(5)}", f"patient-{rng.integers(max(1, samples // 4))}"),
        )
        for i in range(samples)
    ]
    sums = random_sums(rng, samples, classes)
    soft = {
        name: getattr(sums, name) * rng.uniform(0.9, 0.99, (samples, classes))
        for name in ("soft_intersection", "soft_predicted", "soft_predicted_sq")
    }
    names = [f"class {i}" for i in range(classes)]
    noisy = dataclasses.replace(sums, **soft)
    return sample_rows.sample_table(keys, noisy, range(classes), names, ["site", "patient_id"])


def written(table: pa.Table, **settings: object) -> tuple[int, float, dict[str, int]]:
    """Bytes of the file, seconds, and bytes of each column."""
    out, start = io.BytesIO(), time.process_time()
    pq.write_table(table, out, compression="zstd", **settings)
    seconds, metadata = time.process_time() - start, pq.ParquetFile(out).metadata
    columns: dict[str, int] = {}
    for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
        for column in (group.column(i) for i in range(group.num_columns)):
            columns[column.path_in_schema] = columns.get(column.path_in_schema, 0) + column.total_compressed_size
    return len(out.getvalue()), seconds, columns


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--rows", type=int, default=parquet_files.ROWS_A_GROUP)
    args = parser.parse_args()
    table = rows_of_a_shard(args.rows // args.classes, args.classes)
    ours = parquet_files.dictionary_columns(table.schema)
    (every, _, with_it), (none, _, without) = written(table), written(table, use_dictionary=False)
    say = sys.stdout.write
    say(f"{table.num_rows} rows, {args.classes} classes: bytes of each column\n")
    for name in table.schema.names:
        say(f"{name:<20}plain {without[name]:>9,}  dictionary {with_it[name]:>9,} {'*' * (name in ours)}\n")
    marked = written(table, use_dictionary=ours)[0]
    say(f"file: plain {none:,}, dictionary for all {every:,}, for those marked * {marked:,}\n")
    for level in LEVELS:
        size, seconds, _ = written(table, use_dictionary=ours, compression_level=level)
        say(f"zstd level {level}: {size:,} bytes, {seconds:.2f} s\n")
    size = written(table, use_dictionary=ours, write_page_index=True)[0]
    say(f"with a page index {size:,} bytes\n")
    out = io.BytesIO()
    with parquet_files.writer(out, table.schema, tables.SAMPLES_ORDER) as writer:
        writer.write_table(table)
    say(f"as dicebeam writes it {len(out.getvalue()):,} bytes\n")


if __name__ == "__main__":
    main()
