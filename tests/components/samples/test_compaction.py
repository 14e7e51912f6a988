"""Many sample files become few: what they hold stays, whenever the process dies, and readers see no row twice."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.reading import find_shards
from dicebeam.components.runs import run_files, runs_row, shard_records, superseded_files
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.samples import compaction, merged_rows, write_samples
from dicebeam.components.samples.compaction import Source, compact, groups
from dicebeam.components.samples.write_samples import ShardFiles, WriteSettings
from dicebeam.components.storage import filesystems, parquet_files
from dicebeam.components.summary import write_tables
from dicebeam.schemas import tables
from dicebeam.schemas.accounting import FileSums, RunTotals
from dicebeam.schemas.errors import TablesError, UnfinishedRunError
from dicebeam.schemas.records import Failure, Lineage, Progress, SampleKey, ScoredBatch
from dicebeam.schemas.shards import ByteRange, Shard, ShardRange
from tests.support.builders import sums_of

SHARDS = [Shard(f"/data/{name}.tfrecord", 500 + i) for i, name in enumerate(["b", "a", "d", "c", "e"])]
SCORED, FAILED = [2, 3, 0, 1, 2], [0, 2, 1, 0, 0]
TOTALS = RunTotals(5, sum(SCORED) + sum(FAILED), sum(SCORED), sum(FAILED))


def failures_of(run: Run, shard: Shard) -> Path:
    """Path of the failures file of a shard that its sample file names."""
    said = run_files.read_shard_record(f"{run.folder('samples')}/{run_files.file_name(shard.path)}")
    return Path(run.folder("failures"), str(said.failures))


def score(run: Run, shard: Shard, scored: int, failed: int) -> None:
    """Commit a shard with so many records."""
    keys = tuple(SampleKey(Lineage(shard.path, r, 10 * r), f"{shard.path}#{r}", ("north",)) for r in range(scored))
    counts = [[r, 1] for r in range(scored)]
    sums = sums_of(counts, counts, counts) if scored else None
    lost = tuple(
        Failure(Lineage(shard.path, r, 10 * r), None, "read", "E", "no") for r in range(scored, scored + failed)
    )
    batch = ScoredBatch(shard, 0, keys, sums, lost, Progress(scored + failed, 77, 0, done=True))
    ShardFiles(shard, WriteSettings(run, ("a", "b"), (0, 1), ("site",))).add(batch)


def finish(run: Run, totals: RunTotals) -> None:
    counts = {name: getattr(totals, name) for name in ("shards", "records", "scored", "failed")}
    row = pa.Table.from_pylist([{"status": "done", **counts}], schema=tables.RUNS)
    run_files.write_table(row, run, "runs", runs_row.FILE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("compaction") / "out"
    run = run_at(output)
    for shard, scored, failed in zip(SHARDS, SCORED, FAILED, strict=True):
        score(run, shard, scored, failed)
    finish(run, TOTALS)
    return output


def run_at(output: Path) -> Run:
    return Run(str(output), "2026-11-23", "r1", "c", "m")


@pytest.fixture
def fresh(finished: Path, tmp_path: Path) -> Callable[[], Run]:
    """Makes copies of the finished run."""
    numbers = iter(range(10_000))

    def copy() -> Run:
        return run_at(Path(shutil.copytree(finished, tmp_path / str(next(numbers)))))

    return copy


@pytest.fixture
def run(fresh: Callable[[], Run]) -> Run:
    return fresh()


def names(run: Run, table: str = "samples") -> list[str]:
    """What a reader's `*.parquet` matches."""
    return sorted(path.name for path in Path(run.folder(table)).glob("*.parquet") if not path.name.startswith("."))


def rows(run: Run, table: str = "samples") -> list[dict[str, Any]]:
    """Every row that a reader sees, in the order of files."""
    paths = [f"{run.folder(table)}/{name}" for name in names(run, table)]
    return [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]


def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: (row["shard"], row["record"], row.get("class_id", 0)))


def visible(run: Run) -> bool:
    return names(run, "runs") == [runs_row.FILE]


# what it does


