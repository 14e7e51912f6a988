"""What a filesystem lists."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on this machine or in a bucket, with the size that the listing says."""

    path: str
    size_bytes: int
