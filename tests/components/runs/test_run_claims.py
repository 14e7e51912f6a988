"""A run id has one date, whoever begins it, and when."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pytest

from dicebeam.components.runs import analysis_files, run_claims, run_files, runs_row
from dicebeam.components.storage import exclusive_files
from dicebeam.schemas import datasets, tables
from dicebeam.schemas.errors import StorageError, TablesError
from tests.support import run_rows

BEFORE = datetime(2026, 11, 24, 23, 59, 59, 999999, tzinfo=UTC)
AFTER = datetime(2026, 11, 25, tzinfo=UTC)


def claim(output: object, now: datetime = AFTER, run_id: str = "r1") -> str:
    return run_claims.claim(str(output), run_id, now, "samples")


def add(output: object, date: str, table: str = "samples", run_id: str = "r1", file: str = "part-0.parquet") -> Path:
    place = run_files.Place(str(output), date, run_id)
    return Path(run_files.write_table(pa.table({"a": [1]}), place, table, file))


def test_the_first_clock_decides(tmp_path: Path) -> None:
    assert claim(tmp_path, BEFORE) == claim(tmp_path, AFTER) == "2026-11-24"
    assert claim(tmp_path, BEFORE, "r2") == "2026-11-24"
    assert claim(tmp_path, AFTER, "r3") == "2026-11-25"


def test_the_date_is_utc(tmp_path: Path) -> None:
    assert claim(tmp_path, AFTER.astimezone(timezone(-timedelta(hours=5)))) == "2026-11-25"


def test_the_loser_of_a_race_takes_the_winners_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen that nobody has claimed it."""
    real, first = exclusive_files.create, iter([True])

    def create(path: str, data: bytes) -> bool:
        if next(first, False):
            assert claim(tmp_path, BEFORE) == "2026-11-24"
        return real(path, data)

    monkeypatch.setattr(exclusive_files, "create", create)
    assert claim(tmp_path, AFTER) == "2026-11-24"


@pytest.mark.usefixtures("remote")
@pytest.mark.parametrize("where", ["disk", "gs://bucket/out"])
def test_many_at_midnight_have_one_date(where: str, tmp_path: Path) -> None:
    output = str(tmp_path) if where == "disk" else where
    for number in range(10):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda now: claim(output, now, f"r{number}"), [BEFORE, AFTER] * 4))  # noqa: B023
        assert len(set(found)) == 1


def begin(output: str, now: datetime, run_id: str) -> str:
    return claim(output, now, run_id)


def test_processes_at_midnight_have_one_date(tmp_path: Path) -> None:
    given = [(str(tmp_path), now, f"r{n}") for n, now in itertools.product(range(10), [BEFORE, AFTER])]
    with get_context("spawn").Pool(2) as pool:
        found = pool.starmap(begin, given, 1)
    assert found[0::2] == found[1::2]


@pytest.mark.parametrize(
    ("table", "file"),
    [
        ("samples", "x.parquet"), ("runs", "part-0.parquet"), ("datasets", "part-0.parquet"),
        *(("runs", name) for name in runs_row.NOT_STANDING),
    ],
)  # fmt: skip
def test_what_an_earlier_version_began_keeps_its_date(tmp_path: Path, table: str, file: str) -> None:
    add(tmp_path, "2026-11-20", table, file=file)
    assert claim(tmp_path) == "2026-11-20"
    assert run_claims.read(str(tmp_path), "r1") == "2026-11-20"


def test_an_analysis_and_an_evaluation_of_one_id_have_one_date(tmp_path: Path) -> None:
    analysis = run_claims.claim(str(tmp_path), "r1", BEFORE, "datasets")
    assert run_claims.claim(str(tmp_path), "r1", AFTER, "samples") == analysis


@pytest.mark.parametrize("table", ["samples", "runs", "datasets"])
def test_an_id_under_two_dates_is_refused(tmp_path: Path, table: str) -> None:
    for date in ("2026-11-20", "2026-11-21"):
        add(tmp_path, date, table)
    with pytest.raises(
        TablesError, match=r"run 'r1' .* several dates, \['2026-11-20', '2026-11-21'\], .*delete the fo"
    ):
        claim(tmp_path)