def test_the_rows_of_all_shards_are_in_one_file_sorted_by_shard_record_and_class(run: Run) -> None:
    samples, failures, row = in_order(rows(run)), in_order(rows(run, "failures")), rows(run, "runs")
    assert (len(names(run)), len(names(run, "failures"))) == (5, 2)
    done = compact(run)
    assert (len(done.before), len(done.after)) == (5, 1)
    assert names(run) == names(run, "failures") == [run_files.compacted_name(s.path for s in SHARDS)]
    assert (rows(run), rows(run, "failures"), rows(run, "runs")) == (samples, failures, row)
    assert len(samples) == 16


def test_rows_are_in_order_over_many_reads_and_row_groups(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merged_rows, "ROWS_A_READ", 1)
    monkeypatch.setattr(parquet_files, "ROWS_A_GROUP", 3)
    expected = in_order(rows(run))
    compact(run)
    assert rows(run) == expected
    metadata = pq.ParquetFile(next(run_files.sample_paths(run))).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 3, 3, 3, 1]


def test_a_new_shard_comes_between_those_of_a_merged_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    compact(run)
    score(run, Shard("/data/aa.tfrecord", 1), 2, 0)
    finish(run, RunTotals(6, TOTALS.records + 2, TOTALS.scored + 2, TOTALS.failed))
    expected = in_order(rows(run))
    monkeypatch.setattr(parquet_files, "ROWS_A_GROUP", 1)
    compact(run)
    assert rows(run) == expected


def test_long_text_makes_small_row_groups(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "BYTES_A_GROUP", 1)
    compact(run)
    assert pq.ParquetFile(next(run_files.sample_paths(run))).metadata.num_row_groups == 4  # the shards that have rows


def test_failures_that_came_out_of_order_are_sorted(fresh: Callable[[], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_samples, "FAILURES_A_GROUP", 1)
    run, shard = fresh(), Shard("/data/f.tfrecord", 1)
    lost = [Failure(Lineage(shard.path, record, 0), None, "model", "E", "no") for record in (1, 0)]
    files = ShardFiles(shard, WriteSettings(run, ("a", "b"), (0, 1), ("site",)))
    for index, failure in enumerate(lost):
        files.add(ScoredBatch(shard, index, (), None, (failure,), Progress(2, 7, 0, done=index == 1)))
    finish(run, RunTotals(6, TOTALS.records + 2, TOTALS.scored, TOTALS.failed + 2))
    expected = in_order(rows(run, "failures"))
    compact(run)
    assert rows(run, "failures") == expected


def test_every_shard_keeps_its_record(run: Run) -> None:
    read = (r for path in run_files.sample_paths(run) for r in run_files.read_shard_records(path))
    before = {record.shard: replace(record, failures=None) for record in read}  # the merged file's are named as it is
    compact(run)
    (path,) = run_files.sample_paths(run)
    assert run_files.read_shard_records(path) == [before[name] for name in sorted(before)]
    assert shard_records.shard_records(
        pq.ParquetFile(f"{run.folder('failures')}/{names(run, 'failures')[0]}").metadata.metadata, "x"
    ) == [before[name] for name in sorted(before)]
    assert [c.scored for c in run_files.committed(path, run, 2)] == [3, 2, 1, 0, 2]


def test_a_compacted_run_has_nothing_left_to_score(run: Run) -> None:
    compact(run)
    assert find_shards.split(SHARDS, run) == ([], list(run_files.sample_paths(run)))
    more = Shard("/data/new.tfrecord", 1)
    assert find_shards.split([*SHARDS, more], run)[0] == [more]


def test_shards_within_a_compacted_file_are_still_held_against_the_examples(run: Run) -> None:
    compact(run)
    with pytest.raises(TablesError, match=r"/data/e.tfrecord had 504 bytes when it was scored and has 9 now"):
        find_shards.split([*SHARDS[:-1], Shard(SHARDS[-1].path, 9)], run)
    with pytest.raises(
        TablesError, match=r"has scored 1 shards that `examples` does not match, such as .*compacted.parq"
    ):
        find_shards.split(SHARDS[1:], run)


def test_compacting_again_changes_nothing(run: Run) -> None:
    compact(run)
    before = {path: path.stat().st_mtime_ns for path in Path(run.output).rglob("*.parquet")}
    done = compact(run)
    assert done.before == done.after
    assert {path: path.stat().st_mtime_ns for path in Path(run.output).rglob("*.parquet")} == before


def test_shards_that_are_added_are_merged_with_what_was_merged(run: Run) -> None:
    compact(run)
    for shard in (Shard("/data/aa.tfrecord", 1), Shard("/data/z.tfrecord", 1)):
        score(run, shard, 2, 1)
    finish(run, RunTotals(7, TOTALS.records + 6, TOTALS.scored + 4, TOTALS.failed + 2))
    expected, lost = in_order(rows(run)), in_order(rows(run, "failures"))
    assert (len(names(run)), len(run_files.list_samples(run).holders)) == (3, 7)
    compact(run)
    assert (len(names(run)), rows(run), rows(run, "failures")) == (1, expected, lost)


def test_files_have_a_bounded_number_of_rows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "ROWS_A_FILE", 10)
    expected = in_order(rows(run))
    assert len(compact(run).after) == 2
    assert in_order(rows(run)) == expected
    assert sorted(len(run_files.read_shard_records(path)) for path in run_files.sample_paths(run)) == [2, 3]


