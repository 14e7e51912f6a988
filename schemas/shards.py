"""Input files: a shard, a range of one, and what of them is still to be scored."""

from dataclasses import dataclass, field

from .files import StoredFile


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a shard between two record boundaries.

    start: byte of its first record's header. end: byte after its last record, or the size of the file.
    first_record: index of its first record in the whole shard.
    split_bytes: the `shard_split_bytes` that cut it, so that an attempt that resumes cuts the shard the same.
    """

    start: int
    end: int
    first_record: int
    split_bytes: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One input file; as a unit of commit, all of it. `version` is that of its listing, as in `StoredFile`."""

    path: str
    size_bytes: int
    version: str = field(default="", compare=False)

    @property
    def file(self) -> StoredFile:
        """What was listed."""
        return StoredFile(self.path, self.size_bytes, self.version)

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
        """Path of the file."""
        return self.shard.path

    @property
    def size_bytes(self) -> int:
        """Size of the whole file."""
        return self.shard.size_bytes

    @property
    def file(self) -> StoredFile:
        """What was listed: all ranges of a shard are of one version of it."""
        return self.shard.file

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
