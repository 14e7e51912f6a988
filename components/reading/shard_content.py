"""What the records of a unit are, as a short digest, so that a later attempt can tell a copy from another shard.

    digest = blake2b(for each record in order: its length and checksum; for one that cannot be read: its offset and why)

The checksums are those that reading verifies, so the digest costs next to nothing while a unit is scored.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator

from ...schemas.records import Failure, Record
from ...schemas.shards import Unit
from . import record_reader

_RECORD = struct.Struct("<QI")


class Noted:
    """The items of a reader, passed on, and the digest of those that have passed."""

    def __init__(self, items: Iterable[Record | Failure]) -> None:
        """Take the items of a unit, none of which was read yet."""
        self._items = items
        self._hash = hashlib.blake2b(digest_size=16)

    def __iter__(self) -> Iterator[Record | Failure]:
        """Give each item."""
        for item in self._items:
            said = f"{item.lineage.byte_offset} {item.error}\0".encode() if isinstance(item, Failure) else None
            self._hash.update(said or _RECORD.pack(len(item.data), item.crc))  # type: ignore[union-attr]
            yield item

    @property
    def digest(self) -> str:
        """In hexadecimal digits."""
        return self._hash.hexdigest()


def digest(unit: Unit) -> str:
    """The digest of a unit as it is now.

    Raises:
        StorageError: if it cannot be read.
    """
    noted = Noted(record_reader.read(unit))
    for _ in noted:
        pass
    return noted.digest
