"""What is said while a run goes on."""

import dataclasses
import io
import threading
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from dicebeam.components.runs import run_files, shard_records
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.runtime import progress_counts
from dicebeam.pipeline.console import progress
from dicebeam.pipeline.console.progress import Snapshot
from dicebeam.pipeline.runner import options
from dicebeam.schemas import tables
from dicebeam.schemas.shards import Shard

SHARDS = (Shard("/d/a", 100), Shard("/d/b", 300))


@pytest.fixture(autouse=True)
def _fresh():
    progress_counts.reset()


@pytest.fixture
def plan(tmp_path):
    run = Run(str(tmp_path), "2026-11-23", "r1", "c", "m")
    return SimpleNamespace(run=run, shards=SHARDS, options=options.pipeline_options([]))


def commit(run, shard, scored=5, failed=1):
    record = ShardRecord(shard.path, shard.size_bytes, scored + failed, scored, failed, "c", "m")
    table = tables.samples_schema([]).empty_table()
    path = f"{run.folder('samples')}/{run_files.file_name(shard.path)}"
    with run_files.filesystems.committing(path) as out:
        metadata = tables.with_metadata(table.schema, run.run_id, record.encode()).metadata
        pq.write_table(table.replace_schema_metadata(metadata), out)


def test_a_line_of_a_log():
    text = progress.line(Snapshot(1500, 0, 50, 1), 200, 0, 60.0)
    assert text == "dicebeam: 1,500 samples scored, 25.0 a second, 25% of the bytes, about 3 min left"


def test_failures_are_said():
    assert "10 samples scored, 1,234 failed, " in progress.line(Snapshot(10, 1234, 50, 1), 200, 0, 60.0)


def test_time_left_is_judged_by_what_this_attempt_has_read():
    assert progress.line(Snapshot(10, 0, 150, 1), 200, 100, 60.0).endswith("75% of the bytes, about 1 min left")


@pytest.mark.parametrize(("read", "already"), [(0, 0), (100, 100)])
def test_no_time_is_left_to_say_before_anything_is_read(read, already):
    assert "left" not in progress.line(Snapshot(0, 0, read, 0), 200, already, 60.0)


def test_a_run_without_bytes():
    assert "0% of the bytes" in progress.line(Snapshot(0, 0, 0, 0), 0, 0, 60.0)


def test_progress_in_this_process(plan):
    look = progress.in_process(plan, already=40)
    progress_counts.add("/d/a", 60, 7, 2)
    assert look() == Snapshot(7, 2, 100, 0)


def test_a_gzip_shard_is_never_more_than_read(plan):
    look = progress.in_process(plan, already=0)
    progress_counts.add("/d/a", 100_000, 7, 0)  # uncompressed bytes
    assert look().bytes_read == 100


def test_progress_by_files(plan):
    look = progress.by_files(plan)
    assert look() == Snapshot(0, 0, 0, 0)
    commit(plan.run, SHARDS[0])
    commit(plan.run, SHARDS[1], scored=2, failed=0)
    assert look() == Snapshot(7, 1, 400, 2)
    assert look() == Snapshot(7, 1, 400, 2)


def test_files_of_an_earlier_attempt_count_as_bytes_only(plan):
    commit(plan.run, SHARDS[0])
    look = progress.by_files(plan)
    commit(plan.run, SHARDS[1], scored=2, failed=0)
    assert look() == Snapshot(2, 0, 400, 1)


def watchers():
    return [
        t for t in threading.enumerate() if (t.name.startswith(("Thread-",)) and "_bar" in t.name) or "_lines" in t.name
    ]


def test_a_log_is_quiet_for_the_first_minute(plan, capsys):
    out = io.StringIO()
    with progress.shown(plan, Console(file=out)):
        assert watchers()
    assert (out.getvalue(), *capsys.readouterr()) == ("", "", "")
    assert not watchers()


def test_a_log_has_a_line_a_minute(plan, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.02)
    progress_counts.add("/d/a", 100, 7, 0)
    with progress.shown(plan, Console(file=io.StringIO())):
        threading.Event().wait(0.1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("dicebeam: 7 samples scored, ") and "25% of the bytes" in line for line in lines)


def test_a_terminal_has_a_bar_that_goes_away(plan, monkeypatch):
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.01)
    out = io.StringIO()
    progress_counts.add("/d/a", 100, 7, 3)
    with progress.shown(plan, Console(file=out, force_terminal=True, width=120)):
        threading.Event().wait(0.3)
    assert "evaluating, 3 failed" in out.getvalue()
    assert "7 samples" in out.getvalue()
    assert not watchers()


def fail_while_shown(plan):
    with progress.shown(plan, Console(file=io.StringIO())):
        raise ZeroDivisionError


def test_the_thread_ends_where_the_run_fails(plan):
    with pytest.raises(ZeroDivisionError):
        fail_while_shown(plan)
    assert not watchers()


def test_workers_elsewhere_are_watched_by_their_files(plan, monkeypatch):
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    elsewhere = SimpleNamespace(**{**vars(plan), "options": options.pipeline_options(flags)})
    seen = []
    monkeypatch.setattr(progress, "by_files", lambda p: seen.append(p) or (lambda: Snapshot(0, 0, 0, 0)))
    with progress.shown(elsewhere, Console(file=io.StringIO())):
        pass
    assert seen == [elsewhere]


def test_snapshots_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Snapshot(0, 0, 0, 0).scored = 1


def test_shards_in_a_merged_file_were_committed_before(plan):
    records = [ShardRecord(shard.path, shard.size_bytes, 6, 5, 1, "c", "m") for shard in SHARDS[:2]]
    schema = tables.with_metadata(tables.samples_schema([]), plan.run.run_id, shard_records.encode_all(records))
    path = f"{plan.run.folder('samples')}/{run_files.compacted_name(shard.path for shard in SHARDS[:2])}"
    with run_files.filesystems.committing(path) as out:
        pq.write_table(schema.empty_table(), out)
    look = progress.by_files(plan)
    assert look() == Snapshot(0, 0, sum(shard.size_bytes for shard in SHARDS[:2]), 0)
