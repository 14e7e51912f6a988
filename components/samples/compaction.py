"""Compaction: the many sample files of a finished run to few, with their lineage, and its failures files likewise.

Readers of finished runs see every row once at any moment, because the `runs` row is aside meanwhile. The moment that
counts is the rename of a merged sample file: before it the originals hold the shards, after it they are leftovers.
Whatever kills it, the same command, `evaluate` or `summarize` resumes from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from ...schemas import tables
from ...schemas.errors import UnfinishedRunError
from ...schemas.files import StoredFile
from ..runs import run_files, runs_row, shard_ranges, superseded_files, unit_failures
from ..runs.run_files import Place, Run
from ..runs.shard_records import ShardRecord, encode_all
from ..storage import filesystems, parquet_files, parquet_reading
from . import merged_rows
from .merged_rows import Part

ROWS_A_FILE = 1 << 21
"""80 to 110 MB."""


@dataclass(frozen=True, slots=True)
class Source:
    """A sample file and its units, in the order of their rows."""

    path: str
    records: tuple[ShardRecord, ...]

    @property
    def rows(self) -> int:
        """Rows of samples."""
        return sum(_rows(record) for record in self.records)


@dataclass(frozen=True, slots=True)
class Compacted:
    """The sample files of a run before and after."""

    before: tuple[StoredFile, ...]
    after: tuple[StoredFile, ...]


def groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Which files become one, those of neighbouring units; a file that stays as it is is in none.

    It goes by rows, which merging does not change, so that compacting again changes nothing.
    """
    found: list[list[Source]] = []
    rows = 0
    for source in sorted(sources, key=lambda source: shard_ranges.order(source.records[0])):
        if not found or rows + source.rows > ROWS_A_FILE:
            found.append([])
            rows = 0
        found[-1].append(source)
        rows += source.rows
    return [group for group in found if len(group) > 1]


def compact(run: Place) -> Compacted:
    """Merge the files of a finished run, or resume where that was interrupted.

    Args:
        run: where it is.

    Raises:
        UnfinishedRunError: if the run has no `runs` row, or not the samples that the row counts.
        TablesError: if a file is not what its metadata says.
    """
    sources = _sources(run)
    _check_finished(run, sources)
    before = tuple(run_files.listed(run).values())
    todo = groups(sources)
    if todo or superseded_files.find(run):
        runs_row.set_aside(run)
        superseded_files.delete(run)
        for group in todo:
            _merge(run, group)
    runs_row.put_back(run)
    return Compacted(before, tuple(run_files.listed(run).values()))


def _sources(run: Place) -> list[Source]:
    return [Source(path, tuple(records)) for path, records in run_files.read_all(run_files.sample_paths(run))]


def _check_finished(run: Place, sources: Sequence[Source]) -> None:
    row = runs_row.read(run) if runs_row.stands(run) else None
    if row is None:
        msg = f"run {run.run_id!r} is not finished: it has no row in `runs`, so its files may still change"
        raise UnfinishedRunError(msg)
    records = [record for source in sources for record in source.records]
    there = {"shards": shard_ranges.count_whole(records)} | {
        name: sum(getattr(record, name) for record in records) for name in ("records", "scored", "failed")
    }
    wrong = {name: count for name, count in there.items() if count != row[name]}
    if wrong:
        expected = {name: row[name] for name in wrong}
        msg = f"run {run.run_id!r} is not finished: `runs` says {expected}, but its sample files have {wrong}"
        raise UnfinishedRunError(msg)


def _merge(run: Place, sources: Sequence[Source]) -> None:
    """One file of samples and one of failures in the place of many; failures first, as everywhere."""
    held = (replace(record, failures=None) for source in sources for record in source.records)
    records = sorted(held, key=shard_ranges.order)
    _check_sources(run, sources, records[0])
    name = run_files.compacted_name([record.unit_name for record in records])
    pairs = [unit_failures.pair(run, source.path, source.records) for source in sources]
    failures = [pair.failures for pair in pairs if pair]
    if failures:
        parts = [
            Part(pair.failures, tuple((shard_ranges.order(record), record.failed) for record in source.records))
            for pair, source in zip(pairs, sources, strict=True)
            if pair
        ]
        schema = tables.with_metadata(tables.FAILURES, run.run_id, table="failures")
        _write(f"{run.folder('failures')}/{name}", schema, parts, tables.FAILURES_ORDER, records)
    parts = [Part(source.path, tuple((shard_ranges.order(r), _rows(r)) for r in source.records)) for source in sources]
    merged = f"{run.folder('samples')}/{name}"
    schema = tables.with_metadata(parquet_reading.footer(sources[0].path).schema, run.run_id, table="samples")
    _write(merged, schema, parts, tables.SAMPLES_ORDER, records)
    _check_sources(run, [Source(merged, tuple(records))], records[0])
    for path in (*(source.path for source in sources), *failures):
        filesystems.delete(path)


def _check_sources(run: Place, sources: Sequence[Source], record: ShardRecord) -> None:
    """Hold that files have the rows they say, and are of one config, model and transform."""
    names = ("config_fingerprint", "model_fingerprint", "scoring", "transform_fingerprint")
    fingerprints = {name: getattr(record, name) for name in names}
    scored_by = Run(run.output, run.eval_date, run.run_id, **fingerprints)
    for source in sources:
        run_files.committed(source.path, scored_by, len(record.class_ids))


def _write(
    path: str,
    schema: pa.Schema,
    parts: Sequence[Part],
    order: Sequence[str],
    records: Sequence[ShardRecord],
) -> None:
    rows = merged_rows.in_shard_order(parts, schema.names)
    with filesystems.committing(path) as out, parquet_files.writer(out, schema, order) as writer:
        for group in parquet_files.in_groups(rows):
            writer.write_table(group.sort_by([(name, "ascending") for name in order]))  # failures may need it
        writer.add_key_value_metadata(encode_all(records))


def _rows(record: ShardRecord) -> int:
    return record.scored * len(record.class_ids)
