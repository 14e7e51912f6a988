"""Sample files held against the row of their run: what was lost and what has come is noticed by the names alone."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.runs import held_samples, run_files
from dicebeam.components.runs.run_tables import FinishedRun
from dicebeam.schemas.errors import DamagedError

SHARDS = [f"/data/{name}.tfrecord" for name in "abc"]


@pytest.fixture
def past(tmp_path: Path) -> FinishedRun:
    """A run of three shards; its files are empty, for nobody opens them."""
    run = run_files.Run(str(tmp_path), "2026-11-23", "r1", "c", "m")
    Path(run.folder("samples")).mkdir(parents=True)
    names = [run_files.file_name(shard) for shard in SHARDS]
    for name in names:
        put(run, name)
    return FinishedRun(run, {"shards": 3}, units=held_samples.units(names))


def put(run: run_files.Run, name: str) -> None:
    Path(run.folder("samples"), name).write_bytes(b"")


def earlier(past: FinishedRun) -> FinishedRun:
    """The run as an earlier version left it."""
    return FinishedRun(past.run, past.row)


def test_what_is_there_as_it_was_is_right(past: FinishedRun) -> None:
    held_samples.check(past)
    held_samples.check(earlier(past))


def test_a_file_that_was_lost(past: FinishedRun) -> None:
    Path(past.run.folder("samples"), run_files.file_name(SHARDS[1])).unlink()
    message = (
        r"^expected the sample files of 3 {}, but there are those of 2, in .*; .* lost evaluate again with --run-id r1"
    )
    for each, what in ((past, "units"), (earlier(past), "shards")):
        with pytest.raises(DamagedError, match=message.format(what)):
            held_samples.check(each)


def test_a_file_of_another_shard_is_named(past: FinishedRun) -> None:
    name = run_files.file_name("/data/other.tfrecord")
    put(past.run, name)
    with pytest.raises(DamagedError, match=rf"{re.escape(name)} is another's: delete it"):
        held_samples.check(past)
    with pytest.raises(DamagedError, match="of 3 shards, but there are those of 4"):
        held_samples.check(earlier(past))


def test_a_file_in_the_place_of_another(past: FinishedRun) -> None:
    folder = Path(past.run.folder("samples"))
    (folder / run_files.file_name(SHARDS[0])).rename(folder / run_files.file_name("/data/other.tfrecord"))
    with pytest.raises(DamagedError, match="delete those of no shard of the run"):
        held_samples.check(past)


def test_an_old_run_may_have_its_tables_alone(past: FinishedRun) -> None:
    for path in Path(past.run.folder("samples")).iterdir():
        path.unlink()
    held_samples.check(past, may_be_gone=True)
    with pytest.raises(DamagedError, match="but there are those of 0"):
        held_samples.check(past)


def test_a_row_that_says_nothing_of_shards_is_held_against_nothing(past: FinishedRun) -> None:
    held_samples.check(FinishedRun(past.run, {"shards": None}))


@given(st.lists(st.text(), unique=True, max_size=6), st.randoms())
def test_units_have_no_order_and_a_name_each(names, random):
    shuffled = random.sample(names, len(names))
    assert held_samples.units(shuffled) == held_samples.units(names)
    assert held_samples.units([*names, "\0more"]) != held_samples.units(names)
