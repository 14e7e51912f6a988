"""Attempts at the units of a run, one in the midst of another, without a model: what each scored and what failed."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dicebeam.components.reading import find_shards
from dicebeam.components.runs import accounting, run_files, runs_row
from dicebeam.components.runs.run_files import Run
from dicebeam.components.samples.unit_commit import NewTable
from dicebeam.components.samples.write_samples import ShardFiles, WriteSettings
from dicebeam.components.summary import write_tables
from dicebeam.components.summary.write_tables import Counted, TableSettings
from dicebeam.schemas.accounting import Committed, FileSums
from dicebeam.schemas.records import Failure, Lineage, Progress, SampleKey, ScoredBatch
from dicebeam.schemas.shards import Shard
from tests.support import memory_storage
from tests.support.builders import sums_of

RECORDS = 2


class Killed(BaseException):
    """The process is gone: nothing cleans up after it."""


def begun(where: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run without files, on a disk or in a bucket."""
    if where == "bucket":
        memory_storage.install(monkeypatch)
    return Run("gs://bucket/out" if where == "bucket" else f"{folder}/out", "2026-11-23", "r1", "c", "m")


def batch(shard: Shard, failed: Collection[int], records: int = RECORDS) -> ScoredBatch:
    """All records of a shard, of which some failed."""
    scored = [record for record in range(records) if record not in failed]
    counts = [[record + 1, 1] for record in scored]
    return ScoredBatch(
        shard,
        0,
        tuple(SampleKey(Lineage(shard.path, record, 0), f"{shard.path}#{record}", ()) for record in scored),
        sums_of(counts, counts, counts) if scored else None,
        tuple(Failure(Lineage(shard.path, record, 0), None, "model", "E", "no") for record in sorted(failed)),
        Progress(records, shard.size_bytes, records, done=True),
    )


def score(run: Run, shard: Shard, failed: Collection[int] = (), records: int = RECORDS) -> Committed:
    """An attempt at a shard as far as its commit."""
    committed = ShardFiles(shard, WriteSettings(run, ("a", "b"), (0, 1), ())).add(batch(shard, failed, records))
    assert committed is not None
    return committed


def write(run: Run, seen: str | None, shards: int, config: str = "{}") -> str:
    """The end of an attempt: the tables of what is committed, and the row."""
    files = [run_files.committed(path, run, 2) for path in run_files.sample_paths(run)]
    totals = accounting.add_totals(accounting.totals_of(unit) for file in files for unit in file)
    settings = TableSettings(run, 1.0, config, "m", "{}", "here", datetime.now(UTC), seen=seen)
    return write_tables.write(settings, Counted(FileSums(totals), shards, totals.scored, 0), [])


def find(run: Run, shards: Collection[Shard], seen: str | None) -> list[Shard]:
    """The beginning of an attempt: what it is to score."""
    stage = find_shards._FindShards(run, find_shards.listing(list(shards)), seen)
    found = list(stage.process(tuple(shard.path for shard in shards)))
    return [each.shard for each in found if hasattr(each, "shard")]


def evaluate(run: Run, shards: Collection[Shard], failed: Collection[int] = ()) -> str:
    """A whole attempt, in which the same records of every shard fail."""
    seen = runs_row.identity(run)
    for shard in find(run, shards, seen):
        score(run, shard, failed)
    return write(run, seen, len(shards))


@contextmanager
def stopped_at(place: int, action: Callable[[], Any]) -> Iterator[None]:
    """Do something when so many files of units have got their names, before the next one gets its."""
    real, count = NewTable.commit, 0

    def commit(table: NewTable, path: str) -> bool:
        nonlocal count
        count += 1
        if count - 1 == place:
            patch.undo()
            action()
        return real(table, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NewTable, "commit", commit)
        yield


def kill() -> None:
    """What ends an attempt."""
    raise Killed


def visible(run: Run, table: str) -> list[dict[str, Any]]:
    """Every row that a reader of `*.parquet` sees."""
    paths = [path for path in sorted(Path(run.folder(table)).glob("*.parquet")) if not path.name.startswith(".")]
    return [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]


def records(run: Run, table: str) -> list[tuple[str, int]]:
    """Shard and record of every sample or failure that a reader sees."""
    once = [row for row in visible(run, table) if row.get("class_id", 0) == 0]
    return sorted((row["shard"], row["record"]) for row in once)
