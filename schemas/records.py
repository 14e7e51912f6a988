"""What flows between the stages. Everything here is plain data; only small rows leave a worker."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .shards import Unit


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
        """Bytes of image, mask and ignored pixels."""
        ignored = 0 if self.ignored is None else self.ignored.nbytes
        return ignored + self.mask.nbytes + (len(self.image) if isinstance(self.image, bytes) else self.image.nbytes)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a unit stands after a batch: how many of its records have been read, and to which byte of the shard."""

    records: int
    byte_offset: int
    oldest_pending: int
    """No later batch holds a record before this index."""
    done: bool
    """This is the unit's last batch."""
    content: str = ""
    """With the last batch: what the records of the unit are, see `reading.shard_content`."""


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
class Record:
    """The bytes of one record, the offset at which the next one begins, and the masked checksum of the bytes."""

    lineage: Lineage
    data: bytes
    end: int
    crc: int = 0
