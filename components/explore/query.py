"""SQL over the tables of an output folder, with DuckDB, read-only: the tables, and the views of schemas/views.sql."""

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from ...schemas import partitions, tables
from ...schemas.errors import ConfigError, TablesError
from ..storage import filesystems
from . import castings, checked_files, named_tables, sql_views, unopened
from .unopened import Columns

BATCH_ROWS = 10_000
_OVER_FILES = "/files"
"""What is added to a table's name while views are made; no table has a "/" in its own."""
VIEWS = """
SELECT v.view_name AS "view", v.comment AS "rows", c.column_name AS "column", c.data_type AS "type"
FROM duckdb_views() AS v JOIN duckdb_columns() AS c ON c.table_oid = v.view_oid
WHERE NOT v.internal ORDER BY v.view_oid, c.column_index"""


@dataclass(frozen=True, slots=True)
class Result:
    """Column names and rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(output: str, sql: str, *, allow_files: bool = False) -> Result:
    """Run a statement over the tables and views of an output folder; all of its rows, in memory.

    Beside a table's columns every table has the partition keys `eval_date` (DATE) and `run_id`. The statement
    can read nothing but what really lies in the output folder, unless `allow_files` says that it may read other
    files and addresses; it never writes.

    Raises:
        TablesError: if there are no tables. ConfigError: if the statement is wrong.
    """
    with _asking(output, sql, allow_files=allow_files) as connection:
        cursor = connection.execute(sql)
        return Result([column[0] for column in cursor.description or []], cursor.fetchall())


@contextmanager
def reading(output: str, sql: str, *, allow_files: bool = False) -> Iterator[pa.RecordBatchReader]:
    """The rows of a statement as `query` takes it, in batches that are made as they are read.

    What Arrow would change is text, as `castings` has it.

    Raises:
        TablesError: if there are no tables. ConfigError: if the statement is wrong, also inside the block.
    """
    with _asking(output, sql, allow_files=allow_files) as connection:
        rows = castings.exact(connection.sql(sql)).to_arrow_reader(BATCH_ROWS)
        yield pa.RecordBatchReader.from_batches(rows.schema, _batches(rows))


def _batches(rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches; what Arrow makes an OSError of is DuckDB's, and no fault of a file that they are written to."""
    try:
        yield from rows
    except OSError as error:
        msg = f"the query failed: {error}"
        raise ConfigError(msg) from error


