"""How many records some shards have, counted no further than needed."""

from collections.abc import Iterable
from itertools import islice

from ...schemas.shards import Shard
from . import record_reader


def up_to(shards: Iterable[Shard], limit: int) -> int:
    """The number of records, or the limit where there are as many; what cannot be read counts as a record.

    Raises:
        StorageError: if a shard cannot be read.
    """
    return sum(1 for _ in islice((item for shard in shards for item in record_reader.read(shard)), limit))
