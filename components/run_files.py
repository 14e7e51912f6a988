"""Where the files of a run are, and what a committed sample file says of its shard."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from components import filesystems
from schemas import tables
from schemas.errors import ReportError
from schemas.records import Committed, Shard

_STEM_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Run:
    """A run and its place. The fingerprints say what made it: files of another config are not mixed in."""

    output: str
    eval_date: str
    run_id: str
    config_fingerprint: str
    model_fingerprint: str

    def folder(self, table: str) -> str:
        """Folder of this run's rows of a table."""
        return tables.partition(self.output, table, self.eval_date, self.run_id)


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The accounting of one shard, kept in the metadata of its sample file."""

    shard: str
    size_bytes: int
    records: int
    scored: int
    failed: int
    config_fingerprint: str
    model_fingerprint: str
    cut_short: bool = False

    def encode(self) -> dict[bytes, bytes]:
        """As Parquet key-value metadata."""
        return {tables.SHARD_METADATA: json.dumps(asdict(self)).encode()}


def file_name(shard_path: str) -> str:
    """Name of the sample file of a shard: readable, and unique by a hash of the whole path."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", shard_path.rpartition("/")[2])[:_STEM_LENGTH].lstrip("._")
    return f"{stem}-{hashlib.sha256(shard_path.encode()).hexdigest()[:12]}.parquet"


def shard_record(metadata: dict[bytes, bytes] | None, path: str) -> ShardRecord:
    """What a sample file's metadata says.

    Raises:
        ReportError: if it is no sample file of this version.
    """
    found = metadata or {}
    if found.get(b"dicebeam.schema_version") != tables.SCHEMA_VERSION.encode() or tables.SHARD_METADATA not in found:
        msg = (
            f"expected a sample file of schema version {tables.SCHEMA_VERSION} at {path}; move it away or "
            "use another run id"
        )
        raise ReportError(msg)
    return ShardRecord(**json.loads(found[tables.SHARD_METADATA]))


def check_same_run(record: ShardRecord, run: Run, path: str) -> None:
    """Refuse a file that another config or model wrote under this run id.

    Raises:
        ReportError: if the fingerprints differ.
    """
    for what in ("config", "model"):
        theirs, ours = getattr(record, f"{what}_fingerprint"), getattr(run, f"{what}_fingerprint")
        if theirs != ours:
            msg = (
                f"run {run.run_id!r} was begun with another {what}: {path} has the fingerprint {theirs[:12]}, "
                f"now it is {ours[:12]}. Use another --run-id, or the {what} it was begun with"
            )
            raise ReportError(msg)


def read_shard_record(path: str) -> ShardRecord:
    """What a sample file says of its shard.

    Raises:
        ReportError: if it is no sample file.
    """
    return shard_record(_metadata(path).metadata, path)


def _metadata(path: str) -> pq.FileMetaData:
    try:
        with filesystems.reading(path) as file:
            metadata: pq.FileMetaData = pq.ParquetFile(file).metadata
    except pa.ArrowInvalid as error:
        msg = f"expected a sample file at {path}, but it is no Parquet file: {error}; delete it and run again"
        raise ReportError(msg) from error
    return metadata


def committed(path: str, run: Run, n_classes: int) -> Committed:
    """The accounting of a committed sample file.

    Raises:
        ReportError: if its rows are not what its metadata says, or another config wrote it.
    """
    metadata = _metadata(path)
    record, rows = shard_record(metadata.metadata, path), metadata.num_rows
    check_same_run(record, run, path)
    if rows != record.scored * n_classes or record.records != record.scored + record.failed:
        msg = f"{path} has {rows} rows, but its metadata says {record}; delete the file and run again"
        raise ReportError(msg)
    return Committed(record.shard, path, record.records, record.scored, record.failed, record.cut_short)


def sample_files(run: Run) -> dict[str, Shard]:
    """The committed sample files of a run, by name."""
    return {shard.path.rpartition("/")[2]: shard for shard in filesystems.below(run.folder("samples"), "*.parquet")}


def find_eval_date(output: str, run_id: str) -> str | None:
    """The date under which a run id stands already, None if it does not."""
    files = filesystems.below(f"{output.rstrip('/')}/samples", f"eval_date=*/run_id={run_id}/*.parquet")
    dates = {shard.path.split("/")[-3].removeprefix("eval_date=") for shard in files}
    if len(dates) > 1:
        msg = f"run {run_id!r} is there under several dates, {sorted(dates)}; use another --run-id"
        raise ReportError(msg)
    return dates.pop() if dates else None


def write_table(table: pa.Table, run: Run, name: str, file: str) -> str:
    """Write a whole table of a run as one file, committed by rename; returns its path."""
    path = f"{run.folder(name)}/{file}"
    with filesystems.committing(path) as out:
        pq.write_table(
            table.replace_schema_metadata(tables.with_metadata(table.schema, run.run_id).metadata),
            out,
            compression=tables.COMPRESSION,
        )
    return path
