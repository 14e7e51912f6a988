"""Two attempts at one unit that end differently: the first that commits has scored it, whatever kills the other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dicebeam.components.reading import find_shards
from dicebeam.components.runs import committed_units, run_files, runs_row, superseded_files, unit_failures
from dicebeam.components.runs.run_files import Run
from dicebeam.components.samples import compaction
from dicebeam.components.storage import filesystems, parquet_files, parquet_reading
from dicebeam.schemas import tables
from dicebeam.schemas.errors import AccountingError, DamagedError, TablesError
from dicebeam.schemas.shards import Shard
from tests.support import attempts
from tests.support.attempts import Killed, records, score, stopped_at

OUTCOMES = {"scored": (), "one failed": (1,), "the other failed": (0,), "all failed": (0, 1)}
PLACES = {"before failures": 0, "between failures and samples": 1, "after samples": 2}
SHORT = [("scored", "one failed"), ("one failed", "the other failed")]
PAIRS = [
    pytest.param(first, second, marks=() if (first, second) in SHORT else pytest.mark.long)
    for first in OUTCOMES
    for second in OUTCOMES
]


@pytest.fixture
def shards(tmp_path: Path) -> list[Shard]:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"some")
    return find_shards.find([f"{tmp_path}/[ab]"])


@pytest.fixture(params=["disk", pytest.param("bucket", marks=pytest.mark.long)])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return attempts.begun(request.param, tmp_path, monkeypatch)


def seen_by_readers(run: Run) -> dict[str, set[int]]:
    """Records in each table, by the name of the table; of the one shard that the run has."""
    found = {}
    for table in ("samples", "failures"):
        rows = [row for path in paths(run, table) for row in rows_of(path)]
        found[table] = {row["record"] for row in rows}
        names = {(row["shard"], row["record"], row.get("class_id")) for row in rows}
        assert len(names) == len(rows)  # none is there twice
    return found


def paths(run: Run, table: str) -> list[str]:
    files = filesystems.below(run.folder(table), "*.parquet")
    return [file.path for file in files if not file.path.rpartition("/")[2].startswith(".")]


def rows_of(path: str) -> list[dict[str, Any]]:
    with parquet_reading.opened(path) as file:
        return list(file.read().to_pylist())


def of_one_attempt(*outcomes: str) -> list[dict[str, set[int]]]:
    every = set(range(attempts.RECORDS))
    return [{"samples": every - set(OUTCOMES[each]), "failures": set(OUTCOMES[each])} for each in outcomes]


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_whatever_two_attempts_do_the_run_is_that_of_one(
    run: Run, shards: list[Shard], first: str, second: str, place: str, killed: bool
) -> None:
    """The second attempt does all of its work while the first one is at a place of its commit."""
    shard, at = shards[0], PLACES[place] - (not OUTCOMES[first] and PLACES[place] > 0)

    def in_between() -> None:
        score(run, shard, OUTCOMES[second])
        if killed:
            attempts.kill()

    try:
        with stopped_at(at, in_between):
            score(run, shard, OUTCOMES[first])
            in_between()  # where the place is the end of it
    except Killed:
        pass
    attempts.write(run, runs_row.identity(run), 1)
    assert seen_by_readers(run) in of_one_attempt(first, second)
    (row,) = rows_of(f"{run.folder('runs')}/part-0.parquet")
    assert (row["scored"], row["failed"]) == tuple(len(part) for part in seen_by_readers(run).values())
    assert superseded_files.find(run) == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_kill_is_followed_by_an_attempt_with_another_outcome(
    run: Run, shards: list[Shard], first: str, second: str, place: str
) -> None:
    at = PLACES[place] - (not OUTCOMES[first] and PLACES[place] > 0)
    with pytest.raises(Killed), stopped_at(at, attempts.kill):  # noqa: PT012 - the end is a place, too
        score(run, shards[0], OUTCOMES[first])
        attempts.kill()
    attempts.evaluate(run, shards[:1], OUTCOMES[second])
    (expected,) = of_one_attempt(first if place == "after samples" else second)
    assert seen_by_readers(run) == expected


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_attempt_again_gives_the_accounting_of_what_is_committed(
    run: Run, shards: list[Shard], first: str, second: str
) -> None:
    """As where an engine does a bundle again that failed after the commit."""
    committed, before = score(run, shards[0], OUTCOMES[first]), seen_by_readers(run)
    assert score(run, shards[0], OUTCOMES[second]) == committed
    assert seen_by_readers(run) == before
    assert len(paths(run, "failures")) == (1 if OUTCOMES[first] else 0)
    assert superseded_files.find(run) == []


def test_equal_outcomes_have_equal_names_and_others_have_others(run: Run, shards: list[Shard]) -> None:
    names = []
    for failed in ((1,), (1,), (0,)):
        path = score(run, shards[0], failed).path
        names += [run_files.read_shard_record(path).failures]
        assert paths(run, "failures") == [f"{run.folder('failures')}/{names[-1]}"]
        unit_failures.discard([(unit_failures.Pair(path, paths(run, "failures")[0], 1), 0)])
    assert names[0] == names[1] != names[2]
    assert run_files.file_name(shards[0].path).removesuffix(".parquet") in str(names[0])


def test_another_state_of_the_shard_that_is_committed_is_an_error(run: Run, shards: list[Shard]) -> None:
    score(run, shards[0])
    with pytest.raises(TablesError, match=r"of a shard of 9 bytes in .*, but another attempt has scored a shard of 4"):
        score(run, Shard(shards[0].path, 9))


def test_another_config_that_is_committed_is_an_error(run: Run, shards: list[Shard]) -> None:
    score(run, shards[0])
    with pytest.raises(TablesError, match="'r1' was begun with another model"):
        score(Run(run.output, run.eval_date, run.run_id, "c", "another"), shards[0])


def test_a_damaged_file_that_is_committed_is_an_error(tmp_path: Path, shards: list[Shard]) -> None:
    run = Run(str(tmp_path / "out"), "2026-11-23", "r1", "c", "m")
    Path(score(run, shards[0]).path).write_bytes(b"half of it")
    with pytest.raises(DamagedError, match=r"but it is damaged: .*; delete it, and evaluate again with --run-id r1"):
        score(run, shards[0])


# runs whose files disagree


def legacy(run: Run, shard: Shard, failed: tuple[int, ...]) -> str:
    """A unit as earlier versions wrote it: failures are in a file that is named as the samples are."""
    path = score(run, shard, failed).path
    record = replace(run_files.read_shard_record(path), failures=None)
    for table, order in (("samples", tables.SAMPLES_ORDER), ("failures", tables.FAILURES_ORDER)):
        for written in paths(run, table):
            with parquet_reading.opened(written) as file:
                rows = file.read()
            filesystems.delete(written)
            schema = tables.with_metadata(rows.schema, run.run_id)
            where = f"{run.folder(table)}/{run_files.file_name(shard.path)}"
            with filesystems.committing(where) as out, parquet_files.writer(out, schema, order) as writer:
                writer.write_table(rows)
                writer.add_key_value_metadata(record.encode())
    return path


def test_a_run_of_an_earlier_version_is_resumed_and_finished(run: Run, shards: list[Shard]) -> None:
    legacy(run, shards[0], (1,))
    assert paths(run, "failures") == [f"{run.folder('failures')}/{run_files.file_name(shards[0].path)}"]
    attempts.evaluate(run, shards, (0,))
    rows = [(row["shard"], row["record"]) for path in paths(run, "failures") for row in rows_of(path)]
    assert sorted(rows) == [(shards[0].path, 1), (shards[1].path, 0)]
    compaction.compact(run)
    rows = [(row["shard"], row["record"]) for path in paths(run, "failures") for row in rows_of(path)]
    assert sorted(rows) == [(shards[0].path, 1), (shards[1].path, 0)]


def test_failures_that_an_earlier_version_left_are_removed(run: Run, shards: list[Shard]) -> None:
    filesystems.delete(legacy(run, shards[0], (1,)))
    score(run, shards[0])
    attempts.evaluate(run, shards[:1])
    assert seen_by_readers(run) == {"samples": {0, 1}, "failures": set()}


def lost(path: str) -> None:
    filesystems.delete(path)


def damaged(path: str) -> None:
    with filesystems.committing(path) as file:
        file.write(b"no table")


@pytest.mark.parametrize("harm", [lost, damaged])
@pytest.mark.parametrize("finished", [False, True])
def test_a_unit_that_disagrees_with_its_failures_is_scored_anew(
    run: Run, shards: list[Shard], harm: Callable[[str], None], finished: bool
) -> None:
    attempts.evaluate(run, shards[:1], (1,)) if finished else score(run, shards[0], (1,))
    harm(paths(run, "failures")[0])
    expected = "it has 0; evaluate again with the same --run-id, which" if harm is lost else "but it is damaged: "
    with pytest.raises((AccountingError, DamagedError), match=expected):
        attempts.write(run, runs_row.identity(run), 1)
    attempts.evaluate(run, shards[:1], (0,))
    assert seen_by_readers(run) == {"samples": {1}, "failures": {0}}


def test_a_merged_file_that_disagrees_with_its_failures_is_named(run: Run, shards: list[Shard]) -> None:
    attempts.evaluate(run, shards, (1,))
    compaction.compact(run)
    lost(paths(run, "failures")[0])
    with pytest.raises(AccountingError, match=r"expected 2 rows in .*; delete .*compacted.parquet and evaluate again"):
        attempts.evaluate(run, shards)
    lost(paths(run, "samples")[0])
    attempts.evaluate(run, shards)
    assert seen_by_readers(run)["failures"] == set()


def test_a_file_that_nobody_has_written_is_named(run: Run, shards: list[Shard]) -> None:
    score(run, shards[0])
    damaged(f"{run.folder('failures')}/mine.parquet")
    with pytest.raises(AccountingError, match=r"/mine.parquet is no file of this run: no sample file names it; move"):
        attempts.write(run, None, 1)


# late attempts


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_late_attempt_at_a_run_that_was_finished_and_merged_leaves_it_as_it_is(
    run: Run, shards: list[Shard], first: str, second: str, place: str
) -> None:
    """The unit's own file has gone, so that its name is free again."""
    at = PLACES[place] - (not OUTCOMES[first] and PLACES[place] > 0)
    kept = {}

    def finish_and_merge() -> None:
        attempts.evaluate(run, shards, OUTCOMES[second])
        compaction.compact(run)
        kept.update({path: rows_of(path) for table in ("samples", "failures") for path in paths(run, table)})

    with stopped_at(at, finish_and_merge):
        committed = score(run, shards[0], OUTCOMES[first])
    if not kept:  # the place is after the commit
        return
    assert committed == committed_units.find(run, shards[0], 2)
    assert {path: rows_of(path) for table in ("samples", "failures") for path in paths(run, table)} == kept
    assert superseded_files.find(run) == []
    assert runs_row.standing(run)


def test_failures_that_another_attempt_took_for_leftovers_are_written_again(run: Run, shards: list[Shard]) -> None:
    """It has finished with fewer shards, between the failures and the samples of one that it does not know."""
    with stopped_at(1, lambda: attempts.evaluate(run, shards[:1])):
        score(run, shards[1], (1,))
    assert runs_row.standing(run) is None  # it does not count the new unit
    attempts.evaluate(run, shards)
    (failure,) = [row for path in paths(run, "failures") for row in rows_of(path)]
    assert (failure["shard"], failure["record"]) == (shards[1].path, 1)


def test_rows_and_records_of_both_shards_are_there(tmp_path: Path, shards: list[Shard]) -> None:
    run = Run(str(tmp_path / "out"), "2026-11-23", "r1", "c", "m")
    attempts.evaluate(run, shards, (1,))
    assert records(run, "samples") == [(shard.path, 0) for shard in shards]
    assert records(run, "failures") == [(shard.path, 1) for shard in shards]
