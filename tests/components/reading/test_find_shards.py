"""Globs to shards, and which of them a run has scored already."""

import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dicebeam.components.reading import find_shards
from dicebeam.components.runs import run_files
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.storage import filesystems
from dicebeam.schemas import tables
from dicebeam.schemas.errors import ConfigError, StorageError, TablesError
from dicebeam.schemas.shards import ByteRange, OpenShard, Shard


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"123")


def names(found):
    return [shard.path.rpartition("/")[2] for shard in found]


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "out"), "2026-11-23", "r1", "c", "m")


SIZES = {"a": 1, "b": 2}


def commit(run, shard_path, part=None):
    size = SIZES.get(shard_path.rpartition("/")[2], 3)
    record = ShardRecord(shard_path, size, 0, 0, 0, run.config_fingerprint, run.model_fingerprint, range=part)
    schema = tables.with_metadata(tables.samples_schema([]), run.run_id, record.encode())
    path = f"{run.folder('samples')}/{run_files.file_name(shard_path, part)}"
    with filesystems.committing(path) as file:
        pq.write_table(schema.empty_table(), file)


def test_shards_are_sorted(tmp_path):
    touch(tmp_path, "b.x", "a.x", "c.y")
    found = find_shards.find([f"{tmp_path}/*.x"])
    assert found == [Shard(f"{tmp_path}/a.x", 3), Shard(f"{tmp_path}/b.x", 3)]


def test_a_shard_that_two_patterns_match_is_there_once(tmp_path):
    touch(tmp_path, "a.x", "b.x")
    assert names(find_shards.find([f"{tmp_path}/b*", f"{tmp_path}/*.x", f"{tmp_path}/a.x"])) == ["a.x", "b.x"]


def test_a_pattern_that_matches_nothing_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "a.x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"examples: no file matches 'b\*\.x' \(looked for {tmp_path}/b\*\.x\)"):
        find_shards.find(["a.x", "b*.x"])


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.x"))).write_bytes(b"1")
    with pytest.raises(
        ConfigError, match=r"examples: expected names in UTF-8, but got b'.*/a\\xff\.x'; rename the file"
    ):
        find_shards.find([f"{tmp_path}/*.x"])


def test_a_new_run_has_everything_to_do(run):
    found = [Shard("/d/a", 1), Shard("/d/b", 2)]
    assert find_shards.split(found, run) == (found, [])


def test_committed_shards_are_not_done_again(run):
    commit(run, "/d/b")
    missing, committed = find_shards.split([Shard("/d/a", 1), Shard("/d/b", 2)], run)
    assert names(missing) == ["a"]
    assert committed == [f"{run.folder('samples')}/{run_files.file_name('/d/b')}"]


def test_a_finished_run_has_nothing_to_do(run):
    commit(run, "/d/a")
    missing, committed = find_shards.split([Shard("/d/a", 1)], run)
    assert (missing, len(committed)) == ([], 1)


def test_a_sample_file_of_a_shard_that_is_not_found(run):
    commit(run, "/d/a")
    commit(run, "/d/gone")
    with pytest.raises(
        TablesError, match=r"'r1' has scored 1 shards that `examples` does not match, such as .*gone-.*\.parq"
    ):
        find_shards.split([Shard("/d/a", 1)], run)


def test_a_shard_that_has_changed_since_it_was_scored_is_refused(run):
    commit(run, "/d/b")
    with pytest.raises(TablesError, match=r"/d/b had 2 bytes when it was scored and has 9 now; use another --run-id"):
        find_shards.split([Shard("/d/b", 9)], run)


FIRST, SECOND, THIRD = ByteRange(0, 1, 0, 1), ByteRange(1, 2, 1, 1), ByteRange(2, 3, 2, 1)


def test_a_shard_of_which_a_range_is_missing_is_open(run):
    for part in (THIRD, FIRST):
        commit(run, "/d/x", part)
    missing, committed = find_shards.split([Shard("/d/x", 3), Shard("/d/y", 3)], run)
    assert (names(missing), len(committed)) == (["x", "y"], 2)
    assert find_shards.opened(missing, run) == [
        OpenShard(Shard("/d/x", 3), (FIRST, THIRD)),
        OpenShard(Shard("/d/y", 3)),
    ]
    commit(run, "/d/x", SECOND)
    assert find_shards.split([Shard("/d/x", 3)], run)[0] == []


def test_shards_that_are_not_there_are_counted_once_however_many_ranges(run):
    for part in (FIRST, SECOND, THIRD):
        commit(run, "/d/gone", part)
    with pytest.raises(TablesError, match="'r1' has scored 1 shards that `examples` does not match"):
        find_shards.split([Shard("/d/a", 1)], run)


def test_a_shard_in_ranges_that_has_changed_names_the_files_of_all_of_them(run):
    for part in (FIRST, SECOND, THIRD):
        commit(run, "/d/x", part)
    with pytest.raises(
        TablesError, match=r"/d/x had 3 bytes .* or delete \S+/x-[0-9a-f]{32}\.\*\.parquet to score it"
    ) as e:
        find_shards.split([Shard("/d/x", 4)], run)
    (pattern,) = re.findall(r"delete (\S+)", str(e.value))
    assert len(filesystems.match(pattern)) == 3


def test_ranges_that_share_bytes_are_refused(run):
    for part in (FIRST, ByteRange(0, 2, 0, 2)):
        commit(run, "/d/x", part)
    with pytest.raises(TablesError, match=r"x-.*parquet and x-.*parquet beside it hold the same bytes of /d/x; dele"):
        find_shards.split([Shard("/d/x", 3)], run)


def test_the_shards_of_the_plan(tmp_path):
    touch(tmp_path, "a.x", "b.x")
    planned = find_shards.listing(find_shards.find([f"{tmp_path}/*.x"]))
    assert planned.startswith("2 shards of 6 bytes (")
    assert names(find_shards.find_planned([f"{tmp_path}/*.x"], planned)) == ["a.x", "b.x"]


@pytest.mark.parametrize("change", ["gone", "new", "grown", "renamed"])
def test_examples_that_change_after_the_plan_are_no_silent_loss(tmp_path, change):
    touch(tmp_path, "a.x", "b.x")
    planned = find_shards.listing(find_shards.find([f"{tmp_path}/*.x"]))
    {
        "gone": (tmp_path / "a.x").unlink,
        "new": lambda: touch(tmp_path, "c.x"),
        "grown": lambda: (tmp_path / "a.x").write_bytes(b"1234"),
        "renamed": lambda: (tmp_path / "a.x").rename(tmp_path / "c.x"),
    }[change]()
    with pytest.raises(
        StorageError, match=r"examples have changed since the run was planned: expected 2 shards of 6 b"
    ):
        find_shards.find_planned([f"{tmp_path}/*.x"], planned)
