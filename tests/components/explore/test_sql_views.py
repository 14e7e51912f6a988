"""The views: what they count, pair and leave out."""
# ruff: noqa: S608 - the statements are the point

import re
from contextlib import contextmanager
from importlib import resources

import duckdb
import pyarrow as pa
import pytest

from dicebeam.components.explore import query, sql_views
from dicebeam.components.runs import run_files
from dicebeam.schemas import tables
from dicebeam.schemas.errors import DamagedError
from tests.support import history, small_nights

VIEWS = {view.name: view for view in sql_views.views()}
TEXT = resources.files("dicebeam.schemas").joinpath("views.sql").read_text(encoding="utf-8")


def test_every_view_is_read_and_says_what_a_row_is():
    assert list(VIEWS) == re.findall(r"^CREATE OR REPLACE VIEW (\w+)", TEXT, re.MULTILINE)
    assert len(VIEWS) == 15
    assert all(re.match(r"one row\b", view.rows) for view in VIEWS.values())


def test_a_view_knows_what_it_is_made_of():
    assert VIEWS["worst_slices"].needs({"slices", "latest_run", "samples", "runs"}) == {"slices", "latest_run"}


def test_views_whose_tables_are_not_there_are_left_out():
    names = [view.name for view in sql_views.possible({"runs", "classes"}, set(tables.TABLES))]
    assert names == ["finished_runs", "latest_run", "latest_classes", "class_history", "empty_mask_rules",
                     "pooled_metrics"]  # fmt: skip
    assert len(sql_views.possible(set(tables.TABLES), set(tables.TABLES))) == len(VIEWS)


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_counts_a_run_that_is_not_finished(name, nights):
    rows = query.query(nights[0], f"SELECT DISTINCT run_id FROM {name}").rows
    assert rows
    assert ("stopped",) not in rows


def test_the_run_that_is_not_finished_has_samples(nights):
    assert query.query(nights[0], "SELECT count(*) FROM samples WHERE run_id = 'stopped'").rows == [(180,)]


def test_the_run_before_is_of_the_same_config(nights):
    sql = (
        "SELECT run_id, previous_run_id FROM finished_runs WHERE run_id IN ('night-00', 'trial', 'night-16') ORDER BY 1"
    )
    assert query.query(nights[0], sql).rows == [("night-00", None), ("night-16", "night-15"), ("trial", None)]


CHANGES = "FROM sample_changes WHERE run_id = 'night-{}' AND baseline_run_id = 'night-{}'"


@pytest.mark.parametrize(("run", "baseline", "pairs"), [(25, 24, 180), (21, 20, 177), (14, 13, 174), (14, 15, 174)])
def test_no_sample_is_paired_twice(run, baseline, pairs, nights):
    """Two samples share an id. On night 14 one of them failed: the other's id is unique there, so neither is paired."""
    rows = query.query(nights[0], f"SELECT shard, record, class_id {CHANGES.format(run, baseline)}").rows
    assert len(set(rows)) == len(rows) == pairs


def test_samples_that_share_an_id_are_paired_with_themselves(nights):
    columns, twins = "shard, record, dice, baseline_dice", "sample_id = 'scene-010' AND class_id = 0"
    found = query.query(nights[0], f"SELECT {columns} {CHANGES.format(25, 24)} AND {twins} ORDER BY shard").rows
    of = nights[1]["samples"].set_index(["run_id", "shard", "record", "class_id"]).dice
    assert found == [
        (shard, 5, of["night-25", shard, 5, 0], of["night-24", shard, 5, 0])
        for shard in ("val-0.tfrecord", "val-1.tfrecord")
    ]


def test_two_chosen_runs_are_all_that_is_read(nights):
    plan = query.query(nights[0], f"EXPLAIN SELECT * {CHANGES.format(25, 24)}").rows[0][1]
    assert re.findall(r"Scanning Files: (\d+)/(\d+)", plan) == [("2", "64"), ("2", "64")]


def test_latest_changes_are_the_changes_of_the_latest_run(nights):
    latest = query.query(nights[0], "FROM latest_changes ORDER BY ALL")
    assert latest == query.query(nights[0], f"{CHANGES.format(29, 28)} ORDER BY ALL")
    assert latest.rows


def test_absent_everywhere_is_no_dice_and_all_right_or_all_wrong(tmp_path):
    run = run_files.Run(str(tmp_path), "2026-11-23", "r1", "c", "m")
    row = {"slice": "all", "class_id": 1, "n_samples": 4, "n_absent": 4, "pixels": 64, "ignored_pixels": 64}
    zeros = dict.fromkeys(
        ("true_positives", "false_positives", "false_negatives", "soft_intersection", "soft_predicted"), 0
    )
    for name, values in (("classes", {**row, **zeros}), ("runs", {"status": "done"})):
        run_files.write_table(pa.Table.from_pylist([values], schema=tables.FIXED[name]), run, name, "part-0.parquet")
    rules = "SELECT absent_left_out, absent_counts_as_1, absent_counts_as_0 FROM empty_mask_rules"
    assert query.query(str(tmp_path), rules).rows == [(None, 1.0, 0.0)]
    ratios = "dice, iou, precision, recall, specificity, accuracy, size_ratio, soft_dice"
    assert query.query(str(tmp_path), f"SELECT {ratios} FROM pooled_metrics").rows == [(None,) * 8]


