"""Where the files of a run are, and what a committed sample file says of its units."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ...schemas import partitions, tables
from ...schemas.accounting import Committed, SampleFiles
from ...schemas.errors import ConfigError, TablesError
from ...schemas.files import StoredFile
from ...schemas.shards import ByteRange
from ..runtime import prefetch
from ..storage import filesystems, parquet_files, parquet_reading
from . import config_difference, shard_ranges, shard_records
from .shard_records import ShardRecord

_STEM_LENGTH = 80
_HASH_LENGTH = 32
"""Hexadecimal digits; with fewer, someone could make two paths that share a file, and lose one of them."""
COMPACTED = ".compacted.parquet"
FOOTER_THREADS = 16
"""Reading a footer is waiting, most of all on remote storage."""
_RUN_ID = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tables of a run, or of an analysis, are."""

    output: str
    eval_date: str
    run_id: str

    def folder(self, table: str) -> str:
        """The folder of the rows of a table."""
        return tables.partition(self.output, table, self.eval_date, self.run_id)


@dataclass(frozen=True, slots=True)
class Run(Place):
    """A run and its place. The fingerprints say what made it: files of another config are not mixed in.

    `scoring` is what `config_fingerprint` is of, as JSON, to show what differs.
    """

    config_fingerprint: str
    model_fingerprint: str
    scoring: str = "{}"
    transform_fingerprint: str | None = None


def path_hash(shard_path: str) -> str:
    """What every sample file of a shard has in its name."""
    return hashlib.sha256(shard_path.encode()).hexdigest()[:_HASH_LENGTH]


def file_name(shard_path: str, part: ByteRange | None = None) -> str:
    """Name of the sample file of a shard or a range: readable, and unique by a hash of the whole path and the bytes."""
    suffix = shard_ranges.suffix(part) if part else ""
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", shard_path.rpartition("/")[2])[: _STEM_LENGTH - len(suffix)].lstrip("._")
    return f"{stem}-{path_hash(shard_path)}{suffix}.parquet"


def compacted_name(unit_names: Iterable[str]) -> str:
    """Name of the sample file of several units; the same for the same units, and that of no single one."""
    text = "\0".join(sorted(unit_names))
    return f"part-{hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]}{COMPACTED}"


def is_compacted(name: str) -> bool:
    """Whether a file is one of several units, by its name."""
    return name.endswith(COMPACTED)


def check_same_run(record: ShardRecord, run: Run, path: str) -> None:
    """Refuse a file that another config, model or transform wrote under this run id, and show what differs.

    Raises:
        TablesError: if the fingerprints differ.
    """
    for what in ("config", "model", "transform"):
        theirs, ours = getattr(record, f"{what}_fingerprint"), getattr(run, f"{what}_fingerprint")
        if theirs != ours:
            differs = config_difference.summary(record.scoring, run.scoring) if what == "config" else ""
            then, now = ((found or "none")[:12] for found in (theirs, ours))
            shown = differs or f"it had the fingerprint {then}, now it is {now}"
            msg = (
                f"run {run.run_id!r} was begun with another {what}: {shown} (see {path}). Use another --run-id, "
                f"or the {what} it was begun with"
            )
            raise TablesError(msg)


def read_shard_records(path: str) -> list[ShardRecord]:
    """What a sample file says of its units; of its bytes the last are read, and checked.

    Raises:
        TablesError: if it is no sample file. DamagedError: if it is damaged, or that of another run.
    """
    return shard_records.shard_records(parquet_reading.footer(path).said, path)


def read_shard_record(path: str) -> ShardRecord:
    """What a sample file says of its first unit, which says of the run what all of them say."""
    return read_shard_records(path)[0]


def read_all(paths: Iterable[str]) -> Iterator[tuple[str, list[ShardRecord]]]:
    """What many sample files say of their units, in order."""

    def read(path: str) -> tuple[str, list[ShardRecord]]:
        return path, read_shard_records(path)

    return prefetch.ordered_map(read, paths, threads=FOOTER_THREADS, ahead=4 * FOOTER_THREADS, name="footers")