def test_samples_and_a_row_under_two_dates_are_refused(tmp_path: Path) -> None:
    add(tmp_path, "2026-11-20", "samples")
    add(tmp_path, "2026-11-21", "runs")
    with pytest.raises(TablesError, match=r"\['2026-11-20', '2026-11-21'\]"):
        claim(tmp_path)


def test_a_claim_that_the_files_contradict_is_refused(tmp_path: Path) -> None:
    assert claim(tmp_path) == "2026-11-25"
    add(tmp_path, "2026-11-20")
    with pytest.raises(
        TablesError, match=r"claimed for 2026-11-25 in .*/r1\.json, but its files are under 2026-11-20: d"
    ):
        claim(tmp_path)
    Path(run_claims.path(str(tmp_path), "r1")).unlink()
    assert claim(tmp_path) == "2026-11-20"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"run_id": "r1", "eval_date": "2026-13-01"}', '{"run_id": "r2"}', "\udc80"]
)
def test_a_damaged_claim_is_named(tmp_path: Path, text: str) -> None:
    claim(tmp_path)
    path = Path(run_claims.path(str(tmp_path), "r1"))
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(
        TablesError, match=r"expected the date of run 'r1' in .*/_claims/r1\.json, but it is damaged; del"
    ):
        claim(tmp_path)


def test_a_new_id_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["r1", "r1", "r1", "r2"])
    monkeypatch.setattr(run_files, "new_run_id", lambda _: next(drawn))
    found = [run_claims.claim_new(str(tmp_path), AFTER, "samples") for _ in range(2)]
    assert found == [("r1", "2026-11-25"), ("r2", "2026-11-25")]


def test_a_claim_is_no_file_of_a_table(tmp_path: Path) -> None:
    claim(tmp_path, run_id="x.parquet")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x.parquet.json"]
    assert run_rows.finished_runs(str(tmp_path)) == []


# readers


def finish(output: Path, date: str, run_id: str = "r1") -> run_files.Run:
    run = run_files.Run(str(output), date, run_id, "c", "m")
    row = {"status": "done", "scored": 1, "failed": 0, "finished": AFTER}
    run_files.write_table(pa.Table.from_pylist([row], schema=tables.RUNS), run, "runs", runs_row.FILE)
    return run


def test_finished_runs_refuse_an_id_under_two_dates(tmp_path: Path) -> None:
    finish(tmp_path, "2026-11-20")
    finish(tmp_path, "2026-11-20", "other")
    finish(tmp_path, "2026-11-21")
    with pytest.raises(TablesError, match=r"run 'r1' .* \['2026-11-20', '2026-11-21'\]"):
        run_rows.finished_runs(str(tmp_path))


@pytest.mark.parametrize("both", [True, False])
def test_hidden_rows_count_too(tmp_path: Path, both: bool) -> None:
    runs_row.set_aside(finish(tmp_path, "2026-11-20"))
    other = finish(tmp_path, "2026-11-21")
    if both:
        runs_row.hide(other)
    with pytest.raises(TablesError, match=r"run 'r1' .* \['2026-11-20', '2026-11-21'\]"):
        run_rows.hidden_runs(str(tmp_path))


def test_one_run_with_two_hidden_rows_is_one(tmp_path: Path) -> None:
    run = finish(tmp_path, "2026-11-20")
    row = Path(run.folder("runs"), runs_row.FILE)
    for name in runs_row.NOT_STANDING:
        row.with_name(name).write_bytes(row.read_bytes())
    row.unlink()
    assert [past.run_id for past in run_rows.hidden_runs(str(tmp_path))] == ["r1"]


def test_an_analysis_under_two_dates_is_refused(tmp_path: Path) -> None:
    for date in ("2026-11-20", "2026-11-21"):
        place = run_files.Place(str(tmp_path), date, "r1")
        run_files.write_table(datasets.DATASETS.empty_table(), place, "datasets", runs_row.FILE)
    with pytest.raises(TablesError, match="run 'r1' is there under several dates"):
        analysis_files.find(str(tmp_path), "r1")


def test_a_claim_that_is_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    where = Path(run_claims.path(str(tmp_path), "r1"))
    where.parent.mkdir(parents=True)
    where.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match=rf"^{where} cannot be read: .*is a link to .*, where nothing is; "):
        claim(tmp_path)
