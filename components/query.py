"""SQL over the tables of an output folder, with DuckDB: one view for each table, read-only."""

import glob
import re
from dataclasses import dataclass
from typing import Any

import duckdb

from components import filesystems
from schemas import tables
from schemas.errors import ConfigError, ReportError


@dataclass(frozen=True, slots=True)
class Result:
    """Column names and rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(output: str, sql: str) -> Result:
    """Run a statement over the views samples, classes, slices, failures and runs of an output folder.

    Beside a table's columns every view has the partition keys `eval_date` (DATE) and `run_id`. The statement
    can read nothing but the tables.

    Raises:
        ReportError: if there are no tables. ConfigError: if the statement is wrong.
    """
    connection = connect(output)
    try:
        _check_reads_only(sql)
        cursor = connection.execute(sql)
        return Result([column[0] for column in cursor.description or []], cursor.fetchall())
    except duckdb.Error as error:
        msg = f"the query failed: {error}"
        raise ConfigError(msg) from error
    finally:
        connection.close()


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


def connect(output: str) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB whose views are the tables, and that can open nothing else.

    Raises:
        ReportError: if the folder has no `runs` table.
    """
    root = filesystems.absolute(output).rstrip("/")
    if filesystems.is_remote(root):
        msg = f"expected a local folder, but got {root!r}: copy the tables, or query them where they are"
        raise ConfigError(msg)
    present = [name for name in tables.TABLES if filesystems.below(f"{root}/{name}", "*/*/*.parquet")]
    if "runs" not in present:
        msg = f"expected the tables of a run in {root!r}, but there is no complete run"
        raise ReportError(msg)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name in present:
        pattern = _quoted(f"{glob.escape(root)}/{name}/*/*/*.parquet")
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{pattern}', hive_partitioning = true, "  # noqa: S608
            "hive_types = {'eval_date': DATE, 'run_id': VARCHAR}, union_by_name = true)"
        )
    # DuckDB holds the pattern against these as well as the files
    quoted = ", ".join(f"'{_quoted(folder)}'" for folder in (root, glob.escape(root)))
    connection.execute(f"SET allowed_directories = [{quoted}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def views(output: str) -> Result:
    """Every view with its columns and their types."""
    sql = (
        'SELECT table_name AS "view", column_name AS "column", data_type AS "type" FROM information_schema.columns '
        "WHERE table_schema = 'main' ORDER BY table_name, ordinal_position"
    )
    return query(output, sql)
