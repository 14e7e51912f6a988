"""SQL over the tables: the views, their types, and that nothing else can be read or written."""
# ruff: noqa: S608 - the statements are the point

import socket
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.explore import query
from dicebeam.components.runs import run_files
from dicebeam.schemas import tables
from dicebeam.schemas.errors import ConfigError, DamagedError, TablesError


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
    assert result.columns == ["view", "rows", "column", "type"]
    names = [column for view, _, column, _ in result.rows if view == "runs"]
    assert names == [*tables.RUNS.names, "eval_date", "run_id"]
    assert ("runs", "one row for each finished run", "started", "TIMESTAMP WITH TIME ZONE") in result.rows
    assert list(dict.fromkeys(row[0] for row in result.rows)) == ["failures", "runs", "finished_runs", "latest_run"]


@pytest.mark.parametrize("folder", ["nothing", "empty", "samples_only"])
def test_a_folder_without_a_complete_run(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    run = run_files.Run(str(tmp_path / "samples_only"), "2026-11-23", "r1", "c", "m")
    run_files.write_table(tables.samples_schema([]).empty_table(), run, "samples", "a.parquet")
    with pytest.raises(TablesError, match=r"expected the tables of a run in .*, but there is no complete run"):
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


@pytest.fixture
def secret(tmp_path, output):  # noqa: ARG001 - the folder that the links are in
    """A file beside the output folder, as text and as Parquet, and links to it from inside."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    other = tmp_path / "other" / "runs" / "eval_date=2026-11-23" / "run_id=r9"
    other.mkdir(parents=True)
    pq.write_table(pa.table({"status": ["secret"]}), other / "part-0.parquet")
    (tmp_path / "reports" / "link.csv").symlink_to(tmp_path / "secret.csv")
    (tmp_path / "reports" / "folder").symlink_to(tmp_path)
    return tmp_path


OTHER_FILES = [
    "read_csv('{}/secret.csv')", "read_text('{}/secret.csv')", "'{}/secret.csv'", "read_blob('{}/secret.csv')",
    "glob('{}/*')", "glob('{}/reports/../*')", "read_json('{}/secret.csv')", "sniff_csv('{}/secret.csv')",
    "'{}/other/runs/eval_date=2026-11-23/run_id=r9/part-0.parquet'", "parquet_metadata('{}/other/**/*.parquet')",
    "read_parquet('{}/reports/../other/**')", "read_text('{}/reports/../secret.csv')",
    "read_text('{}/reports/runs/../../secret.csv')", "read_text('{}/reports/./../secret.csv')",
    "read_text(['{}/reports/runs/**/*.parquet', '{}/secret.csv'])", "read_text('{}/reports/link.csv')",
    "read_text('{}/reports/folder/secret.csv')", "read_text('{}/reports/*.csv')", "read_text('{}/report*/link.csv')",
    "read_text('/proc/self/environ')", "read_text('/dev/stdin')", "read_text('file:///etc/passwd')", "'/etc/passwd'",
    "read_csv('/etc/passwd')", "read_text('~/.bashrc')", "read_duckdb('{}/secret.csv')", "duckdb_secrets()",
    "query('SELECT * FROM read_text(''{}/secret.csv'')')", "query_table('{}/secret.csv')",
]  # fmt: skip


@pytest.mark.parametrize("source", OTHER_FILES)
def test_other_files_cannot_be_read(output, secret, source):
    with pytest.raises(ConfigError, match=r"the query failed: (Permission|Catalog|Binder) Error"):
        query.query(output, f"SELECT * FROM {source.replace('{}', str(secret))}")


@pytest.mark.parametrize("folder", ["*", "[o]ther", "?ther"])
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_an_output_path_that_is_a_pattern_lets_nothing_else_in(secret, folder):
    write(secret / folder)
    with pytest.raises(ConfigError, match="the query failed: Permission Error"):
        query.query(str(secret / folder), f"FROM read_parquet('{secret}/{folder}/runs/*/run_id=r9/*.parquet')")


def test_a_table_file_that_is_a_link_out_of_the_folder_is_not_read(output, secret):
    place = secret / "reports" / "runs" / "eval_date=2026-11-23" / "run_id=r9"
    place.symlink_to(secret / "other" / "runs" / "eval_date=2026-11-23" / "run_id=r9")
    with pytest.raises(ConfigError, match="the query failed: Permission Error"):
        query.query(output, "SELECT status FROM runs")


@pytest.fixture
def server():
    """An address that nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            listening.accept()


@pytest.mark.parametrize("source", ["'http://{}/a.parquet'", "read_csv('http://{}/a')", "'s3://{}/a.parquet'"])
def test_the_network_is_not_reached(output, server, source):
    with pytest.raises(ConfigError, match=r"the query failed: (Permission|Catalog) Error"):
        query.query(output, f"SELECT * FROM {source.format(server)}")


@pytest.mark.parametrize("source", ["sqlite_scan('x.db', 'a')", "iceberg_scan('a')", "st_read('a')"])
def test_no_extension_is_fetched(output, source):
    with pytest.raises(ConfigError, match=r"the query failed: Catalog Error: .* is not in the catalog, but it exists"):
        query.query(output, f"SELECT * FROM {source}")


@pytest.mark.parametrize(
    "source",
    ["enable_logging()", "enable_logging('QueryLog', storage='file', storage_config={{'path': '{}/log'}})",
     "enable_profiling()", "enable_profiling(save_location='{}/profile')"],
)  # fmt: skip
def test_no_table_function_writes(output, tmp_path, source):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"the query failed: .*configuration"):
        query.query(output, f"SELECT * FROM {source.format(tmp_path)}")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("sql", ["SELECT getenv('HOME')", "FROM sql", "FROM output", "FROM connection", "FROM tables"])
