"""Every type and value of DuckDB comes out of a query, in every format, and exactly."""

import csv
import io
import json
from contextlib import suppress
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dicebeam.components.explore import arrow_values, castings
from dicebeam.pipeline.console import query_console
from dicebeam.pipeline.console.query_console import Question
from dicebeam.schemas.errors import ConfigError
from tests.support.small_nights import night

KINDS = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
INFINITE = [f"'{sign}infinity'::{kind}" for sign in ("", "-") for kind in KINDS]
LARGEST = {"BIGNUM": "9" * 60, "HUGEINT": str(2**127 - 1), "UHUGEINT": str(2**128 - 1)}
VALUES = {
    **{sql: ("-" if "'-" in sql else "") + "infinity" for sql in INFINITE},
    "'5000-01-01 (BC)'::DATE": "5000-01-01 (BC)",
    "'0001-12-31 (BC)'::DATE": "0001-12-31 (BC)",
    "'200000-02-29'::DATE": "200000-02-29",
    "'9999-12-31'::DATE": "9999-12-31",
    "'10000-01-01'::DATE": "10000-01-01",
    "'0044-03-15 (BC) 12:00:00.5'::TIMESTAMP": "0044-03-15 (BC) 12:00:00.5",
    "'200000-01-01'::TIMESTAMP": "200000-01-01 00:00:00",
    "'0044-03-15 (BC)'::TIMESTAMPTZ": "0044-03-15 (BC) 00:00:00+00",
    "'2020-01-01 00:00:00.123456789'::TIMESTAMP_NS": "2020-01-01T00:00:00.123456789",
    "'2020-01-01 00:00:00.5'::TIMESTAMP_NS": "2020-01-01T00:00:00.500000",
    "'1600-01-01 00:00:00'::TIMESTAMP_S": "1600-01-01T00:00:00",
    "'24:00:00'::TIME": "24:00:00",
    "'12:00:00.123456'::TIME": "12:00:00.123456",
    "'12:00:00.123456789'::TIME_NS": "12:00:00.123456789",
    "'12:00:00+05'::TIMETZ": "12:00:00+05",
    "'12:00:00-15:59'::TIMETZ": "12:00:00-15:59",
    "INTERVAL '-3 months 2 days 1.5 seconds'": "P-3M2DT1.5S",
    "INTERVAL '200000 years'": "P2400000M0DT0S",
    "'101010'::BIT": "101010",
    **{f"'{digits}'::{kind}": digits for kind, digits in LARGEST.items()},
    "'{\"a\": [1]}'::VARIANT": '{"a": [1]}',
    "'{\"a\": [1]}'::JSON": '{"a": [1]}',
    "'POINT(1 2)'::GEOMETRY": "POINT (1 2)",
    "'0e4d8d9a-0000-4000-8000-000000000000'::UUID": "0e4d8d9a-0000-4000-8000-000000000000",
    "'a'::ENUM('a', 'b')": "a",
    "''::BLOB": "",
    "union_value(num := 'infinity'::DATE)": "infinity",
    "union_value(num := 2::UHUGEINT)": "2",
    "NULL": "",
    "NULL::TIME": "",
    "NULL::DATE": "",
    "['infinity'::DATE, '2026-01-01', NULL]": '["infinity", "2026-01-01", null]',
    "['infinity'::TIMESTAMP, '2026-01-01']": '["infinity", "2026-01-01T00:00:00"]',
    "MAP{'-infinity'::DATE: '24:00:00'::TIME}": '[["-infinity", "24:00:00"]]',
    "{'a b': 'infinity'::TIMESTAMP, 'c': [1::UHUGEINT]}": '{"a b": "infinity", "c": ["1"]}',
    "['24:00:00'::TIME]::TIME[1]": '["24:00:00"]',
    "['1'::BIT]::BIT[1]": '["1"]',
    "[[INTERVAL 1 DAY]]": '[["P0M1DT0S"]]',
    "ROW('1'::BIT, 2)": '{"element1": "1", "element2": 2}',
    "MAP{}": "[]",
    "[]": "[]",
}  # fmt: skip
"""An expression, and its field in a CSV."""
WITHOUT_PARQUET_TYPE = ("INTERVAL", "union_value", "MAP{}", "TIMESTAMP_S")
"""Or none for some of the values; a ROW gets names there."""


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types") / "reports"
    night(folder, 1, "done", 0.5)
    return str(folder)


def asked(output, capsys, sql, form=None, out=None):
    console = Console(width=3000)
    query_console.answer(Question(output, sql, form, out), console, lambda _: None)
    return capsys.readouterr().out


def columns(expressions):
    return "SELECT " + ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(expressions))


def test_every_value_is_printed_as_csv(output, capsys):
    _, row = csv.reader(io.StringIO(asked(output, capsys, columns(VALUES), "csv")))
    assert dict(zip(VALUES, row, strict=True)) == VALUES


def test_every_value_is_printed_as_json(output, capsys):
    (row,) = json.loads(asked(output, capsys, columns(VALUES), "json"))
    found = {
        sql: json.dumps(value) if isinstance(value, list | dict) else "" if value is None else str(value)
        for sql, value in zip(VALUES, row.values(), strict=True)
    }
    assert found == VALUES