def source(shard: str, samples: int) -> Source:
    return Source(f"/out/{shard}", (ShardRecord(shard, 1, samples, samples, 0, "c", "m", class_ids=(0,)),))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([5], []),
        ([50], []),
        ([5, 5], ["ab"]),
        ([5, 6, 4], ["bc"]),
        ([50, 1, 1], ["bc"]),
        ([0, 0, 10, 0], ["abcd"]),
        ([4, 4, 4, 4], ["ab", "cd"]),
    ],
)
def test_which_files_become_one(sizes: list[int], expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "ROWS_A_FILE", 10)
    found = groups([source(name, size) for name, size in zip("abcd", sizes, strict=False)][::-1])
    assert ["".join(each.records[0].shard for each in group) for group in found] == expected


# what it refuses


def test_a_run_without_its_row_is_refused(run: Run) -> None:
    runs_row.hide(run)  # as an interrupted summary leaves it: tables beside it may be of two configs
    with pytest.raises(UnfinishedRunError, match="'r1' is not finished: it has no row in `runs`"):
        compact(run)
    assert len(names(run)) == 5
    assert not visible(run)


def test_a_run_that_lost_a_sample_file_is_refused(run: Run) -> None:
    (Path(run.folder("samples")) / run_files.file_name(SHARDS[0].path)).unlink()
    expected = r"`runs` says \{'shards': 5, 'records': 11, 'scored': 8\}, but its sample files have \{'shards': 4, 're"
    with pytest.raises(UnfinishedRunError, match=expected):
        compact(run)
    assert visible(run)


def test_failures_that_are_missing_end_it_before_anything_is_deleted(run: Run) -> None:
    path = failures_of(run, SHARDS[1])
    rows = pq.ParquetFile(path).read().slice(1)
    pq.write_table(rows.replace_schema_metadata({b"dicebeam.run_id": b"r1"}), path)
    with pytest.raises(
        TablesError,
        match=r"a.tfrecord-.*parquet, but it is damaged: it has 1 rows less than its metadata says; delete it",
    ):
        compact(run)
    assert len(names(run)) == 5


def test_samples_of_another_config_are_not_merged(run: Run) -> None:
    Path(run.folder("samples"), run_files.file_name(SHARDS[4].path)).unlink()
    score(Run(run.output, run.eval_date, run.run_id, "other", "m"), SHARDS[4], 2, 0)
    finish(run, TOTALS)
    with pytest.raises(TablesError, match="'r1' was begun with another config"):
        compact(run)
    assert len(names(run)) == 5


def test_files_that_share_a_part_of_their_shards_are_refused(run: Run) -> None:
    paths = [f"{run.folder('samples')}/{run_files.file_name(shard.path)}" for shard in SHARDS]
    for some in (paths[:2], paths[1:3]):
        records = [record for path in some for record in run_files.read_shard_records(path)]
        schema = tables.with_metadata(tables.samples_schema([]), "r1", shard_records.encode_all(records))
        name = run_files.compacted_name(record.shard for record in records)
        pq.write_table(schema.empty_table(), f"{run.folder('samples')}/{name}")
    with pytest.raises(TablesError, match=r"parquet and part-.* beside it share shards; delete one, and evaluate aga"):
        run_files.list_samples(run)


