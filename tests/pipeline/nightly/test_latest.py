"""The gate without a run id: the last run of status done, with what finished later said."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.pipeline import cli
from dicebeam.pipeline.nightly import verdict
from dicebeam.schemas.errors import TablesError
from dicebeam.schemas.verdict import INVALID
from tests.support import kept_demo, rewriting
from tests.support.kept_demo import CHECK, WORSE, config

SAID = "run v2 finished later than v1, but its status is over_failure_budget: 0 of 60 records failed"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_demo.kept(kept_demo.make(tmp_path_factory.mktemp("latest") / "demo", 60, {"v1": [], "v2": [WORSE]}))


@pytest.fixture
def folder(made: Path) -> Path:
    return kept_demo.restored(made)


def set_status(folder: Path, run_id: str, status: str) -> None:
    (path,) = (folder / "reports/runs").glob(f"*/run_id={run_id}/part-0.parquet")
    rows = pq.read_table(path, partitioning=None)
    place = rows.schema.get_field_index("status")
    rewriting.rewrite(path, rows.set_column(place, "status", pa.array([status])))


@pytest.mark.parametrize("status", ["over_failure_budget", "shard_cut_short", "nothing_scored"])
def test_a_run_that_is_not_done_is_not_the_latest(folder: Path, status: str) -> None:
    set_status(folder, "v2", status)
    said: list[str] = []
    found = verdict.decide(config(folder), None, tell=said.append).verdict
    assert found.run_id == "v1"
    (line,) = said
    assert line.startswith(f"run v2 finished later than v1, but its status is {status}: ")
    assert line.endswith("; to judge it: --run-id v2")
    assert line in found.reasons


def test_it_is_judged_when_it_is_named(folder: Path) -> None:
    set_status(folder, "v2", "over_failure_budget")
    said: list[str] = []
    found = verdict.decide(config(folder), "v2", tell=said.append).verdict
    assert (found.run_id, found.verdict, said) == ("v2", INVALID, [])


def test_a_run_that_is_chosen_has_nothing_said_of_later_ones(folder: Path) -> None:
    set_status(folder, "v2", "over_failure_budget")
    assert not any("finished later" in reason for reason in verdict.decide(config(folder), "v1").verdict.reasons)


def test_where_no_run_is_done_there_is_a_clear_error(folder: Path) -> None:
    for run_id in ("v1", "v2"):
        set_status(folder, run_id, "over_failure_budget")
    with pytest.raises(TablesError, match=r"expected a run of status done, but .* 'v2', .*; to judge it: --run-id v2"):
        verdict.decide(config(folder), None)


@pytest.mark.parametrize("name", [".part-0.parquet.before", ".part-0.parquet.aside"])
def test_an_older_run_is_not_judged_in_place_of_a_hidden_one(folder: Path, name: str) -> None:
    (row,) = (folder / "reports/runs").glob("*/run_id=v2/part-0.parquet")
    row.rename(row.with_name(name))
    with pytest.raises(TablesError, match=r"the run that finished last is 'v2', but its row .* summarize"):
        verdict.decide(config(folder), None)
    assert verdict.decide(config(folder), "v1").verdict.run_id == "v1"


def test_the_command_says_it_on_standard_error_and_in_every_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_status(folder, "v2", "over_failure_budget")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["gate", f"{folder}/config.yaml", "--set", CHECK])
    assert stopped.value.code == 4  # no baseline
    assert SAID in capsys.readouterr().err
    (gate,) = folder.glob("reports/gate/*/run_id=v1")
    assert SAID in " ".join(json.loads((gate / "verdict.json").read_text())["reasons"])
    assert SAID in (gate / "junit.xml").read_text()
    assert "finished later than v1" in (gate / "summary.md").read_text()
