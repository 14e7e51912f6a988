"""Every query and every snippet of docs/guide/sql.md runs on thirty nights of tables and gives what pandas gives."""

import re
import shutil

import pandas as pd
import pytest

from dicebeam.components.explore import query
from tests.support import small_nights
from tests.support.cookbook import ANSWERS
from tests.support.paths import ROOT

DOC = ROOT / "docs" / "guide" / "sql.md"
SECTIONS = re.findall(r"^###? (.*)\n((?:(?!##).*\n)*)", DOC.read_text(encoding="utf-8"), re.MULTILINE)
QUERIES = {heading: sql for heading, text in SECTIONS for sql in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)}
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
NIGHTS = {"monday": "night-15", "tuesday": "night-25", "wednesday": "night-27", "friday": "night-28"}
"""Which of the thirty nights stands for a day of the demo's week."""
SNIPPETS = {heading: code for heading, text in SECTIONS for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)}


def plain(value):
    """NULL is None, whatever NumPy or pandas call it; numbers to the twelfth digit."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if pd.isna(value):
        return None
    return pytest.approx(float(value), rel=1e-12, abs=1e-12) if hasattr(value, "__float__") else value


def on_thirty_nights(sql):
    return re.sub(rf"'({'|'.join(NIGHTS)})'", lambda day: f"'{NIGHTS[day[1]]}'", sql)


def rows_of(frame):
    return [tuple(plain(value) for value in row) for row in frame.astype(object).itertuples(index=False)]


def test_every_query_has_a_comparison_and_every_comparison_a_query():
    assert set(QUERIES) == set(ANSWERS)
    assert len(QUERIES) == DOC.read_text(encoding="utf-8").count("```sql")  # one for each heading
    assert len(QUERIES) >= 20


@pytest.mark.parametrize("heading", QUERIES)
def test_a_query_gives_what_pandas_gives(heading, nights):
    output, frames = nights
    found = query.query(output, on_thirty_nights(QUERIES[heading]))
    expected = ANSWERS[heading](frames)
    assert len(found.columns) == len(expected.columns)
    assert found.rows == rows_of(expected)
    assert found.rows


def test_every_snippet_is_of_a_known_engine():
    assert set(SNIPPETS) == {"polars", "pandas", "Spark"}


def result_of(engine, output):
    """The columns and rows of a snippet's result."""
    scope = {"OUTPUT": output}
    exec(SNIPPETS[engine], scope)  # noqa: S102 - the snippets of the docs
    return scope["result"]


def expected(output):
    sql = "SELECT class_name, n_samples, dice_mean, dice_pooled FROM latest_classes ORDER BY class_id"
    return query.query(output, sql).rows


def test_the_snippet_for_polars(nights):
    polars = pytest.importorskip("polars")
    result = result_of("polars", nights[0])
    assert result.rows() == expected(nights[0])
    assert result.dtypes == [polars.String, polars.Int64, polars.Float64, polars.Float64]


def test_the_snippet_for_pandas(nights):
    result = result_of("pandas", nights[0])
    assert list(result.itertuples(index=False, name=None)) == expected(nights[0])
    assert [str(kind) for kind in result.dtypes] == ["str", "int64", "float64", "float64"]


@pytest.fixture
def numbered(tmp_path):
    """Runs whose ids look like numbers; the last one is not done."""
    for order, (status, dice) in enumerate([("done", 0.8), ("done", 0.6), ("over_failure_budget", 0.1)], start=1):
        small_nights.night(tmp_path, order, status, dice, run_id=f"2026010{order}")
    return str(tmp_path)


def test_the_snippet_for_polars_is_of_the_last_run_that_is_done(numbered):
    pytest.importorskip("polars")
    assert [(row[0], row[2]) for row in result_of("polars", numbered).rows()] == [("car", 0.6)]


def test_the_snippet_for_pandas_is_of_the_last_run_that_is_done(numbered):
    rows = result_of("pandas", numbered).itertuples(index=False, name=None)
    assert [(row[0], row[2]) for row in rows] == [("car", 0.6)]


@needs_java
def test_the_snippet_for_spark_is_of_the_last_run_that_is_done(numbered):
    pytest.importorskip("pyspark", reason="Spark is in the extra `engines`")
    result = result_of("Spark", numbered)
    try:
        assert [(row[0], row[2]) for row in result.collect()] == [("car", 0.6)]
        assert dict(result.sparkSession.table("runs").dtypes)["run_id"] == "string"
    finally:
        result.sparkSession.stop()


@needs_java
def test_the_snippet_for_spark(nights):
    pytest.importorskip("pyspark", reason="Spark is in the extra `engines`")
    result = result_of("Spark", nights[0])
    try:
        assert [tuple(row) for row in result.collect()] == expected(nights[0])
        assert [kind for _, kind in result.dtypes] == ["string", "bigint", "double", "double"]
        keys = dict(result.sparkSession.table("samples").dtypes)
        assert (keys["eval_date"], keys["run_id"]) == ("date", "string")
    finally:
        result.sparkSession.stop()