# when it dies


class Killed(BaseException):
    """The process is gone: nothing cleans up after it."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], int]:
    """Does something that dies at its n-th rename or deletion; gives how many there were before."""

    def until(limit: int, action: Callable[[], object]) -> int:
        calls = 0

        def counted(real: Callable[..., None]) -> Callable[..., None]:
            def call(*arguments: str) -> None:
                nonlocal calls
                if calls >= limit:
                    raise Killed
                calls += 1
                real(*arguments)

            return call

        with monkeypatch.context() as patch:
            for name in ("rename", "delete"):
                patch.setattr(filesystems, name, counted(getattr(filesystems, name)))
            try:
                action()
            except Killed:
                assert calls == limit
        return calls

    return until


def steps(dying: Callable[[int, Callable[[], object]], int], run: Run) -> int:
    return dying(10_000, lambda: compact(run))


def test_readers_and_the_next_attempt_see_every_row_once_wherever_it_dies(
    fresh: Callable[[], Run], dying: Callable[[int, Callable[[], object]], int]
) -> None:
    expected = {table: in_order(rows(fresh(), table)) for table in ("samples", "failures")}
    total = steps(dying, fresh())
    hidden = 0
    for step in range(total):
        run = fresh()
        assert dying(step, lambda run=run: compact(run)) == step
        if visible(run):
            assert {table: in_order(rows(run, table)) for table in expected} == expected, step
        hidden += not visible(run)
        counting = [
            row for path in run_files.sample_paths(run) for row in pq.read_table(path, partitioning=None).to_pylist()
        ]
        assert in_order(counting) == expected["samples"], step
        assert find_shards.split(SHARDS, run)[0] == [], step
        compact(run)
        assert visible(run), step
        assert {table: rows(run, table) for table in expected} == expected, step
        assert (len(names(run)), len(names(run, "failures"))) == (1, 1), step
        assert [path.name for path in Path(run.folder("runs")).iterdir()] == [runs_row.FILE], step
    assert total > hidden >= 10


def test_the_end_of_evaluate_and_summarize_repairs_it_wherever_it_dies(
    fresh: Callable[[], Run], dying: Callable[[int, Callable[[], object]], int]
) -> None:
    expected = {table: in_order(rows(fresh(), table)) for table in ("samples", "failures")}
    for step in range(steps(dying, fresh())):
        run = fresh()
        dying(step, lambda run=run: compact(run))
        totals = [run_files.committed(path, run, 2) for path in run_files.sample_paths(run)]
        assert sum(each.scored for file in totals for each in file) == TOTALS.scored
        settings = write_tables.TableSettings(run, 1.0, "{}", "m", "{}", "here", datetime.now(UTC))
        settings = replace(settings, seen=runs_row.identity(run))
        write_tables.write(settings, write_tables.Counted(FileSums(TOTALS), 5, 0, 0), [])
        assert visible(run), step
        assert {table: in_order(rows(run, table)) for table in expected} == expected, step
        assert [path.name for path in Path(run.folder("runs")).iterdir()] == [runs_row.FILE], step


def test_an_interrupted_merge_of_what_was_merged_and_more(
    fresh: Callable[[], Run], dying: Callable[[int, Callable[[], object]], int]
) -> None:
    def grown() -> Run:
        run = fresh()
        compact(run)
        score(run, Shard("/data/z.tfrecord", 1), 2, 1)
        finish(run, RunTotals(6, TOTALS.records + 3, TOTALS.scored + 2, TOTALS.failed + 1))
        return run

    expected = {table: in_order(rows(grown(), table)) for table in ("samples", "failures")}
    for step in range(steps(dying, grown())):
        run = grown()
        dying(step, lambda run=run: compact(run))
        assert not visible(run) or in_order(rows(run)) == expected["samples"], step
        compact(run)
        assert {table: rows(run, table) for table in expected} == expected, step


def test_a_row_that_evaluate_hid_after_a_kill_is_not_put_back(
    run: Run, dying: Callable[[int, Callable[[], object]], int]
) -> None:
    dying(6, lambda: compact(run))
    assert runs_row.stands(run)
    runs_row.hide(run)  # of an attempt that scores more shards, and dies too
    assert runs_row.read(run)
    with pytest.raises(UnfinishedRunError):
        compact(run)
    assert not visible(run)


def test_failures_of_a_shard_that_is_scored_again_are_no_leftover(run: Run) -> None:
    compact(run)
    (merged,) = run_files.sample_paths(run)
    Path(merged).unlink()
    score(run, SHARDS[1], 2, 3)
    (stale,) = superseded_files.find(run)
    assert stale == f"{run.folder('failures')}/{Path(merged).name}"
    superseded_files.delete(run)
    assert names(run, "failures") == [failures_of(run, SHARDS[1]).name]


# ranges of shards


def ranges_of(shard: Shard, *limits: tuple[int, int]) -> list[ShardRange]:
    """Units that begin at these bytes with these records."""
    ends = [*(byte for byte, _ in limits[1:]), shard.size_bytes]
    return [
        ShardRange(shard, ByteRange(byte, end, record, 9)) for (byte, record), end in zip(limits, ends, strict=True)
    ]


def score_range(unit: ShardRange, run: Run, scored: int) -> None:
    """Commit a range of so many scored records, and one that failed."""
    first = unit.range.first_record
    keys = tuple(SampleKey(Lineage(unit.path, first + r, 9), f"{unit.path}#{first + r}", ("n",)) for r in range(scored))
    counts = [[r, 1] for r in range(scored)]
    lost = (Failure(Lineage(unit.path, first + scored, 9), None, "read", "E", "no"),)
    batch = ScoredBatch(unit, 0, keys, sums_of(counts, counts, counts), lost, Progress(scored + 1, 77, 0, done=True))
    ShardFiles(unit, WriteSettings(run, ("a", "b"), (0, 1), ("site",))).add(batch)


@pytest.fixture
def cut(fresh: Callable[[], Run]) -> Callable[[], Run]:
    """Makes copies of the finished run with one more shard, of two ranges, among its shards."""

    def make() -> Run:
        run = fresh()
        for unit in ranges_of(Shard("/data/bb.tfrecord", 100), (0, 0), (60, 3))[::-1]:
            score_range(unit, run, 2)
        finish(run, RunTotals(6, TOTALS.records + 6, TOTALS.scored + 4, TOTALS.failed + 2))
        return run

    return make


def test_ranges_are_merged_in_the_order_of_their_records(cut: Callable[[], Run]) -> None:
    run = cut()
    expected = {table: in_order(rows(run, table)) for table in ("samples", "failures")}
    compact(run)
    assert (len(names(run)), {table: rows(run, table) for table in expected}) == (1, expected)
    (path,) = run_files.sample_paths(run)
    assert [(r.shard[6:8], r.range and r.range.start) for r in run_files.read_shard_records(path)] == [
        ("a.", None), ("b.", None), ("bb", 0), ("bb", 60), ("c.", None), ("d.", None), ("e.", None),
    ]  # fmt: skip


def test_a_merge_of_ranges_goes_on_wherever_it_dies(
    cut: Callable[[], Run], dying: Callable[[int, Callable[[], object]], int]
) -> None:
    expected = {table: in_order(rows(cut(), table)) for table in ("samples", "failures")}
    examples = [*SHARDS, Shard("/data/bb.tfrecord", 100)]
    for step in range(steps(dying, cut())):
        run = cut()
        dying(step, lambda run=run: compact(run))
        assert not visible(run) or in_order(rows(run)) == expected["samples"], step
        assert find_shards.split(examples, run)[0] == [], step
        compact(run)
        assert {table: rows(run, table) for table in expected} == expected, step


def test_failures_of_a_shard_that_is_cut_anew_are_left_over(run: Run) -> None:
    shard = Shard("/data/bb.tfrecord", 100)
    before, *_ = ranges_of(shard, (0, 0), (50, 2))
    score_range(before, run, 1)
    samples = Path(run.folder("samples")) / run_files.file_name(shard.path, before.range)
    failures = run_files.read_shard_record(str(samples)).failures
    samples.unlink()
    for unit in ranges_of(shard, (0, 0), (60, 3)):
        score_range(unit, run, 2)
    assert superseded_files.find(run) == [f"{run.folder('failures')}/{failures}"]
