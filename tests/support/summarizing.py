"""Samples, sample files and summaries of them, without a model."""

import pickle
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dicebeam.components.runs import run_files
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.samples import sample_rows
from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.statistics import sample_sums
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.components.storage import filesystems
from dicebeam.schemas import tables
from dicebeam.schemas.records import Lineage, SampleKey, SampleSums

METRICS = ("dice", "iou", "precision", "recall", "soft_dice")


@dataclass(frozen=True)
class Samples:
    """n samples: ids, sums of C classes, and the text of their slice columns."""

    ids: tuple[str, ...]
    sums: SampleSums
    slices: dict[str, tuple[str | None, ...]]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_classes(self) -> int:
        return self.sums.true_positives.shape[1]

    def part(self, index: Sequence[int] | np.ndarray) -> "Samples":
        index = np.asarray(index, np.intp)
        slices = {name: tuple(values[i] for i in index) for name, values in self.slices.items()}
        return Samples(tuple(self.ids[i] for i in index), sample_sums.select(self.sums, index), slices)

    def block(self) -> SampleBlock:
        return SampleBlock(id_hashes(i.encode() for i in self.ids), self.sums)

    def table(self, class_ids: Sequence[int] | None = None, shard: str = "s") -> pa.Table:
        columns = list(self.slices)
        keys = [
            SampleKey(Lineage(shard, i, 10 * i), name, tuple(self.slices[c][i] for c in columns))
            for i, name in enumerate(self.ids)
        ]
        class_ids = range(self.n_classes) if class_ids is None else class_ids
        names = [f"class{i}" for i in range(max([*class_ids, 0]) + 1)]
        return sample_rows.sample_table(keys, self.sums, tuple(class_ids), names, columns)

    def frame(self, class_ids: Sequence[int] | None = None) -> pd.DataFrame:
        """The rows as pandas has them, NaN where a metric is undefined."""
        frame = self.table(class_ids).to_pandas()
        return frame.astype(dict.fromkeys(METRICS, np.float64))


def sums_of_counts(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, seed: int = 0) -> SampleSums:
    """Sums of `[n, C]` counts, with soft sums that can be: of one probability where it is right, of one where wrong."""
    rng, n = np.random.default_rng(seed), len(tp)
    right, wrong = rng.random(tp.shape), rng.random(tp.shape)
    soft = (tp * right, tp * right + fp * wrong, tp * right**2 + fp * wrong**2)
    ignored = rng.integers(0, 9, n)
    return SampleSums(tp, tp + fp, tp + fn, *soft, ignored + 200, ignored)


def random_samples(n: int, n_classes: int = 3, seed: int = 0) -> Samples:
    """Samples of two sites and some ages, of which some are missing; classes are absent at times."""
    rng = np.random.default_rng(seed)
    tp, fp, fn = (rng.integers(0, 60, (n, n_classes)) * rng.integers(0, 2, (n, n_classes)) for _ in range(3))
    slices = {
        "site": tuple(rng.choice(["north", "south", None], n).tolist()),
        "age": tuple(rng.choice(["20", "45.5", "80", "old", None], n).tolist()),
    }
    return Samples(tuple(f"scan-{i:04d}" for i in range(n)), sums_of_counts(tp, fp, fn, seed), slices)


def write_file(run: Run, shard: str, samples: Samples, class_ids: Sequence[int] | None = None, rows: int = 64) -> str:
    """The committed sample file of a shard, in row groups of so many rows; without samples it has no row group."""
    path = f"{run.folder('samples')}/{run_files.file_name(shard)}"
    table, n = samples.table(class_ids, shard), len(samples)
    record = ShardRecord(shard, 1, n, n, 0, run.config_fingerprint, run.model_fingerprint)
    schema = tables.with_metadata(table.schema, run.run_id, record.encode())
    with filesystems.committing(path) as out, pq.ParquetWriter(out, schema) as writer:
        if n:
            writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=rows)
    return path


class Keep(beam.DoFn):
    """Writes what it gets to a folder, for tests of runners that share no memory; `kept` reads it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def process(self, item: Any) -> None:
        (self._folder / f"{self._name}-{uuid.uuid4().hex}.pickle").write_bytes(pickle.dumps(item))


def kept(folder: Path, name: str) -> list[Any]:
    return [pickle.loads(path.read_bytes()) for path in sorted(folder.glob(f"{name}-*.pickle"))]  # noqa: S301
