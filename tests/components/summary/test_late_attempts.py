"""A late attempt leaves the row of a run that another one has finished since it began; no newer row is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicebeam.components.reading import find_shards
from dicebeam.components.runs import run_files, runs_row
from dicebeam.components.runs.run_files import Run
from dicebeam.components.storage import filesystems
from dicebeam.schemas.errors import TablesError
from dicebeam.schemas.shards import Shard
from tests.support import attempts
from tests.support.attempts import evaluate, score


@pytest.fixture
def shards(tmp_path: Path) -> list[Shard]:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"some")
    return find_shards.find([f"{tmp_path}/[ab]"])


@pytest.fixture(params=["disk", "bucket"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return attempts.begun(request.param, tmp_path, monkeypatch)


def names(run: Run) -> list[str]:
    """Names of the row, hidden ones too."""
    files = filesystems.below(run.folder("runs"), "*", dotted=True)
    return [file.path.rpartition("/")[2] for file in files]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From here on nothing may be moved, and nothing written."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a row was moved, or a table written")

    def start() -> None:
        monkeypatch.setattr(filesystems, "rename", refuse)
        monkeypatch.setattr(filesystems, "committing", refuse)

    return start


def test_the_end_of_a_late_attempt_leaves_a_run_that_is_finished(
    run: Run, shards: list[Shard], untouched: Callable[[], None]
) -> None:
    seen = runs_row.identity(run)
    path = evaluate(run, shards)
    untouched()
    assert attempts.write(run, seen, 2) == path


def test_an_end_that_is_done_again_leaves_what_it_has_written(
    run: Run, shards: list[Shard], untouched: Callable[[], None]
) -> None:
    """As an engine does where the answer of a worker was lost."""
    evaluate(run, shards[:1])
    seen = runs_row.identity(run)
    for shard in attempts.find(run, shards, seen):
        score(run, shard)
    path = attempts.write(run, seen, 2)
    untouched()
    assert attempts.write(run, seen, 2) == path


def test_the_beginning_of_a_late_attempt_leaves_a_run_that_is_finished(
    run: Run, shards: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other attempt is done between the listing and the look at the row."""
    seen, real = runs_row.identity(run), find_shards.split

    def split(*given: Any) -> Any:
        found = real(*given)
        monkeypatch.setattr(find_shards, "split", real)
        evaluate(run, shards)
        return found

    monkeypatch.setattr(find_shards, "split", split)
    assert attempts.find(run, shards, seen) == shards
    assert names(run) == [runs_row.FILE]
    for shard in shards:
        score(run, shard, (0, 1))
    assert names(run) == [runs_row.FILE]


def test_an_attempt_that_adds_shards_hides_the_row_that_it_saw(run: Run, shards: list[Shard]) -> None:
    evaluate(run, shards[:1])
    assert attempts.find(run, shards, runs_row.identity(run)) == shards[1:]
    assert runs_row.standing(run) is None


def test_a_unit_that_a_finished_run_does_not_count_hides_its_row(run: Run, shards: list[Shard]) -> None:
    """Two attempts with other shards: what the later one adds must not stand beside the row of the earlier one."""
    seen = runs_row.identity(run)
    evaluate(run, shards[:1])
    assert attempts.find(run, shards, seen) == shards[1:]
    assert names(run) == [runs_row.FILE]
    score(run, shards[1])
    assert runs_row.standing(run) is None
    attempts.write(run, seen, 2)
    assert names(run) == [runs_row.FILE]


def test_a_run_that_was_finished_since_with_other_tables_is_left_and_said(run: Run, shards: list[Shard]) -> None:
    evaluate(run, shards)
    stood = runs_row.identity(run)
    with pytest.raises(
        TablesError, match="'r1' was finished by another attempt while this one was at work, with other"
    ):
        attempts.write(run, None, 2, '{"slices": ["site"]}')
    assert runs_row.standing(run) == stood
    attempts.write(run, stood, 2, '{"slices": ["site"]}')
    assert runs_row.standing(run) not in (None, stood)


def test_a_run_that_another_attempt_finishes_while_the_tables_are_written_is_left(
    run: Run, shards: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in shards:
        score(run, shard)
    real, stood = run_files.write_tables, []

    def write_tables(*given: Any) -> str:
        monkeypatch.setattr(run_files, "write_tables", real)
        attempts.write(run, None, 2)
        stood.append(runs_row.identity(run))
        return real(*given)

    monkeypatch.setattr(run_files, "write_tables", write_tables)
    attempts.write(run, None, 2)
    assert [runs_row.standing(run)] == stood


@pytest.mark.parametrize("name", [runs_row.FILE, *runs_row.NOT_STANDING])
def test_a_row_keeps_its_identity_wherever_it_is(run: Run, shards: list[Shard], name: str) -> None:
    evaluate(run, shards)
    before = runs_row.identity(run)
    if name != runs_row.FILE:
        filesystems.rename(f"{run.folder('runs')}/{runs_row.FILE}", f"{run.folder('runs')}/{name}")
    assert runs_row.identity(run) == before
    assert runs_row.was_finished(run)


def test_a_newer_row_that_comes_between_the_look_and_the_move_is_put_back(
    run: Run, shards: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(run, shards)
    seen, real = runs_row.identity(run), runs_row.hide

    def hide(run: Run) -> None:
        monkeypatch.setattr(runs_row, "hide", real)
        attempts.write(run, seen, 2, '{"slices": ["site"]}')
        real(run)

    monkeypatch.setattr(runs_row, "hide", hide)
    assert runs_row.hide_seen(run, seen) is False
    assert names(run) == [runs_row.FILE]
    assert runs_row.standing(run) not in (None, seen)


def test_a_row_that_was_set_aside_does_not_replace_a_newer_one(run: Run, shards: list[Shard]) -> None:
    evaluate(run, shards)
    old = runs_row.identity(run)
    runs_row.set_aside(run)
    aside = [name for name in runs_row.NOT_STANDING if name in names(run)]
    filesystems.rename(f"{run.folder('runs')}/{aside[0]}", f"{run.folder('runs')}/kept")
    attempts.write(run, None, 2, '{"slices": ["site"]}')
    newer = runs_row.identity(run)
    filesystems.rename(f"{run.folder('runs')}/kept", f"{run.folder('runs')}/{aside[0]}")
    runs_row.put_back(run)
    assert (names(run), runs_row.identity(run)) == ([runs_row.FILE], newer)
    assert newer != old


def test_a_late_attempt_leaves_a_row_that_a_merge_has_set_aside(run: Run, shards: list[Shard]) -> None:
    evaluate(run, shards)
    runs_row.set_aside(run)
    before = names(run)
    attempts.write(run, None, 2)
    assert names(run) == before
    runs_row.put_back(run)
    assert names(run) == [runs_row.FILE]
