"""What is printed: every name as it is, whatever characters it has."""

import io
from types import SimpleNamespace

import pyarrow as pa
import pytest
from rich.console import Console

from components.run_files import Run
from pipeline import console as printing
from pipeline.config import Config
from schemas import tables

ODD = ["[red]car[/red]", "[/]", "a[1]", ":car:", "\\", "car\\", "[bold", "élan"]


def shown(renderable=None, call=None):
    out = io.StringIO()
    console = Console(file=out, width=160)
    if call:
        call(console)
    else:
        console.print(renderable)
    return out.getvalue()


def row(name="car", **more):
    metrics = dict.fromkeys(("dice_mean", "dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled"), 0.5)
    counts = {"n_present": 1234, "n_missed": 2, "n_false_alarm": 3, "n_absent": 4}
    return {"slice": "all", "class_id": 0, "class_name": name, **metrics, **counts, **more}


@pytest.mark.parametrize("name", ODD)
def test_a_class_name_is_printed_as_it_is(name):
    assert name in shown(printing.class_table([row(name)])).replace("\n", "")


@pytest.mark.parametrize("name", ODD)
def test_cells_and_column_names_are_printed_as_they_are(name):
    text = shown(printing.rows_table([name, "b"], [(name, 1)]))
    assert text.count(name) == 2


def test_numbers_of_a_class():
    text = shown(printing.class_table([row(dice_mean=0.123456, precision_pooled=None)]))
    assert "0.1235" in text
    assert "1,234" in text
    assert " - " in text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0, "0.0000"), (1.0, "1.0000"), (2 / 3, "0.6667")])
def test_number(value, text):
    assert printing.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "NULL"), (1 / 3, "0.333333"), (12, "12"), (True, "True"), ("a", "a")]
)
def test_cells(value, text):
    assert text in shown(printing.rows_table(["x"], [(value,)]))


def test_a_result_without_rows_shows_its_columns():
    assert "status" in shown(printing.rows_table(["status"], []))


def outcome(name="car", failures=(), rate=10.0):
    run_row = {"scored": 1200, "records": 1201, "shards": 2, "failed": 1, "seconds": 12.3, "samples_per_second": rate}
    slices = [{"slice": "site=A", "dice_mean": 0.1}, {"slice": "all", "dice_mean": 0.75, "dice_pooled": None}]
    classes = [row("ground"), row(name, class_id=1), row("hidden", slice="site=A")]
    return SimpleNamespace(
        row=run_row, run=Run("/out [x]", "2026-11-23", "r1", "c", "m"), first_failures=list(failures),
        classes=pa.Table.from_pylist(classes, schema=tables.CLASSES),
        slices=pa.Table.from_pylist(slices, schema=tables.SLICES),
    )  # fmt: skip


def config(name="car"):
    return Config(examples="a", model="m", output="o", classes=["ground", name], foreground=[name])


def test_the_end_of_a_run():
    text = shown(call=lambda c: printing.show_outcome(c, outcome(), config()))
    assert "mean Dice 0.7500, pooled -  (foreground: car)" in text
    assert "scored 1,200 of 1,201 records in 2 shards, 1 failed in 12.3 s, 10.0 samples/s" in text
    assert "hidden" not in text
    for table in tables.TABLES:
        assert f"/out [x]/{table}/eval_date=2026-11-23/run_id=r1" in text


def test_an_attempt_that_scored_nothing_has_no_speed():
    text = shown(call=lambda c: printing.show_outcome(c, outcome(rate=None), config()))
    assert "1 failed\n" in text


@pytest.mark.parametrize("name", ODD)
def test_odd_names_at_the_end_of_a_run(name):
    failure = {"shard": f"/d/{name}", "record": 3, "byte_offset": 9, "message": f"no {name}"}
    text = shown(call=lambda c: printing.show_outcome(c, outcome(name, [failure]), config(name)))
    assert f"failed /d/{name} record 3 (byte 9): no {name}" in text
    assert f"(foreground: {name})" in text
