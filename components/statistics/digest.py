"""Digests of a sample table: equal for equal ids and counts, whatever the shards, the order and the runner.

That of the rows is of everything that was counted, that of the data of what does not depend on the model, and that of
the slices of what says in which of them a sample is.

Every row of `samples` has two 64-bit hashes of its sample id, class id and integer columns; the digest is their sums
modulo 2^64. Where a record is and the doubles, whose last bits depend on the batch, are left out.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...schemas.records import SampleSums
from .hashing import id_hashes, mixed

NOTHING = "0" * 32
"""The digest of no rows."""

_STARTS = (np.uint64(0x243F6A8885A308D3), np.uint64(0x13198A2E03707344))  # of pi


def of_rows(ids: NDArray[np.uint64], sums: SampleSums, class_ids: Iterable[int]) -> str:
    """The digest of some samples, 32 hexadecimal digits; ids are hashes `[n]`."""
    return _digest(ids, sums, class_ids, (sums.true_positives, sums.predicted, sums.actual))


def of_data(ids: NDArray[np.uint64], sums: SampleSums, class_ids: Iterable[int]) -> str:
    """Digest of what is true: ids, true pixels of each class, all and ignored pixels."""
    return _digest(ids, sums, class_ids, (sums.actual,))


def of_slices(ids: NDArray[np.uint64], columns: Mapping[str, pa.Array]) -> str:
    """Digest of which sample has which text, or none, in which column; the order of the columns does not matter.

    Args:
        ids: hashes of the samples' ids, `[n]`.
        columns: text of the slice features by column, `[n]` each.
    """
    totals = []
    for start in _STARTS:
        hashes = mixed(ids + start)
        for name in sorted(columns):
            hashes = mixed(mixed(hashes + id_hashes([name.encode()])) + _of_texts(columns[name]))
        totals.append(int(hashes.sum(dtype=np.uint64)))
    return _text(totals)


def _of_texts(column: pa.Array) -> NDArray[np.uint64]:
    encoded = pa.array(column).dictionary_encode("encode")
    texts = encoded.dictionary.cast(pa.binary()).to_pylist()
    each = id_hashes(b"none" if text is None else b"text " + text for text in texts)
    return np.asarray(each[np.asarray(encoded.indices)])


def _digest(
    ids: NDArray[np.uint64], sums: SampleSums, class_ids: Iterable[int], counts: Iterable[NDArray[np.int64]]
) -> str:
    shape = sums.true_positives.shape
    columns = [
        np.broadcast_to(column, shape)
        for column in (
            ids[:, None], np.array(list(class_ids))[None], *counts, sums.pixels[:, None], sums.ignored_pixels[:, None],
        )
    ]  # fmt: skip
    totals = []
    for start in _STARTS:
        hashes = np.full(shape, start)
        for column in columns:
            hashes = mixed(hashes + column.astype(np.uint64))
        totals.append(int(hashes.sum(dtype=np.uint64)))
    return _text(totals)


def add(parts: Iterable[str]) -> str:
    """The digest of the rows of all parts."""
    totals = [0] * len(_STARTS)
    for part in parts:
        totals = [total + int(digits, 16) for total, digits in zip(totals, (part[:16], part[16:]), strict=True)]
    return _text(totals)


def _text(totals: Iterable[int]) -> str:
    return "".join(f"{total % 2**64:016x}" for total in totals)
