"""What flows between the stages. Everything here is plain data; only small rows leave a worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a shard between two record boundaries.

    start: byte of its first record's header. end: byte after its last record, or the size of the file.
    first_record: index of its first record in the whole shard.
    split_bytes: the `shard_split_bytes` that cut it, so that an attempt that goes on cuts the shard the same.
    """

    start: int
    end: int
    first_record: int
    split_bytes: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One input file; as a unit of commit, all of it."""

    path: str
    size_bytes: int

    @property
    def range(self) -> None:
        """All of it."""
        return

    @property
    def name(self) -> str:
        """The unit as messages name it."""
        return self.path


@dataclass(frozen=True, slots=True)
class ShardRange:
    """A range of one input file, as a unit of commit."""

    shard: Shard
    range: ByteRange

    @property
    def path(self) -> str:
        """Of the file."""
        return self.shard.path

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return self.shard.size_bytes

    @property
    def name(self) -> str:
        """The unit as messages name it."""
        return f"{self.path} (bytes {self.range.start:,} to {self.range.end:,})"


Unit = Shard | ShardRange
"""What is committed as one sample file. A small shard is one; a large one is several ranges."""


@dataclass(frozen=True, slots=True)
class OpenShard:
    """A shard that is not scored whole, and the ranges of it that are, by start."""

    shard: Shard
    scored: tuple[ByteRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a record is: its index in the shard and the byte offset of its TFRecord header.

    The offset counts uncompressed bytes, so that in a gzip shard it is found after decompression.
    """

    shard: str
    record: int
    byte_offset: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that could not be scored; one row of the `failures` table."""

    lineage: Lineage
    sample_id: str | None
    stage: str
    error: str
    message: str
    ends_shard: bool = False
    """Nothing after this record could be read, and nobody knows how many records that was."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One decoded record.

    image: `[*S, channels]` array, or bytes where the model decodes images or tf.Examples itself.
    mask: class ids `[*S]`, or bool `[*S, C]` for multi-label truth; see schemas.labels.
    ignored: bool `[*S]` with a multi-label mask that has ignored pixels, else None.
    slices: value of each slice feature, None where the record has none.
    bucket: samples of one bucket may share a batch.
    """

    lineage: Lineage
    sample_id: str
    slices: tuple[str | None, ...]
    image: NDArray[Any] | bytes
    mask: NDArray[Any]
    ignored: NDArray[np.bool_] | None
    bucket: tuple[Any, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of image and mask."""
        return self.mask.nbytes + (len(self.image) if isinstance(self.image, bytes) else self.image.nbytes)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a unit stands after a batch: how many of its records have been read, and to which byte of the shard."""

    records: int
    byte_offset: int
    oldest_pending: int
    """No later batch holds a record before this index."""
    done: bool
    """This is the unit's last batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one unit and one bucket, number `index` of that unit; the last may be empty."""

    shard: Unit
    index: int
    samples: tuple[Sample, ...]
    failures: tuple[Failure, ...]
    progress: Progress

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def nbytes(self) -> int:
        """Bytes of all images and masks."""
        return sum(sample.nbytes for sample in self.samples)


@dataclass(frozen=True, slots=True)
class SampleSums:
    """Sums of one batch; n samples in order, C scored classes.

    true_positives, predicted, actual: int64 `[n, C]`, pixels.
    soft_intersection, soft_predicted, soft_predicted_sq: float64 `[n, C]`.
    pixels, ignored_pixels: int64 `[n]`.
    """

    true_positives: NDArray[np.int64]
    predicted: NDArray[np.int64]
    actual: NDArray[np.int64]
    soft_intersection: NDArray[np.float64]
    soft_predicted: NDArray[np.float64]
    soft_predicted_sq: NDArray[np.float64]
    pixels: NDArray[np.int64]
    ignored_pixels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SampleKey:
    """What names a scored sample in the tables."""

    lineage: Lineage
    sample_id: str
    slices: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """What is left of a batch once the model has seen it."""

    shard: Unit
    index: int
    keys: tuple[SampleKey, ...]
    sums: SampleSums | None
    failures: tuple[Failure, ...]
    progress: Progress


@dataclass(frozen=True, slots=True)
class Committed:
    """A unit whose sample file stands under its final name; `shard` and `size_bytes` are of the input file."""

    shard: str
    path: str
    records: int
    scored: int
    failed: int
    cut_short: bool = False
    size_bytes: int = 0
    range: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The committed sample files of a run, in which each unit is once.

    files: those that count, by name. holders: the name of the file that holds a unit, by the unit's `file_name`.
    leftovers: paths of files whose units are all in another one too, which an interrupted compaction left.
    """

    files: Mapping[str, Shard]
    holders: Mapping[str, str]
    leftovers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunTotals:
    """The accounting of a run, summed over its shards."""

    shards: int = 0
    records: int = 0
    scored: int = 0
    failed: int = 0
    cut_short: int = 0
    """Shards that end in a failure after which nothing could be read."""
    seams: int = 0
    """0 where the ranges of every shard meet, without a gap and without an overlap; see `shard_ranges.seam`."""


@dataclass(frozen=True, slots=True)
class FileSums:
    """What sample files add up to: their accounting, and the digests of their rows and of their data, hexadecimal."""

    totals: RunTotals = RunTotals()
    digest: str = "0" * 32
    data: str = "0" * 32