def test_nothing_of_this_process_can_be_read(output, sql):
    with pytest.raises(ConfigError, match="the query failed: Catalog Error"):
        query.query(output, sql)


OTHER_STATEMENTS = [
    "PRAGMA database_list", "RESET TimeZone", "CALL enable_logging()", "LOAD httpfs", "USE memory", "DETACH memory",
    "VACUUM", "CHECKPOINT", "BEGIN", "IMPORT DATABASE 'a'",
]  # fmt: skip


@pytest.mark.parametrize("sql", OTHER_STATEMENTS)
def test_other_statements_are_refused(output, sql):
    for allow_files in (False, True):
        with pytest.raises(ConfigError, match="expected one SELECT, because the tables are read only"):
            query.query(output, sql, allow_files=allow_files)


def test_other_files_can_be_read_where_the_user_says_so(output, secret):
    sql = f"SELECT a, status FROM runs, read_csv('{secret}/secret.csv')"
    assert query.query(output, sql, allow_files=True).rows == [(1, "done")]
    with pytest.raises(ConfigError, match="expected one SELECT, because the tables are read only, but got COPY"):
        query.query(output, f"COPY runs TO '{secret}/out.csv'", allow_files=True)
    with pytest.raises(ConfigError, match="configuration"):
        query.query(output, f"FROM enable_profiling(save_location='{secret}/profile')", allow_files=True)


@pytest.mark.parametrize("folder", ["a=b", "run_id=zz", "eval_date=x/run_id=y", "run_id=zz/o'k", "%3D=%2F"])
def test_the_path_of_the_output_is_no_partition(tmp_path, folder):
    write(tmp_path / folder)
    result = query.query(str(tmp_path / folder), "SELECT * FROM runs")
    assert result.columns == [*tables.RUNS.names, "eval_date", "run_id"]
    assert result.rows[0][-2:] == (date(2026, 11, 23), "r1")


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM runs", "SELECT 1/", "SELECT 'a'::INT"])
def test_a_wrong_statement_says_what_duckdb_says(output, sql):
    with pytest.raises(ConfigError, match=r"the query failed: (Parser|Binder|Conversion) Error"):
        query.query(output, sql)


def test_times_are_utc(output):
    assert query.query(output, "SELECT current_setting('TimeZone')").rows == [("UTC",)]


def test_a_remote_output_is_refused():
    with pytest.raises(ConfigError, match=r"expected a local folder, but got 'gs://b/out': copy the tables"):
        query.query("gs://b/out", "SELECT 1")


def test_rows_are_made_as_they_are_read(output):
    with query.reading(output, "SELECT * FROM range(1000000000000)") as reader:  # 8 TB, were it made as a whole
        assert reader.read_next_batch().column(0)[0].as_py() == 0


def test_an_error_among_the_rows_is_one_of_the_statement(output):
    sql = "SELECT CASE WHEN range > 300000 THEN 'a' ELSE '1' END::INT FROM range(400000)"
    with (
        pytest.raises(ConfigError, match=r"the query failed: Conversion Error: .*'a'"),
        query.reading(output, sql) as reader,
    ):
        reader.read_all()


def test_an_error_of_the_reader_is_not_one_of_the_statement(output):
    with pytest.raises(OSError, match="No space left"), query.reading(output, "FROM runs"):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("name", "said"), [("slices", "but there is no file"), ("classes", "as well; delete that")])
def test_a_table_that_has_lost_a_file_or_has_one_more_is_named(output, name, said):
    place = run_files.Place(output, "2026-11-23", "r1")
    write(output, "r2")
    for each in (place, run_files.Place(output, "2026-11-23", "r2")):
        for table in ("classes", "slices"):
            run_files.write_table(tables.FIXED[table].empty_table(), each, table, "part-0.parquet")
    assert query.query(output, f"FROM {name}").rows == []
    if name == "slices":
        Path(place.folder(name), "part-0.parquet").unlink()
    else:
        run_files.write_table(tables.CLASSES.empty_table(), place, name, "part-1.parquet")
    with pytest.raises(DamagedError, match=f"^expected `{name}` of run 'r1' in .*{said}"):
        query.query(output, f"FROM {name}")


def test_failures_that_were_lost_are_missed(output):
    place = run_files.Place(output, "2026-11-23", "r1")
    row = pa.Table.from_pylist([{"status": "done", "failed": 2}], schema=tables.RUNS)
    run_files.write_table(row, place, "runs", "part-0.parquet", {tables.UNITS_METADATA: b"0:0"})
    with pytest.raises(
        DamagedError, match=r"^expected 2 rows in .*/failures/.*run 'r1' says, but there are 1; evaluate"
    ):
        query.query(output, "FROM failures")
