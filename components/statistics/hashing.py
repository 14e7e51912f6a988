"""Stable 64-bit hashes: the same in every process, run and version."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

HASH = np.dtype("<u8")
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""The step of SplitMix64."""
BUCKETS = 64
"""Buckets of hashes that are compared: enough for every worker, few enough for small files."""


def id_hashes(ids: Iterable[bytes]) -> NDArray[np.uint64]:
    """The hash of each id, uint64, in order; equal ids have equal hashes."""
    digests = b"".join(hashlib.blake2b(name, digest_size=HASH.itemsize).digest() for name in ids)
    return np.frombuffer(digests, HASH)


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014), which lets every bit depend on every bit."""
    mixed = numbers ^ (numbers >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def in_buckets(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, bytes]]:
    """The hashes by the remainder that equal ones share, those of each bucket as bytes."""
    remainders = hashes % BUCKETS
    for bucket in np.unique(remainders):
        yield int(bucket), hashes[remainders == bucket].tobytes()
