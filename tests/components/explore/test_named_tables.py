"""Which tables a statement names, and that no file of another one is opened."""

from pathlib import Path

import pytest

from dicebeam.components.explore import named_tables, query, unopened
from dicebeam.schemas import tables
from dicebeam.schemas.errors import ConfigError
from tests.support import history

EVERY = {"runs", "classes", "samples", "latest_run"}


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("FROM runs", {"runs"}),
        ('SELECT * FROM "Runs"', {"runs"}),
        ("FROM main.latest_run", {"latest_run"}),
        ("SELECT count(*) AS samples FROM runs", {"runs"}),
        ("WITH runs AS (SELECT 1 AS classes) FROM runs", set()),
        ("WITH runs AS (SELECT * FROM runs) FROM runs", {"runs"}),
        ("SELECT * FROM runs WHERE run_id IN (SELECT run_id FROM classes)", {"runs", "classes"}),
        ("FROM query_table('runs')", {"runs"}),
        ("FROM query('FROM runs')", {"runs"}),
        ("DESCRIBE runs", {"runs"}),
        ("SUMMARIZE runs", {"runs"}),
        ("EXPLAIN FROM runs, classes", {"runs", "classes"}),
        ("SELECT 1", set()),
        ("SHOW TABLES", set()),
        ("FROM lastest_run", set()),
        ("FROM runs JOIN classes USING (run_id)", {"runs", "classes"}),
        ("PIVOT runs ON status USING count(*)", {"runs"}),
        ("FROM query_table('ru' || 'ns')", EVERY),
    ],
)
def test_what_a_statement_names(sql: str, names: set[str]) -> None:
    assert named_tables.named(sql, EVERY) == names


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Tables of which no file but those of `runs` can be opened."""
    history.make(tmp_path, 2, 12)
    for file in tmp_path.rglob("*.parquet"):
        if "runs" not in file.parts[-4]:
            file.write_bytes(b"no Parquet file")
    return tmp_path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS samples FROM runs",
        "SELECT count(*) FROM latest_run",
        "SELECT 1",
        "SELECT count(*) FROM duckdb_views() WHERE view_name = 'samples'",
    ],
)
def test_a_table_that_is_not_named_is_not_opened(damaged: Path, sql: str) -> None:
    assert query.query(str(damaged), sql).rows[0][0] > 0


def test_the_list_of_tables_and_views_opens_no_file(damaged: Path) -> None:
    for file in damaged.rglob("*.parquet"):
        file.write_bytes(b"no Parquet file")
    listed = query.views(str(damaged)).rows
    assert {row[0] for row in listed} > set(tables.TABLES)
    assert [row[2] for row in listed if row[0] == "runs"] == [*tables.RUNS.names, "eval_date", "run_id"]


def test_what_is_listed_is_what_is_there(nights: tuple[str, object]) -> None:
    listed: dict[str, list[tuple[str, str]]] = {}
    for name, _, column, kind in query.views(nights[0]).rows:
        listed.setdefault(name, []).append((column, kind))
    assert {name: [row[:2] for row in query.query(nights[0], f"DESCRIBE {name}").rows] for name in listed} == listed


def test_what_cannot_be_read_is_an_error_and_never_empty(nights: tuple[str, object]) -> None:
    with query.connect(nights[0], "SHOW TABLES") as connection:
        for sql in ("FROM runs", "SELECT count(*) FROM latest_run"):
            with pytest.raises(Exception, match="runs is not opened, because the statement does not name it"):
                connection.execute(sql).fetchall()


def test_a_misspelt_name_is_told_the_right_one(nights: tuple[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"lastest_run does not exist!\s+Did you mean \"latest_run\""):
        query.query(nights[0], "FROM lastest_run")


def test_a_table_is_there_if_any_date_has_a_file(tmp_path: Path) -> None:
    assert not unopened.is_there(str(tmp_path), "runs")
    for date in ("eval_date=2026-11-24", "eval_date=2026-11-25", ".hidden"):
        (tmp_path / "runs" / date / "run_id=r1").mkdir(parents=True)
    assert not unopened.is_there(str(tmp_path), "runs")
    (tmp_path / "runs/eval_date=2026-11-24/run_id=r1/part-0.parquet").touch()
    assert unopened.is_there(str(tmp_path), "runs")


def test_many_dates_take_no_more_listings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history.make(tmp_path, 40, 12)
    listings: list[str] = []
    real = unopened.filesystems.below
    monkeypatch.setattr(
        unopened.filesystems,
        "below",
        lambda folder, pattern, **how: listings.append(folder) or real(folder, pattern, **how),
    )
    assert query.query(str(tmp_path), "SELECT count(*) FROM runs").rows == [(41,)]
    assert len(listings) <= 2 * len(tables.TABLES)