def committed(path: str, run: Run, n_classes: int) -> list[Committed]:
    """The accounting of the units of a committed sample file.

    Raises:
        TablesError: if another config wrote it. DamagedError: if its rows are not what its metadata says.
    """
    footer = parquet_reading.footer(path)
    records = shard_records.shard_records(footer.said, path)
    for record in records:
        check_same_run(record, run, path)
    shard_records.check_rows(footer, records, n_classes)
    return accounts(records, path)


def accounts(records: Iterable[ShardRecord], path: str) -> list[Committed]:
    """What the records of a sample file say of its units."""
    return [
        Committed(
            shard=record.shard,
            path=path,
            records=record.records,
            scored=record.scored,
            failed=record.failed,
            cut_short=record.cut_short,
            size_bytes=record.size_bytes,
            range=record.range,
        )
        for record in records
    ]


def list_samples(run: Place) -> SampleFiles:
    """The committed sample files of a run. Only those of several units are looked into.

    Raises:
        TablesError: if two files share a part of their units, which nothing here makes.
    """
    found = listed(run)
    held = {
        name: [file_name(r.shard, r.range) for r in read_shard_records(file.path)] if is_compacted(name) else [name]
        for name, file in found.items()
    }
    holders: dict[str, str] = {}
    for name in sorted(held, key=lambda name: len(held[name]), reverse=True):
        already = [shard for shard in held[name] if shard in holders]
        if not already:
            holders.update(dict.fromkeys(held[name], name))
        elif len(already) < len(held[name]):
            msg = f"{found[name].path} and {holders[already[0]]} beside it share shards; delete one, and evaluate again"
            raise TablesError(msg)
    counting = set(holders.values())
    files = {name: file for name, file in found.items() if name in counting}
    return SampleFiles(files, holders, tuple(file.path for name, file in found.items() if name not in counting))


def listed(run: Place) -> dict[str, StoredFile]:
    """Every file below the samples of a run, by name."""
    return {file.path.rpartition("/")[2]: file for file in filesystems.below(run.folder("samples"), "*.parquet")}


def sample_files(run: Place) -> dict[str, StoredFile]:
    """The committed sample files of a run that count, by name."""
    return dict(list_samples(run).files)


def sample_paths(run: Place) -> Iterator[str]:
    """Paths of the committed sample files of a run."""
    return (file.path for file in sample_files(run).values())


def check_run_id(run_id: str) -> str:
    """The run id, if it can name a partition.

    Raises:
        ConfigError: if it does not begin with a letter (readers turn `20261123` into a number), or has characters
            that mean something in a path.
    """
    if not _RUN_ID.fullmatch(run_id):
        msg = f"--run-id: expected a letter and then letters, digits, '_', '.' or '-', but got {run_id!r}"
        raise ConfigError(msg)
    return run_id


def find_eval_date(output: str, run_id: str) -> str | None:
    """The date under which samples or the row of a run stand, None if neither does; TablesError if there are two."""
    files = f"eval_date=*/run_id={run_id}/"
    patterns = (f"samples/{files}*.parquet", f"runs/{files}*", f"runs/{files}.*")
    dates = {partitions.of_path(file.path)[0] for each in patterns for file in filesystems.below(output, each)}
    if len(dates) > 1:
        raise TablesError(partitions.under_two_dates(run_id, dates, output))
    return dates.pop() if dates else None


def write_table(table: pa.Table, place: Place, name: str, file: str, said: Mapping[bytes, bytes] | None = None) -> str:
    """Write a whole table of a run or an analysis as one file, committed when it is whole; returns its path.

    Args:
        table: the rows.
        place: of the run or the analysis.
        name: of the table.
        file: name of the file.
        said: what its metadata say beside the run id.
    """
    return write_tables([table], tables.with_metadata(table.schema, place.run_id, said), place, name, file)


def write_tables(parts: Iterable[pa.Table], schema: pa.Schema, place: Place, name: str, file: str) -> str:
    """Write a table that comes in parts as one file, committed when it is whole; returns its path."""
    path = f"{place.folder(name)}/{file}"
    schema = tables.with_metadata(schema, place.run_id, schema.metadata, name)
    with filesystems.committing(path) as out, parquet_files.writer(out, schema) as writer:
        for group in parquet_files.in_groups(part.replace_schema_metadata(schema.metadata) for part in parts):
            writer.write_table(group)
    return path


def new_run_id(now: datetime) -> str:
    """`r`, UTC time, and four random characters for runs of the same second."""
    return f"r{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