@pytest.mark.parametrize(("column", "kind"), [("digest", "VARCHAR"), ("finished", "TIMESTAMP WITH TIME ZONE")])
def test_columns_that_an_older_version_did_not_write_are_null(tmp_path, column, kind):
    run = run_files.Run(str(tmp_path), "2026-11-23", "r1", "c", "m")
    old = pa.schema([field for field in tables.RUNS if field.name != column])
    run_files.write_table(pa.Table.from_pylist([{"status": "done"}], schema=old), run, "runs", "part-0.parquet")
    assert query.query(str(tmp_path), f"SELECT {column}, typeof({column}) FROM latest_run").rows == [(None, kind)]


def test_a_view_brings_what_it_is_made_of():
    every = {"runs", "classes", *VIEWS}
    assert sql_views.with_their_tables({"runs"}, every) == {"runs"}
    assert sql_views.with_their_tables({"latest_run"}, every) == {"latest_run", "finished_runs", "runs"}
    assert sql_views.with_their_tables({"class_history"}, every) == {
        "class_history",
        "classes",
        "finished_runs",
        "runs",
    }


@pytest.mark.parametrize("sql", ["SHOW TABLES", "FROM information_schema.tables", "FROM duckdb_views(), runs"])
def test_a_statement_may_ask_what_is_there(sql):
    assert sql_views.asks_what_is_there(sql)
    assert not sql_views.asks_what_is_there("SELECT count(*) AS shown FROM runs")


def test_a_statement_opens_the_files_of_no_other_table(tmp_path):
    history.make(tmp_path, 1, 12)
    broken = next(tmp_path.glob("samples/*/*/*.parquet"))
    broken.write_bytes(b"no Parquet file")
    assert query.query(str(tmp_path), "SELECT count(*) FROM latest_run").rows == [(1,)]
    with pytest.raises(DamagedError, match=rf"in {broken}, but it is damaged: .*; delete it, and evaluate again"):
        query.query(str(tmp_path), "SELECT count(*) FROM samples")


def test_latest_changes_read_the_samples_of_two_runs(nights):
    with query.connect(nights[0]) as connection:
        plan = connection.execute("EXPLAIN ANALYZE FROM latest_changes").fetchall()[0][1]
    read = sorted(int(files) for files in re.findall(r"Total Files Read: (\d+)", plan))
    assert read[:2] == [2, 2]  # two shards of each run
    assert max(read) == 31  # `runs`, not the 64 files of `samples`


@contextmanager
def as_the_first_lines_say(output, names):
    """A DuckDB of one's own into which the file was read as its first lines say."""
    (create,) = re.findall(r"^--   (CREATE VIEW runs AS FROM .*);$", TEXT, re.MULTILINE)
    with duckdb.connect() as connection:
        for name in names:
            connection.execute(create.replace("runs", name).replace("OUTPUT", output))
        for view in sql_views.possible(set(names), set(tables.TABLES)):
            connection.execute(view.statement)
        yield connection


def test_the_file_can_be_read_into_any_duckdb_as_its_first_lines_say(nights):
    sql = "SELECT run_id, class_name, dice_mean FROM latest_classes ORDER BY class_id"
    with as_the_first_lines_say(nights[0], tables.TABLES) as connection:
        connection.execute(TEXT)
        assert connection.execute(sql).fetchall() == query.query(nights[0], sql).rows


IDS = [("20260101", "20260102"), ("2026-01-01", "2026-01-02"), ("1", "02"), ("1e3", "2e3"), ("007", "7"),
       ("0.5", "1.5"), ("true", "false"), ("2026-01-01 00:00:00", "2026-01-02 00:00:00"),
       ("12:00:00", "13:00:00")]  # fmt: skip


@pytest.mark.parametrize("ids", IDS)
def test_run_ids_that_look_like_numbers_and_dates_are_text(ids, tmp_path):
    for order, (run_id, dice) in enumerate(zip(ids, (0.8, 0.6), strict=True), start=1):
        small_nights.night(tmp_path, order, "done", dice, run_id=run_id)
    expected = [(ids[1], "VARCHAR", "DATE", ids[0])] * 2
    sql = "SELECT run_id, typeof(run_id), typeof(eval_date), baseline_run_id FROM latest_changes"
    with as_the_first_lines_say(str(tmp_path), ("runs", "samples")) as connection:
        assert connection.execute(sql).fetchall() == expected
        chosen = f"SELECT count(*) FROM sample_changes WHERE run_id = '{ids[1]}' AND baseline_run_id = '{ids[0]}'"
        assert connection.execute(chosen).fetchall() == [(2,)]
    assert query.query(str(tmp_path), sql).rows == expected
