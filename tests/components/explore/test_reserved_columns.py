"""Names that a slice feature cannot have: with them a view would break, or have a column replaced in silence."""
# ruff: noqa: S608 - the statements are the point

import re
from contextlib import contextmanager
from importlib import resources

import duckdb
import pyarrow as pa
import pytest

from dicebeam.components.explore import sql_views
from dicebeam.schemas import tables
from dicebeam.schemas.errors import ConfigError

TEXT = resources.files("dicebeam.schemas").joinpath("views.sql").read_text(encoding="utf-8")
KEYS = [("eval_date", pa.date32()), ("run_id", pa.string())]
WORDS = sorted({word.lower() for word in re.findall(r"[A-Za-z_]\w*", TEXT)})
OVER_SAMPLES = ("worst_samples", "finished_samples", "sample_changes", "latest_changes")
FREE = [word for word in WORDS if word not in tables.RESERVED | tables.OF_THE_VIEWS]


@contextmanager
def views_over(*features):
    """A DuckDB with every view, over empty tables whose samples have the features' columns."""
    with duckdb.connect() as connection:
        for name in tables.TABLES:
            schema = tables.FIXED.get(name, tables.samples_schema(features))
            empty = pa.schema([*schema, *KEYS]).empty_table()
            connection.register("given", empty)
            connection.execute(f"CREATE TABLE {name} AS FROM given")
        for view in sql_views.views():
            connection.execute(view.statement)
        yield connection


def columns(connection, name):
    return [row[0].lower() for row in connection.execute(f"DESCRIBE {name}").fetchall()]


def of_samples(connection, feature):
    """The columns of each view that has those of samples."""
    found = {view.name: columns(connection, view.name) for view in sql_views.views()}
    return {name: there for name, there in found.items() if feature in there}


def test_the_reserved_names_are_those_that_views_add_to_the_columns_of_samples():
    with views_over("my_feature") as connection:
        own = set(columns(connection, "samples"))
        views = of_samples(connection, "my_feature")
        assert set(views) == set(OVER_SAMPLES)
        assert {name for there in views.values() for name in set(there) - own} == tables.OF_THE_VIEWS


@pytest.mark.parametrize("how", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("name", sorted(tables.OF_THE_VIEWS))
def test_a_feature_cannot_be_named_as_a_column_of_a_view(name, how):
    said = (
        rf"slices: the feature '{how(name)}' needs the column .*, which a view over the samples already has; rename the"
    )
    with pytest.raises(ConfigError, match=said):
        tables.slice_columns([how(name)])


@pytest.mark.parametrize("feature", ["same.id", "same/id", "baseline dice", "dice-change", "Worst Rank"])
def test_it_is_the_column_that_counts(feature):
    with pytest.raises(ConfigError, match=re.escape(f"the feature {feature!r} needs the column")):
        tables.slice_columns(["site", feature])
    assert tables.slice_columns([f"meta/{feature}"])


def test_any_other_word_of_the_views_is_a_name_like_any_other():
    """Aliases of tables, names of other columns, words of SQL."""
    assert {"a", "b", "s", "order", "status", "previous_run_id"} <= set(FREE)
    with views_over(*tables.slice_columns(FREE)) as connection:
        for name in OVER_SAMPLES:
            there = columns(connection, name)
            assert [word for word in FREE if there.count(word) != 1] == []
            quoted = ", ".join(f'"{word}"' for word in FREE)
            kinds = connection.execute(f"SELECT {quoted} FROM {name}").description
            assert {str(kind) for _, kind, *_ in kinds} == {"VARCHAR"}
