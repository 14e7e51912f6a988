"""What is counted of a run: its sample files, its records, and what they add up to."""

from collections.abc import Mapping
from dataclasses import dataclass

from .files import StoredFile
from .shards import ByteRange


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

    files: Mapping[str, StoredFile]
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
    """What sample files add up to: their accounting, and the digests of rows, data and slices, hexadecimal."""

    totals: RunTotals = RunTotals()
    digest: str = "0" * 32
    data: str = "0" * 32
    slices: str = "0" * 32
