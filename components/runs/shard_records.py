"""The accounting of units, as it stands in the metadata of sample files."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...schemas import repairs, tables
from ...schemas.errors import DamagedError, TablesError
from ...schemas.shards import ByteRange
from ..storage.parquet_reading import Footer

_OF_THE_RUN = ("config_fingerprint", "model_fingerprint", "class_ids", "scoring", "transform_fingerprint")
_LATER = ("range", "transform_fingerprint", "failures", "version", "content")
"""Fields that are written where there is something to say; the others were there from the beginning."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The accounting of one shard, or of a range of it, kept in the metadata of its sample file.

    `size_bytes` is of the whole shard; `class_ids` are the scored classes, of which each sample has a row; `scoring`
    is as in `Run`; `failures` is the name of the unit's failures file, None if it is in a file named as its samples;
    `version` is that of the shard's listing, and `content` what its records are, to tell whether the shard is still the
    one that was scored.
    """

    shard: str
    size_bytes: int
    records: int
    scored: int
    failed: int
    config_fingerprint: str
    model_fingerprint: str
    cut_short: bool = False
    class_ids: tuple[int, ...] = ()
    scoring: str = "{}"
    range: ByteRange | None = None
    transform_fingerprint: str | None = None
    failures: str | None = None
    version: str | None = None
    content: str | None = None

    def encode(self) -> dict[bytes, bytes]:
        """As Parquet key-value metadata."""
        return {tables.SHARD_METADATA: json.dumps(_fields(self)).encode()}

    @property
    def unit_name(self) -> str:
        """Names the unit among all of them: the shard's path, and for a range its bytes."""
        return self.shard if self.range is None else f"{self.shard}\0{self.range.start}-{self.range.end}"


def _fields(record: ShardRecord) -> dict[str, Any]:
    """What is written; of a whole shard without a transform what was written before there were such things."""
    return {name: value for name, value in asdict(record).items() if name not in _LATER or value is not None}


def encode_all(records: Sequence[ShardRecord]) -> dict[bytes, bytes]:
    """Several units of one run as Parquet key-value metadata; what they share is there once."""
    each = [_fields(record) for record in records]
    shared = {name: each[0][name] for name in _OF_THE_RUN if name in each[0]}
    shards = [{name: value for name, value in fields.items() if name not in _OF_THE_RUN} for fields in each]
    return {tables.SHARDS_METADATA: json.dumps({**shared, "shards": shards}).encode()}


def shard_records(metadata: dict[bytes, bytes] | None, path: str) -> list[ShardRecord]:
    """What a sample file's metadata says of its units, in the order of their rows.

    Raises:
        TablesError: if it is no sample file of this version. DamagedError: if what it says cannot be read.
    """
    found = metadata or {}
    kinds = {tables.SHARD_METADATA, tables.SHARDS_METADATA} & set(found)
    if found.get(b"dicebeam.schema_version") != tables.SCHEMA_VERSION.encode() or not kinds:
        msg = (
            f"expected a sample file of schema version {tables.SCHEMA_VERSION} at {path}; move it away or "
            "use another run id"
        )
        raise TablesError(msg)
    try:
        fields = json.loads(found[kinds.pop()])
        shards = fields.pop("shards", [{}])
        shared = {**fields, "class_ids": tuple(fields.get("class_ids", ()))}
        return [_record({**shared, **shard}) for shard in shards]
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedError(repairs.damaged(path, f"its metadata cannot be read: {error}")) from error


def check_rows(footer: Footer, records: Sequence[ShardRecord], n_classes: int) -> None:
    """Hold that a sample file has the rows that its metadata says.

    Raises:
        DamagedError: if it has more or less of them.
    """
    unsound = [record for record in records if record.records != record.scored + record.failed]
    if unsound or footer.num_rows != n_classes * sum(record.scored for record in records):
        said = "; ".join(str(record) for record in (unsound or records)[:3])
        why = f"it has {footer.num_rows} rows, but its metadata says {said}"
        raise DamagedError(repairs.damaged(footer.path, why))


def _record(fields: dict[str, Any]) -> ShardRecord:
    part = fields.get("range")
    shared = {name: sys.intern(fields[name]) for name in _OF_THE_RUN if isinstance(fields.get(name), str)}
    fields = {**fields, **shared}  # which a hundred thousand records of a run then have in common
    return ShardRecord(**{**fields, "range": ByteRange(**part) if part else None})
