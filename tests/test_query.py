"""SQL over the tables: the views, their types, and that nothing else can be read or written."""

import pyarrow as pa
import pytest

from components import query, run_files
from schemas import tables
from schemas.errors import ConfigError, ReportError


def write(output, run_id="r1", eval_date="2026-11-23", **columns):
    run = run_files.Run(str(output), eval_date, run_id, "c", "m")
    row = {"status": "done", "records": 3, "scored": 2, "failed": 1, **columns}
    run_files.write_table(pa.Table.from_pylist([row], schema=tables.RUNS), run, "runs", "part-0.parquet")
    failure = {"shard": "s", "record": 1, "message": "it's wrong"}
    failures = pa.Table.from_pylist([failure], schema=tables.FAILURES)
    run_files.write_table(failures, run, "failures", "part-0.parquet")


@pytest.fixture
def output(tmp_path):
    write(tmp_path / "reports")
    return str(tmp_path / "reports")


def test_columns_and_rows(output):
    result = query.query(output, "SELECT status, scored + failed AS n FROM runs")
    assert result == query.Result(["status", "n"], [("done", 3)])


def test_partition_keys_are_columns(output):
    result = query.query(output, "SELECT run_id, eval_date::VARCHAR, typeof(run_id), typeof(eval_date) FROM failures")
    assert result.rows == [("r1", "2026-11-23", "VARCHAR", "DATE")]


def test_several_runs_are_one_table(output):
    write(output, "r2", "2026-11-24")
    assert query.query(output, "SELECT count(*), count(DISTINCT run_id) FROM runs").rows == [(2, 2)]


def test_tables_that_are_not_there_have_no_view(output):
    with pytest.raises(ConfigError, match=r"the query failed: .*Table with name samples does not exist"):
        query.query(output, "SELECT * FROM samples")


def test_views_lists_every_column_of_the_schema(output):
    result = query.views(output)
    assert result.columns == ["view", "column", "type"]
    names = [column for view, column, _ in result.rows if view == "runs"]
    assert names == [*tables.RUNS.names, "eval_date", "run_id"]
    assert ("runs", "started", "TIMESTAMP WITH TIME ZONE") in result.rows


@pytest.mark.parametrize("folder", ["nothing", "empty", "samples_only"])
def test_a_folder_without_a_complete_run(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    run = run_files.Run(str(tmp_path / "samples_only"), "2026-11-23", "r1", "c", "m")
    run_files.write_table(tables.samples_schema([]).empty_table(), run, "samples", "a.parquet")
    with pytest.raises(ReportError, match=r"expected the tables of a run in .*, but there is no complete run"):
        query.query(str(tmp_path / folder), "SELECT 1")


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("name", ["it's", 'a"b', "a[1]", "a*b", "a b", "'); DROP"])
def test_odd_characters_in_the_output_path(tmp_path, name):
    write(tmp_path / name)
    write(tmp_path / "a1b")  # what the pattern would match
    assert query.query(str(tmp_path / name), "SELECT count(*) FROM runs").rows == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM runs", "DESCRIBE runs", "SHOW TABLES", "SUMMARIZE runs", "WITH a AS (SELECT 1) FROM a", "VALUES (1)",
        "EXPLAIN SELECT 1", "SELECT 1;", "-- a comment\nSELECT 1",
    ],
)  # fmt: skip
def test_what_reads_is_allowed(output, sql):
    assert query.query(output, sql).columns


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("COPY (SELECT 1) TO '{}/x.csv'", "COPY"),
        ("COPY runs TO '{}/x.parquet'", "COPY"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO '{}/x.csv'", "EXPLAIN"),
        ("EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{}/x.csv'", "EXPLAIN"),
        ("PREPARE p AS COPY (SELECT 1) TO '{}/x.csv'", "PREPARE"),
        ("ATTACH '{}/x.db'", "ATTACH"),
        ("EXPORT DATABASE '{}/x'", "EXPORT"),
        ("SELECT 1; COPY (SELECT 1) TO '{}/x.csv'", "SELECT, COPY"),
        ("SELECT 1; SELECT 2", "SELECT, SELECT"),
        ("CREATE TABLE a AS SELECT 1", "CREATE"),
        ("INSERT INTO runs VALUES (1)", "INSERT"),
        ("DELETE FROM runs", "DELETE"),
        ("DROP VIEW runs", "DROP"),
        ("SET threads = 1", "SET"),
        ("INSTALL httpfs", "LOAD"),
        ("", "nothing"),
        ("-- only a comment", "nothing"),
    ],
)
def test_what_writes_is_refused(output, tmp_path, sql, kind):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=f"expected one SELECT, because the tables are read only, but got {kind}$"):
        query.query(output, sql.format(output))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{}')", "SELECT * FROM read_text('{}')", "SELECT * FROM '{}'",
        "SELECT * FROM read_blob('{}')", "SELECT * FROM glob('{}')",
    ],
)  # fmt: skip
def test_other_files_cannot_be_read(output, tmp_path, sql):
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"the query failed: (Permission|Catalog) Error"):
        query.query(output, sql.format(secret))


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM runs", "SELECT 1/", "SELECT 'a'::INT"])
def test_a_wrong_statement_says_what_duckdb_says(output, sql):
    with pytest.raises(ConfigError, match=r"the query failed: (Parser|Binder|Conversion) Error"):
        query.query(output, sql)


def test_times_are_utc(output):
    assert query.query(output, "SELECT current_setting('TimeZone')").rows == [("UTC",)]


def test_a_remote_output_is_refused():
    with pytest.raises(ConfigError, match=r"expected a local folder, but got 'gs://b/out': copy the tables"):
        query.query("gs://b/out", "SELECT 1")
