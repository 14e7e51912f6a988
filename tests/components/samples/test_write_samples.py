"""One file a shard, committed by rename when it is whole, in record order; nothing else stays behind."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dicebeam.components.runs import run_files
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.runtime import progress_counts
from dicebeam.components.samples import unit_commit, write_samples
from dicebeam.components.samples.write_samples import ShardFiles, WriteSettings, _WriteShards
from dicebeam.schemas import tables
from dicebeam.schemas.errors import StorageError, TablesError
from dicebeam.schemas.records import Failure, Lineage, Progress, SampleKey, ScoredBatch
from dicebeam.schemas.shards import Shard
from tests.support.builders import sums_of

SHARD = Shard("/data/a.tfrecord", 500)


@pytest.fixture
def settings(tmp_path):
    run = Run(str(tmp_path / "out"), "2026-11-23", "r1", "cfg", "mdl")
    return WriteSettings(run, ("a", "b"), (0, 1), ("site",))


def batch(index, records=(), failed=(), done=None, pending=0, shard=SHARD):
    """Scored records, failed ones, and for the last batch the number of all."""
    keys = tuple(SampleKey(Lineage(shard.path, r, 10 * r), f"id{r}", ("north",)) for r in records)
    sums = sums_of([[r, 1] for r in records], [[r, 1] for r in records], [[r, 1] for r in records]) if records else None
    failures = tuple(Failure(Lineage(shard.path, r, 10 * r), None, "read", "E", "no") for r in failed)
    return ScoredBatch(shard, index, keys, sums, failures, Progress(done or 0, 77, pending, done is not None))


def files_below(settings, table="samples"):
    folder = Path(settings.run.folder(table))
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def final_names(settings):
    return [n for table in ("samples", "failures") for n in files_below(settings, table) if n.endswith(".parquet")]


def read(settings, table="samples"):
    (name,) = files_below(settings, table)
    return pq.read_table(f"{settings.run.folder(table)}/{name}", partitioning=None)


def write(settings, *batches):
    files = ShardFiles(SHARD, settings)
    outcomes = [files.add(b) for b in batches]
    assert outcomes[:-1] == [None] * (len(batches) - 1)
    return outcomes[-1]


def test_a_shard_in_two_batches(settings):
    committed = write(settings, batch(0, [0, 1]), batch(1, [2], done=3))
    assert (committed.shard, committed.records, committed.scored, committed.failed) == (SHARD.path, 3, 3, 0)
    table = read(settings)
    assert table.column("record").to_pylist() == [0, 0, 1, 1, 2, 2]
    assert table.column("true_positives").to_pylist() == [0, 1, 1, 1, 2, 1]
    assert table.schema.names == tables.samples_schema(["site"]).names
    assert committed.path.endswith(run_files.file_name(SHARD.path))


def test_the_file_says_what_it_is_of(settings):
    committed = write(settings, batch(0, [0], [1], done=2))
    record = run_files.read_shard_record(committed.path)
    (failures,) = files_below(settings, "failures")
    assert record == ShardRecord(SHARD.path, 500, 2, 1, 1, "cfg", "mdl", class_ids=(0, 1), failures=failures)
    assert [c.scored for c in run_files.committed(committed.path, settings.run, 2)] == [1]


def test_nothing_is_under_a_final_name_before_the_end(settings):
    files = ShardFiles(SHARD, settings)
    files.add(batch(0, [0], [1]))
    assert final_names(settings) == []
    assert len(files_below(settings)) == 1  # the temporary file
    files.add(batch(1, [2], done=3))
    assert len(final_names(settings)) == 2
    assert [*files_below(settings), *files_below(settings, "failures")] == final_names(settings)


@pytest.mark.parametrize("rows_a_group", [1, 4, 1 << 17])
def test_rows_are_in_record_order_whatever_order_the_batches_come_in(settings, monkeypatch, rows_a_group):
    monkeypatch.setattr(write_samples, "ROWS_A_GROUP", rows_a_group)
    write(
        settings,
        batch(0, [1, 3], pending=0),
        batch(1, [5, 7], pending=0),
        batch(2, [0, 2], [4], pending=6),
        batch(3, [6], done=8, pending=8),
    )
    assert read(settings).column("record").to_pylist() == sorted([0, 1, 2, 3, 5, 6, 7] * 2)


def test_many_row_groups(settings, monkeypatch):
    monkeypatch.setattr(write_samples, "ROWS_A_GROUP", 4)
    batches = [batch(i, [2 * i, 2 * i + 1], pending=2 * i + 2) for i in range(5)]
    write(settings, *batches, batch(5, done=10, pending=10))
    (name,) = files_below(settings)
    assert pq.ParquetFile(f"{settings.run.folder('samples')}/{name}").num_row_groups == 5


def test_long_ids_make_small_row_groups(settings, monkeypatch):
    monkeypatch.setattr(write_samples, "TEXT_A_GROUP", 1000)
    batches = [batch(i, [2 * i, 2 * i + 1], pending=2 * i + 2) for i in range(5)]
    long = [replace(b, keys=tuple(replace(key, sample_id="x" * 125) for key in b.keys)) for b in batches]
    write(settings, *long, batch(5, done=10, pending=10))
    (name,) = files_below(settings)
    file = pq.ParquetFile(f"{settings.run.folder('samples')}/{name}")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [8, 8, 4]


def test_failures_are_in_record_order_in_many_groups(settings, monkeypatch):
    monkeypatch.setattr(write_samples, "FAILURES_A_GROUP", 2)
    write(settings, batch(0, [0], [2, 1]), batch(1, [], [4, 3]), batch(2, [], [5], done=6))
    assert read(settings, "failures").column("record").to_pylist() == [1, 2, 3, 4, 5]


def test_an_empty_shard_has_an_empty_file(settings):
    committed = write(settings, batch(0, done=0))
    assert (committed.records, committed.scored) == (0, 0)
    assert read(settings).num_rows == 0
    assert files_below(settings, "failures") == []


def test_a_shard_of_failures_only(settings):
    committed = write(settings, batch(0, [], [0, 1], done=2))
    assert (committed.scored, committed.failed) == (0, 2)
    assert read(settings).num_rows == 0
    assert read(settings, "failures").num_rows == 2


def test_failures_are_committed_before_samples(settings, monkeypatch):
    order = []
    commit = unit_commit.NewTable.commit

    def noted(file, path):
        order.append(len(final_names(settings)))
        return commit(file, path)

    monkeypatch.setattr(unit_commit.NewTable, "commit", noted)
    write(settings, batch(0, [0], [1], done=2))
    assert order == [0, 1]
    assert len(files_below(settings, "failures")) == len(files_below(settings)) == 1


def test_a_commit_that_fails_leaves_the_shard_to_be_done_again(settings, monkeypatch):
    files = ShardFiles(SHARD, settings)
    full = OSError(errno.ENOSPC, "disk full")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(StorageError, match="parquet cannot be written: disk full"):
        files.add(batch(0, [0], done=1))
    files.abort()
    assert files_below(settings) == []


def test_long_ids_of_failures_make_small_row_groups(settings, monkeypatch):
    monkeypatch.setattr(write_samples, "FAILURE_TEXT_A_GROUP", 1000)
    some = batch(0, [], range(5)).failures
    files = ShardFiles(SHARD, settings)
    for i, failure in enumerate(some):
        long = replace(batch(i, done=5 if i == 4 else None), failures=(replace(failure, sample_id="x" * 499),))
        files.add(long)
    (name,) = files_below(settings, "failures")
    file = pq.ParquetFile(f"{settings.run.folder('failures')}/{name}")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 2, 1]
    assert read(settings, "failures").column("sample_id").to_pylist() == ["x" * 499] * 5


def test_a_missing_batch(settings):
    files = ShardFiles(SHARD, settings)
    files.add(batch(0, [0]))
    with pytest.raises(
        TablesError, match=r"shard /data/a\.tfrecord: expected its batch 1, but got 2\. The runner split the"
    ):
        files.add(batch(2, [1]))
    files.abort()


@pytest.mark.parametrize("records", [1, 3])
def test_records_that_do_not_add_up(settings, records):
    files = ShardFiles(SHARD, settings)
    with pytest.raises(TablesError, match=f"{records} records were read, but 1 scored and 1 failed"):
        files.add(batch(0, [0], [1], done=records))
    files.abort()
    assert files_below(settings) == []


# the DoFn


def process(dofn, *batches):
    return [committed for b in batches for committed in dofn.process(b)]


def test_shards_of_one_bundle_may_be_interleaved(settings):
    dofn, other = _WriteShards(settings), Shard("/data/b.tfrecord", 5)
    dofn.start_bundle()
    found = process(
        dofn, batch(0, [0]), batch(0, [0], shard=other), batch(1, [1], done=2), batch(1, done=1, shard=other)
    )
    dofn.finish_bundle()
    assert [c.shard for c in found] == [SHARD.path, other.path]
    assert len(final_names(settings)) == 2


def test_a_bundle_that_ends_in_the_middle_of_a_shard(settings):
    dofn = _WriteShards(settings)
    dofn.start_bundle()
    process(dofn, batch(0, [0], [1]))
    with pytest.raises(
        TablesError, match=r"ended a bundle in the middle of /data/a\.tfrecord; give resource hints to the wh"
    ):
        dofn.finish_bundle()
    assert files_below(settings) == []
    assert files_below(settings, "failures") == []


def test_a_bundle_that_begins_in_the_middle_of_a_shard(settings):
    dofn = _WriteShards(settings)
    dofn.start_bundle()
    with pytest.raises(TablesError, match="expected its batch 0, but got 1"):
        process(dofn, batch(1, [1], done=2))
    dofn.teardown()
    assert final_names(settings) == files_below(settings) == []


def test_many_split_shards_are_counted(settings):
    dofn = _WriteShards(settings)
    process(dofn, *(batch(0, [0], shard=Shard(f"/s{i}", 1)) for i in range(5)))
    with pytest.raises(TablesError, match="in the middle of /s0, /s1, /s2 and 2 more; "):
        dofn.finish_bundle()


def test_a_failed_bundle_does_not_leak_into_the_next(settings):
    dofn = _WriteShards(settings)
    dofn.start_bundle()
    process(dofn, batch(0, [0]))
    dofn.start_bundle()  # the runner tries again
    (committed,) = process(dofn, batch(0, [0]), batch(1, [1], done=2))
    dofn.finish_bundle()
    assert committed.scored == 2
    assert len(files_below(settings)) == 1


def test_the_progress_counts_follow(settings):
    progress_counts.reset()
    dofn = _WriteShards(settings)
    process(dofn, batch(0, [0], [1]))
    counts = progress_counts.snapshot()
    assert (counts.scored, counts.failed, counts.bytes_read) == (1, 1, {SHARD.path: 77})
    process(dofn, batch(1, [2], done=3))
    assert (progress_counts.snapshot().units_done, progress_counts.snapshot().bytes_read) == (1, {SHARD.path: 500})