@contextmanager
def _asking(output: str, sql: str, *, allow_files: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        _check_reads_only(sql)
        with connect(output, sql, allow_files=allow_files) as connection:
            yield connection
    except duckdb.Error as error:
        msg = f"the query failed: {error}"
        raise ConfigError(msg) from error


def _check_reads_only(sql: str) -> None:
    """One SELECT (also written as FROM, DESCRIBE, SUMMARIZE or SHOW), or its plan.

    DuckDB can be kept from reading elsewhere, but where it can read it can write: COPY, ATTACH and EXPORT
    would put files between the tables.
    """
    statements = duckdb.extract_statements(sql)
    kinds = [statement.type for statement in statements]
    plan = kinds == [duckdb.StatementType.EXPLAIN] and not re.search("analy[sz]e", sql, re.IGNORECASE)
    if kinds != [duckdb.StatementType.SELECT] and not plan:
        has = ", ".join(kind.name for kind in kinds) or "nothing"
        msg = f"expected one SELECT, because the tables are read only, but got {has}"
        raise ConfigError(msg)


def connect(output: str, sql: str = "", *, allow_files: bool = False) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the tables and views, and that can open nothing else unless it is allowed to.

    With a statement, it opens those that the statement names and what these are made of, all files of which are held
    against their seals before. Where it names none, or asks what is there, the others can be listed, and reading one is
    an error.

    Raises:
        DamagedError: if a file of them is damaged, or that of another run.
        TablesError: if the folder has neither a `runs` nor a `datasets` table, or an id stands under two dates.
    """
    root = filesystems.absolute(output).rstrip("/")
    if filesystems.is_remote(root):
        msg = f"expected a local folder, but got {root!r}: copy the tables, or query them where they are"
        raise ConfigError(msg)
    present = [name for name in tables.TABLES if unopened.is_there(root, name)]
    if not {"runs", "datasets"} & set(present):
        msg = f"expected the tables of a run in {root!r}, but there is no complete run, nor an analysis"
        raise TablesError(msg)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")  # no variable of this program is a table
    connection.execute("SET parquet_metadata_cache = true")  # each view opens the files of its tables
    every = {*present, *(view.name for view in sql_views.possible(set(present), set(tables.TABLES)))}
    names = named_tables.named(sql, every) if sql else every
    opened = sql_views.with_their_tables(names, every)
    _check_one_date(root, opened & set(tables.TABLES))
    checked_files.check(root, sorted(opened & set(tables.TABLES)))
    _make_views(connection, root, opened, every if not names or sql_views.asks_what_is_there(sql) else opened)
    if not allow_files:
        _shut_in(connection, root)
    connection.execute("SET lock_configuration = true")
    return connection


def _check_one_date(root: str, opened: set[str]) -> None:
    """Refuse tables in which a run, or an analysis, stands under two dates: each of its rows would be there twice."""
    for group in (tables.OF_A_DATASET, set(tables.TABLES) - set(tables.OF_A_DATASET)):
        read = opened.intersection(group)
        also = {"runs"} if read and "runs" in group else set()
        partitions.check_one_date({place for name in read | also for place in unopened.places(root, name)}, root)


def _make_views(connection: duckdb.DuckDBPyConnection, root: str, opened: set[str], listed: set[str]) -> None:
    """Some tables over their files, others that can only be listed, and views, each with a comment of what a row is.

    Making a view looks at all files of its tables, so views are made while these are not under their names yet.
    """
    comments = {name: tables.ROWS[name] for name in tables.TABLES if name in listed}
    for name in comments:
        columns = unopened.columns(root, name)
        unopened.make(connection, name, _open(connection, root, name, columns) if name in opened else columns)
    for view in sql_views.views():
        if view.name in listed:
            connection.execute(view.statement)
            comments[view.name] = view.rows
    for name in opened & set(tables.TABLES):
        connection.execute(f"DROP VIEW {name}")
        connection.execute(f'ALTER VIEW "{name}{_OVER_FILES}" RENAME TO {name}')
    for name, comment in comments.items():
        connection.execute(f"COMMENT ON VIEW {name} IS '{_quoted(comment)}'")


def _open(connection: duckdb.DuckDBPyConnection, root: str, table: str, columns: Columns) -> Columns:
    """Make the view of a table over its files, under a name of its own; returns its columns.

    What no file has, because an older version wrote them all, is NULL.
    """
    made, rows = f'CREATE OR REPLACE VIEW "{table}{_OVER_FILES}" AS SELECT *', _rows(root, table)
    connection.execute(f"{made} FROM ({rows})")
    named = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index"
    there = dict(connection.execute(named, [table + _OVER_FILES]).fetchall())
    absent = {column: kind for column, kind in columns.items() if column not in there}
    if absent:
        nulls = "".join(f", NULL::{kind} AS {column}" for column, kind in absent.items())
        connection.execute(f"{made}{nulls} FROM ({rows})")
    return there | absent


def _rows(root: str, table: str) -> str:
    """SQL for every row of a table beside its partition keys.

    DuckDB takes any `key=value` in the whole path for a partition key, one of the output's own path first; where
    that has one, the keys are cut out of the files' names, at the price of reading files that a filter leaves out.
    """
    pattern = _quoted(f"{glob.escape(root)}/{table}/*/*/*.parquet")
    if "=" not in root:
        return (
            f"SELECT * FROM read_parquet('{pattern}', hive_partitioning = true, "  # noqa: S608
            "hive_types = {'eval_date': DATE, 'run_id': VARCHAR}, union_by_name = true)"
        )
    part = "regexp_extract(\"/file\", '/eval_date=([^/]*)/run_id=([^/]*)/[^/]*$', {})"  # no column has a "/"
    return (
        f'SELECT * EXCLUDE ("/file"), {part.format(1)}::DATE AS eval_date, {part.format(2)} AS run_id '  # noqa: S608
        f"FROM read_parquet('{pattern}', hive_partitioning = false, filename = '/file', union_by_name = true)"
    )


def _shut_in(connection: duckdb.DuckDBPyConnection, root: str) -> None:
    """Nothing outside a folder can be opened, links out of it included, and no extension fetched."""
    # DuckDB holds the pattern against these as well as the files
    quoted = ", ".join(f"'{_quoted(folder)}'" for folder in (root, glob.escape(root)))
    connection.execute(f"SET allowed_directories = [{quoted}]")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET enable_external_access = false")


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def views(output: str) -> Result:
    """Every table and view with its columns and their types, tables first."""
    return query(output, VIEWS)