def test_every_value_is_printed_in_a_table(output, capsys):
    text = asked(
        output, capsys, " UNION ALL BY NAME ".join(f"SELECT {i} AS n, {sql} AS c{i}" for i, sql in enumerate(VALUES))
    )
    rows = {int(line.split()[0]): line for line in text.splitlines() if line[:4].strip().isdigit()}
    for i, (sql, expected) in enumerate(VALUES.items()):
        nested = expected.startswith(("[", "{")) or "BLOB" in sql
        assert nested or (expected.replace("T0", " 0") or "NULL") in rows[i].replace("T0", " 0"), sql
        assert ("infinity" in rows[i]) == ("infinity" in sql)
    assert len(rows) == len(VALUES)


def test_every_value_is_written_as_parquet(output, capsys, tmp_path):
    place = str(tmp_path / "o.parquet")
    possible = [sql for sql in VALUES if not any(name in sql for name in (*WITHOUT_PARQUET_TYPE, "ROW("))]
    asked(output, capsys, columns(possible), out=place)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        written, given = (
            connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({rows})").fetchone()  # noqa: S608
            for rows in (f"SELECT * FROM read_parquet('{place}')", columns(possible))  # noqa: S608
        )
    assert dict(zip(possible, written, strict=True)) == dict(zip(possible, given, strict=True))


@pytest.mark.parametrize("sql", ["INTERVAL 1 DAY", "union_value(num := 1)", "'infinity'::TIMESTAMP_S", "MAP{}"])
def test_what_parquet_cannot_hold_is_said(output, capsys, tmp_path, sql):
    with pytest.raises(
        ConfigError, match=r"Parquet has no such (type|value); cast the column, as in CAST\(x AS VARCHAR\)"
    ):
        asked(output, capsys, f"SELECT {sql} AS x", out=str(tmp_path / "o.parquet"))
    assert not list(tmp_path.iterdir())


def nulls():
    """A NULL of each type that DuckDB says it has; names that stand for no type by themselves are left out."""
    found = []
    with duckdb.connect() as connection:
        for (name,) in connection.execute("SELECT DISTINCT type_name FROM duckdb_types() ORDER BY 1").fetchall():
            with suppress(duckdb.Error):
                connection.sql(f"SELECT NULL::{name}").fetchall()
                found.append(f"NULL::{name}")
    assert len(found) > 30
    return found


@pytest.mark.parametrize(("form", "null"), [("csv", ","), ("json", "null"), (None, "NULL")])
def test_a_null_of_every_type_that_duckdb_knows_is_printed(output, capsys, form, null):
    every = nulls()
    assert asked(output, capsys, columns(every), form).count(null) >= len(every) - 1


def test_a_type_that_nobody_has_listed_is_text(monkeypatch, output, capsys):
    monkeypatch.setattr(castings, "EXACT", castings.EXACT - {"integer", "date"})
    text = asked(output, capsys, "SELECT 5::INTEGER AS x, DATE '2026-01-01' AS d, [7::INTEGER] AS l", "json")
    assert json.loads(text) == [{"x": "5", "d": "2026-01-01", "l": ["7"]}]


def test_two_columns_of_one_name_and_the_order_of_rows_stay(output, capsys):
    text = asked(output, capsys, "SELECT range::VARCHAR::BIT AS a, range AS a FROM range(2) ORDER BY range DESC", "csv")
    assert text == "a,a\n1,1\n0,0\n"


def test_names_of_columns_are_no_sql(output, capsys):
    text = asked(output, capsys, """SELECT '1'::BIT AS "a""b; DROP", '2' AS "c d" """, "csv")
    assert next(csv.reader(io.StringIO(text))) == ['a"b; DROP', "c d"]


def texts(sql, values):
    """What DuckDB says of integers that it makes values of."""
    with duckdb.connect() as connection:
        return [connection.execute(sql, [value]).fetchone()[0] for value in values]


@given(st.integers(-(2**31) + 2, 2**31 - 2).filter(lambda days: -2147483646 < days + 719163 < 2**31))
def test_a_date_is_written_as_duckdb_writes_it(days):
    try:
        (expected,) = texts("SELECT (DATE '1970-01-01' + ?::INTEGER)::VARCHAR", [days])
    except duckdb.Error:
        return  # outside of DuckDB's own years
    assert str(arrow_values.date_of(days)) == expected


@given(st.integers(-(2**62), 2**62))
def test_a_time_is_written_as_duckdb_writes_it(micros):
    try:
        (expected,) = texts("SELECT make_timestamp(?)::VARCHAR", [micros])
    except duckdb.Error:
        return
    found = arrow_values.timestamp_of(micros, "us", None)
    assert (found if isinstance(found, str) else str(found)).rstrip("0") == expected.rstrip("0")


def test_decimals_keep_their_digits(output, capsys):
    text = asked(output, capsys, "SELECT 1234567890123456789.25::DECIMAL(38, 2) AS x", "csv")
    assert Decimal(text.split()[1]) == Decimal("1234567890123456789.25")
