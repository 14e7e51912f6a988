"""Every query of the docs finds something in the demo's week, as it is printed; and so it does for one channel."""

from pathlib import Path

import pytest

from dicebeam.components.explore import demo, query
from examples import demo_week
from tests.docs.test_docs import blocks
from tests.support import one_channel
from tests.support.paths import ROOT

DOCS = (
    "README.md",
    "docs/reference/tables.md",
    *(f"docs/guide/{name}.md" for name in ("analyze", "drift", "nightly", "sql")),
)
QUERIES = [
    pytest.param(sql, id=f"{name}-{number}")
    for name in DOCS
    for number, sql in enumerate(blocks(ROOT / name, "sql"), 1)
]
pytestmark = pytest.mark.long  # a week takes a minute
each_query = pytest.mark.parametrize("sql", QUERIES)


def week(folder: Path) -> tuple[str, list[int]]:
    """The output of a week in the folder of a demo, and the exit codes of its commands."""
    codes = [code for _, code in demo_week.run(folder, lambda _: None)]
    return f"{folder}/reports", codes


@pytest.fixture(scope="module")
def of_four_classes(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[int]]:
    folder = tmp_path_factory.mktemp("week") / "demo"
    demo.make(str(folder), 100)
    return week(folder)


@pytest.fixture(scope="module")
def of_one_channel(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[int]]:
    folder = tmp_path_factory.mktemp("channel") / "demo"
    one_channel.make(folder, 40)
    return week(folder)


def test_there_are_queries_in_every_page():
    assert {each.id.rpartition("-")[0] for each in QUERIES} == set(DOCS)


@each_query
def test_a_query_as_it_is_printed_finds_something(sql, of_four_classes):
    assert query.query(of_four_classes[0], sql).rows


@each_query
def test_a_query_finds_something_for_one_channel_with_its_class_name(sql, of_one_channel):
    assert query.query(of_one_channel[0], sql.replace("'person'", "'car'")).rows


def test_the_days_end_as_the_example_says(of_four_classes):
    assert of_four_classes[1] == [4, 0, 1, 0, 5, 5, 0, 1]


def test_one_channel_has_rows_of_one_class(of_one_channel):
    rows = query.query(of_one_channel[0], "SELECT DISTINCT class_id, class_name FROM samples").rows
    assert rows == [(1, "car")]


def test_the_worse_model_is_worse_for_one_class_at_one_site(of_four_classes):
    sql = """SELECT class_name, slice, round(b.dice_mean - a.dice_mean, 1) FROM classes AS a JOIN classes AS b
        USING (slice, class_name) WHERE a.run_id = 'monday' AND b.run_id = 'tuesday' AND slice LIKE 'site=_____'
        AND round(a.dice_mean - b.dice_mean, 1) > 0"""
    assert query.query(of_four_classes[0], sql).rows == [("person", "site=south", -0.4)]
