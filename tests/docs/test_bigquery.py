"""schemas/bigquery.sql: BigQuery's grammar, the same views as DuckDB's, and the same rows when they are translated."""
# ruff: noqa: S608 - the statements are the point

import re
from importlib import resources

import pytest
import sqlglot
from sqlglot import exp

from dicebeam.components.explore import query, sql_views
from dicebeam.schemas import tables

TEXT = resources.files("dicebeam.schemas").joinpath("bigquery.sql").read_text(encoding="utf-8")
KEYS = "WITH PARTITION COLUMNS (eval_date DATE, run_id STRING)\n"
# sqlglot does not know this clause of BigQuery's, and would take the whole statement as it comes, unparsed
STATEMENTS = sqlglot.parse(TEXT.replace(KEYS, ""), dialect="bigquery")
VIEWS = {statement.this.name: statement for statement in STATEMENTS if statement.args.get("kind") == "VIEW"}
PAIRS = ("sample_changes", "dataset_channel_changes", "dataset_class_changes")
DUCKDB = {view.name: view for view in sql_views.views()}


def test_every_statement_is_parsed_and_makes_a_table_or_a_view():
    assert all(isinstance(statement, exp.Create) for statement in STATEMENTS)
    made = [(statement.kind, statement.find(exp.Table).name) for statement in STATEMENTS]
    assert made == [("TABLE", name) for name in tables.TABLES] + [("VIEW", name) for name in DUCKDB]
    assert len(made) == TEXT.count("\nCREATE OR REPLACE ")


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_is_an_external_table_with_hive_partitions(name):
    (statement,) = re.findall(rf"^CREATE OR REPLACE EXTERNAL TABLE `PROJECT.DATASET.{name}`\n(.*?);", TEXT, re.M | re.S)
    assert statement == KEYS + (
        "OPTIONS (\n"
        "  format = 'PARQUET',\n"
        f"  hive_partition_uri_prefix = 'gs://BUCKET/OUTPUT/{name}',\n"
        f"  uris = ['gs://BUCKET/OUTPUT/{name}/*.parquet']\n"
        ")"
    )


def test_every_name_in_a_view_has_a_project_and_a_dataset():
    names = [table for view in VIEWS.values() for table in view.find_all(exp.Table)]
    assert {(table.catalog, table.db) for table in names} == {("PROJECT", "DATASET")}
    assert {table.name for table in names} <= {*VIEWS, *tables.TABLES}


def test_both_dialects_have_the_same_views_in_the_same_order_with_the_same_comments():
    assert list(VIEWS) == list(DUCKDB)
    comments = re.findall(r"^-- (\w+): (one row.*)$", TEXT, re.MULTILINE)
    assert comments == [(view.name, view.rows) for view in DUCKDB.values()]


@pytest.fixture(scope="module")
def translated(nights):
    """DuckDB over the thirty nights, with BigQuery's views, translated, in place of its own."""
    connection = query.connect(nights[0], allow_files=True)
    for name, view in VIEWS.items():
        local = view.copy()
        for table in local.find_all(exp.Table):
            table.set("catalog", None)
            table.set("db", None)
        connection.execute(f"DROP VIEW {name}")
        connection.execute(local.sql(dialect="duckdb"))
    yield connection
    connection.close()


@pytest.mark.parametrize("name", DUCKDB)
def test_a_translated_view_has_the_columns_and_rows_of_duckdbs(name, nights, translated):
    # every pair of runs is a million rows, so two runs of them
    chosen = "WHERE run_id = 'night-25' AND baseline_run_id = 'night-15'" if name in PAIRS else ""
    for sql in (f"SELECT column_name, column_type FROM (DESCRIBE {name})", f"FROM {name} {chosen} ORDER BY ALL"):
        ours = query.query(nights[0], sql).rows
        assert translated.execute(sql).fetchall() == ours
        assert ours
