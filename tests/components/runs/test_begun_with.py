"""The shards that a run was begun with stay known: it may get more, and never fewer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicebeam.components.runs import begun_with, run_files
from dicebeam.components.runs.run_files import Place
from dicebeam.schemas.errors import TablesError
from tests.support import memory_storage


@pytest.fixture(params=["disk", "bucket"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    if request.param == "bucket":
        memory_storage.install(monkeypatch)
        return Place("gs://b/out", "2026-11-24", "r1")
    return Place(f"{tmp_path}/out", "2026-11-24", "r1")


def test_nobody_knows_of_a_run_that_was_never_planned(run: Place) -> None:
    assert begun_with.read(run) is None
    begun_with.check(run, [])


def test_a_run_goes_on_with_its_shards_and_with_more(run: Place) -> None:
    for shards in (["/d/b", "/d/a"], ["/d/a", "/d/b"], ["/d/a", "/d/b", "/d/c"], ["/d/c", "/d/b", "/d/a"]):
        begun_with.note(run, shards)
        assert begun_with.read(run) == sorted(shards)
    assert run_files.find_eval_date(run.output, run.run_id) is None


def test_shards_that_are_gone_are_named_and_stay_known(run: Place) -> None:
    begun_with.note(run, [f"/d/{i}" for i in range(9)])
    refused = (
        r"'r1' was begun with 9 shards, of which `examples` does not match 5 any more: /d/0, /d/1, /d/2 and 2 more "
        r"\(there are 1 new ones: /d/new\)\. Put them back, or use another --run-id; .* delete \S+/_shards/r1\.json\.gz"
    )
    for step in (begun_with.note, begun_with.check, begun_with.note):
        with pytest.raises(TablesError, match=refused):
            step(run, ["/d/5", "/d/6", "/d/7", "/d/8", "/d/new"])
    begun_with.note(run, [f"/d/{i}" for i in range(9)])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=st.lists(st.sets(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=4), min_size=1))
def test_of_any_plans_every_one_has_what_those_before_had(plans: list[set[str]], tmp_path_factory: object) -> None:
    run = Place(str(tmp_path_factory.mktemp("any")), "2026-11-24", "r1")  # type: ignore[attr-defined]
    known: set[str] = set()
    for place, shards in enumerate(plans):
        if place and not known <= shards:
            with pytest.raises(TablesError):
                begun_with.note(run, shards)
        else:
            begun_with.note(run, shards)
            known = shards
        assert begun_with.read(run) == sorted(known)


CUTS: list[Callable[[bytes], bytes]] = [lambda data: data[:0], lambda data: data[:-5], lambda data: b"\0" + data[1:]]


@pytest.mark.parametrize("damage", CUTS)
def test_a_damaged_list_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    run = Place(f"{tmp_path}/out", "2026-11-24", "r1")
    begun_with.note(run, ["/d/a"])
    path = Path(begun_with.path(run))
    path.write_bytes(damage(path.read_bytes()))
    for step in (begun_with.note, begun_with.check):
        with pytest.raises(TablesError, match=r"was begun with in \S+/r1\.json\.gz, but it is damaged; delete it if"):
            step(run, ["/d/a"])


def test_a_list_of_another_run_is_not_this_ones(tmp_path: Path) -> None:
    run, other = (Place(f"{tmp_path}/out", "2026-11-24", run_id) for run_id in ("r1", "r2"))
    begun_with.note(other, ["/d/a"])
    Path(begun_with.path(other)).rename(begun_with.path(run))
    with pytest.raises(TablesError, match="but it is damaged"):
        begun_with.check(run, ["/d/a"])
