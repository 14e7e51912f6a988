"""Rows as CSV, JSON and Parquet: exact, and not in the way of the tables."""

import csv
import io
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.explore import query_output
from dicebeam.schemas.errors import ConfigError, StorageError


def reader(sql, batch=2):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.sql(sql).to_arrow_reader(batch)


def text(sql, kind):
    parts = []
    count = query_output.write_text(reader(sql), parts.append, kind)
    return "".join(parts), count


HUGE = 170141183460469231731687303715884105
WHEN = "2026-11-23T01:02:03.123456+00:00"
VALUES = [
    ("0.1::DOUBLE + 0.2::DOUBLE", 0.1 + 0.2, "0.30000000000000004"),
    ("1e-300::DOUBLE", 1e-300, "1e-300"),
    ("9007199254740993", 9007199254740993, "9007199254740993"),
    (f"sum({HUGE})", HUGE, str(HUGE)),
    ("1.25", 1.25, "1.25"),
    ("1234567890123456.25", "1234567890123456.25", "1234567890123456.25"),
    ("100::DECIMAL(5, 2)", 100, "100"),
    ("true", True, "true"),
    ("NULL", None, None),
    ("''", "", '""'),
    ("'a,b'", "a,b", '"a,b"'),
    ("'say \"x\"'", 'say "x"', '"say ""x"""'),
    ("'a' || chr(10) || 'b' || chr(27)", "a\nb\x1b", '"a\nb\x1b"'),
    ("'Zürich 火'", "Zürich 火", "Zürich 火"),
    ("DATE '2026-11-23'", "2026-11-23", "2026-11-23"),
    ("TIME '10:00:00.5'", "10:00:00.500000", "10:00:00.500000"),
    (f"TIMESTAMPTZ '{WHEN}'", WHEN, WHEN),
    ("TIMESTAMP '2026-11-23 01:02:03'", "2026-11-23T01:02:03", "2026-11-23T01:02:03"),
    ("'nan'::DOUBLE", "NaN", "NaN"),
    ("'-inf'::DOUBLE", "-Infinity", "-Infinity"),
    ("'\\xFF'::BLOB", "ff", "ff"),
    ("INTERVAL '1 month 2 days 1.5 seconds'", "P1M2DT1.5S", "P1M2DT1.5S"),
    ("[0.5::DOUBLE, NULL]", [0.5, None], '"[0.5, null]"'),
    ("{'a': DATE '2026-11-23'}", {"a": "2026-11-23"}, '"{""a"": ""2026-11-23""}"'),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "in_json", "in_csv"), VALUES)
def test_a_value_loses_nothing(sql, in_json, in_csv):
    assert json.loads(text(f"SELECT {sql} AS x, 1 AS y", "json")[0]) == [{"x": in_json, "y": 1}]
    assert text(f"SELECT {sql} AS x, 1 AS y", "csv")[0] == f"x,y\n{in_csv or ''},1\n"


def test_python_reads_the_csv_that_comes_out():
    sql = "SELECT range AS n, 'a\"' || chr(10) || range AS s FROM range(5)"
    out, count = text(sql, "csv")
    assert list(csv.reader(io.StringIO(out))) == [["n", "s"], *([str(n), f'a"\n{n}'] for n in range(5))]
    assert count == 5


def test_every_batch_is_written_in_turn():
    parts = []
    assert query_output.write_text(reader("FROM range(5)"), parts.append, "csv") == 5
    assert parts == ["range\n", "0\n1\n", "2\n3\n", "4\n"]


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_json_is_one_array_with_a_row_a_line(rows):
    out, count = text(f"FROM range({rows})", "json")
    assert json.loads(out) == [{"range": n} for n in range(rows)]
    assert (count, len(out.splitlines())) == (rows, rows + 2)


def test_no_rows_are_a_header():
    assert text("SELECT 1 AS a, 2 AS b WHERE false", "csv") == ("a,b\n", 0)


