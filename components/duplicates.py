"""CountDuplicates: how many scored samples of a run have an id that another sample of the run has too.

Lineage keeps such samples apart in every table; whoever joins on the id alone does not. Ids are compared as 64-bit
hashes, 8 bytes a sample through the shuffle: among 100 million different ids two agree by chance once in 3,700 runs.
"""

from collections.abc import Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components import filesystems
from components.hashing import HASH, id_hashes

BUCKETS = 64
ROWS_A_READ = 1 << 17


def file_hashes(path: str) -> NDArray[np.uint64]:
    """The hashes of the ids in a sample file, one for each sample, in order."""
    parts: list[NDArray[np.uint64]] = []
    first_class = None
    with filesystems.reading(path) as file:
        for part in pq.ParquetFile(file).iter_batches(ROWS_A_READ, columns=["sample_id", "class_id"]):
            rows = pa.table(part)
            if rows.num_rows:
                first_class = rows["class_id"][0] if first_class is None else first_class
                ids = rows.filter(pc.equal(rows["class_id"], first_class))["sample_id"]
                parts.append(id_hashes(ids.cast(pa.binary()).to_pylist()))
    return np.concatenate(parts) if parts else np.empty(0, HASH)


def in_buckets(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, bytes]]:
    """The hashes by the remainder that equal ones share, those of each bucket as bytes."""
    remainders = hashes % BUCKETS
    for bucket in np.unique(remainders):
        yield int(bucket), hashes[remainders == bucket].tobytes()


def count_repeated(parts: Iterable[bytes]) -> int:
    """How many hashes of a bucket are there more than once, each time counted."""
    _, times = np.unique(np.frombuffer(b"".join(parts), HASH), return_counts=True)
    return int(times[times > 1].sum())


class _ReadIds(beam.DoFn):
    def process(self, path: str) -> Iterator[tuple[int, bytes]]:
        return in_buckets(file_hashes(path))


class CountDuplicates(beam.PTransform):
    """Paths of committed sample files to one number."""

    def expand(self, paths: beam.PCollection[str]) -> beam.PCollection[int]:
        """Read the ids in parallel and count each bucket where it lands; no file is 0."""
        return (
            paths
            | "SpreadFiles" >> beam.Reshuffle()
            | "ReadIds" >> beam.ParDo(_ReadIds())
            | "GroupBuckets" >> beam.GroupByKey()
            | "CountRepeated" >> beam.MapTuple(lambda _, parts: count_repeated(parts))
            | "AddBuckets" >> beam.CombineGlobally(sum)
        )
