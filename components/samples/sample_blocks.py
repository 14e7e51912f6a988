"""Committed sample files, read back as blocks of samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas.records import SampleSums
from ..statistics import sample_sums, slicing
from ..statistics.hashing import id_hashes
from ..statistics.slicing import SliceSpec
from . import whole_samples

_PIXELS = ("true_positives", "false_positives", "false_negatives")
_SOFT = ("soft_intersection", "soft_predicted", "soft_predicted_sq")
_WHOLE = ("pixels", "ignored_pixels")


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """n samples with their sums, and the hash of the sample's id or of its cluster, uint64 `[n]`."""

    hashes: NDArray[np.uint64]
    sums: SampleSums

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.hashes)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.hashes.nbytes + sum(int(getattr(self.sums, f.name).nbytes) for f in fields(SampleSums))

    def part(self, index: slice | NDArray[np.intp]) -> "SampleBlock":
        """Some of the samples; a view for a slice."""
        return SampleBlock(self.hashes[index], sample_sums.select(self.sums, index))


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block of samples, the hashes of their ids, uint64, and the text of their slice columns, `[n]` each."""

    samples: SampleBlock
    ids: NDArray[np.uint64]
    columns: dict[str, pa.Array]


def read_blocks(path: str, columns: Sequence[str], cluster: str | None, n_classes: int) -> Iterator[ReadBlock]:
    """The samples of a file, in order.

    Args:
        path: of a committed sample file: all rows of a sample stand together, its classes in order.
        columns: slice columns that are wanted.
        cluster: the column whose values are resampled; None for the samples themselves. A sample without a
            value is a cluster of its own.
        n_classes: scored classes.

    Raises:
        DamagedError: if the file is not as it was written, or its numbers cannot be.
    """
    first = ["sample_id", "class_id", *columns, *([cluster] if cluster else [])]
    wanted = list(dict.fromkeys([*first, *_PIXELS, *_SOFT, *_WHOLE]))
    for rows in whole_samples.read(path, n_classes, wanted):
        yield _block(rows, columns, cluster, n_classes)


def sliced(block: ReadBlock, spec: SliceSpec) -> Iterator[tuple[str, SampleBlock]]:
    """The samples of each slice of a spec, with its name."""
    n = len(block.samples)
    names, codes = slicing.groups(spec, block.columns, n)
    if len(names) == 1:
        yield names[0], block.samples
        return
    order = np.argsort(codes, kind="stable")
    limits = np.searchsorted(codes[order], np.arange(len(names) + 1)).tolist()
    for name, start, end in zip(names, limits, limits[1:], strict=False):
        yield name, block.samples.part(order[start:end])  # a copy: a view would keep the whole block in memory


def _block(rows: pa.Table, columns: Sequence[str], cluster: str | None, n_classes: int) -> ReadBlock:
    def by_class(name: str) -> NDArray[Any]:
        return np.asarray(rows[name].to_numpy().reshape(-1, n_classes))

    firsts = rows.take(whole_samples.firsts(rows, n_classes))
    tp, fp, fn = (by_class(name) for name in _PIXELS)
    sums = SampleSums(
        tp, tp + fp, tp + fn, *(by_class(name) for name in _SOFT), *(firsts[name].to_numpy() for name in _WHOLE)
    )
    names = firsts["sample_id"].cast(pa.binary()).to_pylist()
    ids = id_hashes(names)
    resampled = ids if cluster is None else _clusters(names, firsts[cluster].cast(pa.binary()).to_pylist())
    texts = {name: firsts[name].combine_chunks() for name in columns}
    return ReadBlock(SampleBlock(resampled, sums), ids, texts)


def _clusters(names: Sequence[bytes], clusters: Sequence[bytes | None]) -> NDArray[np.uint64]:
    # prefixed, so that no sample's id is taken for a cluster
    return id_hashes(b"sample " + n if c is None else b"cluster " + c for n, c in zip(names, clusters, strict=True))
