"""CountDuplicates: how many scored samples of a run have an id that another sample of the run has too.

Lineage keeps such samples apart in every table; whoever joins on the id alone does not. Ids are compared as 64-bit
hashes, 8 bytes a sample through the shuffle: among 100 million different ids two agree by chance once in 3,700 runs.
"""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

from ..statistics.hashing import HASH


def count_repeated(parts: Iterable[bytes]) -> int:
    """How many hashes of a bucket are there more than once, each time counted."""
    _, times = np.unique(np.frombuffer(b"".join(parts), HASH), return_counts=True)
    return int(times[times > 1].sum())


class CountDuplicates(beam.PTransform):
    """Hashes of ids, by bucket, to one number; to none where there are no hashes."""

    def expand(self, buckets: beam.PCollection[tuple[int, bytes]]) -> beam.PCollection[int]:
        """Count each bucket where it lands."""
        return (
            buckets
            | "GroupBuckets" >> beam.GroupByKey()
            | "CountRepeated" >> beam.MapTuple(lambda _, parts: count_repeated(parts))
            | "AddBuckets" >> beam.CombineGlobally(sum).without_defaults()
        )
