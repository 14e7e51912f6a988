"""A gate, a page and a night of an output with many old runs: they read no more of them than of a few."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from benchmarks import old_runs
from dicebeam.components.report import trend
from dicebeam.components.runs import last_run, run_files
from dicebeam.components.storage import filesystems
from dicebeam.components.verdict import verdict_files
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.schemas import tables
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import TablesError
from dicebeam.schemas.verdict import NO_BASELINE, PASS
from tests.support import kept_demo, run_rows

FEW, MANY = 2, 130
ROW = "runs"


def settings(folder: Path, count: int) -> Config:
    return kept_demo.config(folder, "bootstrap.replicates=20", f"output={folder}/{count}", "gate.baseline=blessed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs with a few and with many old runs before the run of a night, named by how many."""
    folder = kept_demo.make(tmp_path_factory.mktemp("old") / "demo", 120, {"tonight": ["bootstrap.replicates=20"]})
    shutil.move(folder / "reports", folder / str(FEW))
    config = settings(folder, FEW)
    found = verdict.decide(config, "tonight", "previous")
    verdict_files.write(found.past.run, found.verdict)
    shutil.copytree(folder / str(FEW), folder / str(MANY))
    for count in (FEW, MANY):
        old_runs.add(f"{folder}/{count}", "tonight", count)
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Files of each table that were opened, and listings of it that were made as "listed:TABLE"."""
    found: Counter[str] = Counter()
    real, match = filesystems.reading_stored, filesystems.match

    def table(path: str) -> str:
        return path.partition("/eval_date=")[0].rpartition("/")[2]

    @contextmanager
    def reading(path: str) -> Iterator[BinaryIO]:
        found[table(path)] += 1
        with real(path) as file:
            yield file

    def listed(pattern: str, **how: bool) -> object:
        found[f"listed:{table(pattern)}"] += 1
        return match(pattern, **how)

    monkeypatch.setattr(filesystems, "reading_stored", reading)
    monkeypatch.setattr(filesystems, "match", listed)
    return found


def without_blessings(opened: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in opened.items() if not re.search(r"gate|^\d{8}\.json$", name)}


def damage_rows(folder: Path, output: str, *but: str) -> None:
    for row in folder.glob(f"{output}/runs/*/*/part-0.parquet"):
        if row.parent.name.removeprefix("run_id=") not in but:
            row.write_bytes(row.read_bytes()[:-9])


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """An output with a few old runs of its own, to be damaged."""
    shutil.copytree(made / str(FEW), made / tmp_path.name / str(FEW))
    return Path(tmp_path.name, str(FEW))


@pytest.mark.parametrize("baseline", ["blessed", old_runs.run_id(0)])
def test_a_gate_reads_as_much_of_many_old_runs_as_of_a_few(made: Path, opened: Counter[str], baseline: str) -> None:
    found = []
    for count in (FEW, MANY):
        opened.clear()
        assert verdict.decide(settings(made, count), "tonight", baseline).verdict.verdict == PASS
        found.append(without_blessings(opened))
    assert found[0] == found[1]
    assert (found[0][ROW], found[0][f"listed:{ROW}"]) == (2, 1)


@pytest.mark.parametrize("run_id", [None, "tonight"])
def test_a_search_reads_the_rows_of_the_last_days(made: Path, opened: Counter[str], run_id: str | None) -> None:
    found = verdict.decide(settings(made, MANY), run_id, "previous").verdict
    assert (found.run_id, found.baseline_run_id) == ("tonight", old_runs.run_id(MANY - 1))
    days = (last_run.LONGEST_DAYS + 1) * old_runs.NIGHTS_A_DAY + last_run.NAMES_AT_ONCE
    assert opened[ROW] <= 1 + days * (3 if run_id is None else 1) < 3 * MANY


def test_a_page_reads_a_bounded_number_of_old_runs(made: Path, opened: Counter[str]) -> None:
    report.write_report(settings(made, MANY), "tonight", out=f"{made}/page.html")
    assert opened[ROW] <= trend.RUNS_LOOKED_AT + 1 < MANY
    assert opened["slices"] <= trend.NIGHTS + 2
    assert opened[f"listed:{ROW}"] == 1


def test_no_damaged_row_stops_a_gate_that_does_not_need_it(made: Path, copy: Path) -> None:
    damage_rows(made, str(copy), "tonight", old_runs.run_id(0))
    config = settings(made, FEW).model_copy(update={"output": f"{made}/{copy}"})
    assert verdict.decide(config, "tonight", old_runs.run_id(0)).verdict.verdict == PASS


@pytest.mark.parametrize("baseline", ["previous", old_runs.run_id(1)])
def test_a_damaged_row_that_is_needed_is_no_baseline_and_names_the_file(made: Path, copy: Path, baseline: str) -> None:
    damage_rows(made, str(copy), "tonight", old_runs.run_id(0))
    config = settings(made, FEW).model_copy(update={"output": f"{made}/{copy}"})
    found = verdict.decide(config, "tonight", baseline).verdict
    (reason,) = found.reasons
    assert found.verdict == NO_BASELINE
    assert f"run_id={old_runs.run_id(1)}/part-0.parquet, but it is damaged: " in reason
    assert f"; to write it anew: dicebeam summarize CONFIG.yaml --run-id {old_runs.run_id(1)}" in reason


def test_a_damaged_row_of_the_run_itself_is_an_error_that_names_the_file(made: Path, copy: Path) -> None:
    damage_rows(made, str(copy))
    config = settings(made, FEW).model_copy(update={"output": f"{made}/{copy}"})
    for run_id in ("tonight", None):
        with pytest.raises(TablesError, match=r"run_id=tonight/part-0\.parquet, but it is damaged: "):
            verdict.find_run(config, run_id, ())


def test_a_page_leaves_a_damaged_run_out_and_says_so(made: Path, copy: Path) -> None:
    damage_rows(made, str(copy), "tonight", old_runs.run_id(0))
    config = settings(made, FEW).model_copy(update={"output": f"{made}/{copy}"})
    page = Path(report.write_report(config, "tonight", out=f"{made}/{copy}.html")).read_text()
    assert f"A run is left out: expected the row of run &#39;{old_runs.run_id(1)}&#39;" in page


def test_the_last_run_is_not_replaced_by_an_older_one_while_its_row_is_hidden(made: Path, copy: Path) -> None:
    (row,) = made.glob(f"{copy}/runs/*/run_id=tonight/part-0.parquet")
    row.rename(row.with_name(".part-0.parquet.before"))
    config = settings(made, FEW).model_copy(update={"output": f"{made}/{copy}"})
    message = r"^the run that finished last is 'tonight', but its row in `runs` is not there: .* --run-id tonight; to"
    with pytest.raises(TablesError, match=message):
        verdict.find_run(config, None, ())


def test_a_run_that_is_not_valid_is_not_the_last_one(made: Path, copy: Path) -> None:
    output = f"{made}/{copy}"
    config = settings(made, FEW).model_copy(update={"output": output})
    left = [past.run_id for past in run_rows.finished_runs(output)]
    while left:
        assert verdict.find_run(config, None, ())[0].run_id == left[0]
        past, _ = verdict.find_run(config, left.pop(0), ())
        row = pa.Table.from_pylist([{**past.row, "status": "nothing_scored"}], schema=tables.RUNS)
        run_files.write_table(row, past.run, "runs", "part-0.parquet")
    with pytest.raises(
        TablesError,
        match=r"expected a run of status done, but there is none; the last one, 'tonight', has the status",
    ):
        verdict.find_run(config, None, ())