def test_a_row_that_is_one_null_is_a_line_that_readers_count():
    assert text("SELECT NULL AS a", "csv")[0] == 'a\n""\n'


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_columns_of_one_name_are_refused_where_one_would_be_lost(tmp_path, kind):
    with pytest.raises(
        ConfigError, match=r"expected a name for each column, but there are several 'a': name them with AS"
    ):
        query_output.write_file(reader("SELECT 1 AS a, 2 AS a, 3 AS b"), str(tmp_path / "o"), kind)
    assert text("SELECT 1 AS a, 2 AS a", "csv")[0] == "a,a\n1,2\n"


def test_parquet_keeps_types_and_batches(tmp_path):
    place = tmp_path / "o.parquet"
    sql = "SELECT range AS n, DATE '2026-11-23' AS d, now() AS t, NULL::DOUBLE AS x FROM range(5)"
    assert query_output.write_file(reader(sql), str(place), "parquet") == 5
    table = pq.read_table(place)
    assert [str(kind) for kind in table.schema.types] == ["int64", "date32[day]", "timestamp[us, tz=UTC]", "double"]
    assert table["n"].to_pylist() == [0, 1, 2, 3, 4]


def test_what_parquet_has_no_type_for_is_said_and_leaves_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"Parquet has no such type; cast the column, as in CAST\(x AS VARCHAR\)"):
        query_output.write_file(reader("SELECT INTERVAL 1 DAY"), str(tmp_path / "o.parquet"), "parquet")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path):
    place = tmp_path / "o.csv"
    place.write_text("before")

    def broken():
        yield pa.record_batch({"a": [1]})
        raise OSError("no space")

    rows = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), broken())
    with pytest.raises(StorageError, match=r"o\.csv cannot be written: no space"):
        query_output.write_file(rows, str(place), "csv")
    assert place.read_text() == "before"
    query_output.write_file(reader("SELECT 1 AS a"), str(place), "csv")
    assert (place.read_text(), list(tmp_path.iterdir())) == ("a\n1\n", [place])


@pytest.mark.parametrize(
    ("given", "out", "chosen"),
    [(None, None, "table"), ("csv", None, "csv"), (None, "a.json", "json"), (None, "a.b.parquet", "parquet"),
     ("csv", "a.txt", "csv"), ("parquet", "a", "parquet")],
)  # fmt: skip
def test_the_format_is_that_of_the_name_unless_it_is_given(given, out, chosen):
    assert query_output.chosen_format(given, out) == chosen


@pytest.mark.parametrize(
    ("given", "out", "message"),
    [
        ("xml", None, "expected --format table, csv, json, parquet, but got 'xml'"),
        (None, "a.txt", "expected --format csv, json, parquet, but got 'txt'"),
        (None, "a", "expected --format csv, json, parquet, but got ''"),
        ("table", "a.csv", "expected --format csv, json, parquet, but got 'table'"),
        ("parquet", None, "not for a terminal: say where it goes, with --out FILE"),
    ],
)
def test_a_format_that_cannot_be(given, out, message):
    with pytest.raises(ConfigError, match=message):
        query_output.chosen_format(given, out)


@pytest.mark.parametrize(
    "name", ["reports/o.csv", "reports/runs/o.csv", "link/o.csv", "other/../reports/o", "to_a_table"]
)
def test_a_file_between_the_tables_is_refused(tmp_path, name):
    (tmp_path / "reports" / "runs").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "reports")
    (tmp_path / "to_a_table").symlink_to(tmp_path / "reports" / "runs" / "part-0.parquet")
    with pytest.raises(ConfigError, match=r"--out .* is inside .*, which is read only: write the file elsewhere"):
        query_output.check_place(str(tmp_path / name), str(tmp_path / "reports"))


def test_a_folder_is_no_place_for_rows(tmp_path):
    with pytest.raises(ConfigError, match=r"expected the name of a file, but .* is there and is none"):
        query_output.check_place(str(tmp_path), str(tmp_path / "reports"))
    query_output.check_place(str(tmp_path / "new.csv"), str(tmp_path / "reports"))
