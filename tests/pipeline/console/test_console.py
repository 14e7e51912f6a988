"""What is printed: every name as it is, whatever characters it has."""

import io
from types import SimpleNamespace

import pyarrow as pa
import pytest
from rich.console import Console

from dicebeam.components.runs.run_files import Run
from dicebeam.pipeline.console import run_console as printing
from dicebeam.schemas import tables
from dicebeam.schemas.config.config import Config

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
    metrics = dict.fromkeys(("dice_mean", "dice_pooled", "precision_pooled", "recall_pooled"), 0.5)
    limits = {"dice_mean_low": 0.4567, "dice_mean_high": 0.5432}
    counts = {"n_present": 1234, "n_missed": 2, "n_false_alarm": 3, "n_absent": 4}
    return {"slice": "all", "class_id": 0, "class_name": name, **metrics, **limits, **counts, **more}


@pytest.mark.parametrize("name", ODD)
def test_a_class_name_is_printed_as_it_is(name):
    assert name in shown(printing.class_table([row(name)])).replace("\n", "")


@pytest.mark.parametrize("name", ODD)
def test_cells_and_column_names_are_printed_as_they_are(name):
    text = shown(printing.rows_table([name, "b"], [(name, 1)]))
    assert text.count(name) == 2


HOSTILE = {
    "a\x1b[2Jb": r"a\x1b[2Jb", "a\nb": r"a\nb", "a\rb": r"a\rb", "a\tb": r"a\tb", "a\0b": r"a\x00b",
    "a\x9b2Jb": r"a\x9b2Jb",
    "a\u202eb": r"a\u202eb", "a\u2028b": r"a\u2028b", "a\ud800b": r"a\ud800b", "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "a\x08b": r"a\x08b", "<script>'\"; DROP": "<script>'\"; DROP", "😀é/../=%": "😀é/../=%", "👩\u200d🚀": "👩\u200d🚀",
}  # fmt: skip
each_hostile = pytest.mark.parametrize(("text", "safe"), HOSTILE.items())


@each_hostile
def test_nothing_of_a_cell_or_a_class_name_reaches_the_terminal_as_control(text, safe):
    for renderable in (printing.class_table([row(text)]), printing.rows_table([text], [(text,)])):
        printed = shown(renderable)
        assert safe in printed
        assert all(line.isprintable() or "\u200d" in line for line in printed.split("\n"))


@each_hostile
def test_nothing_at_the_end_of_a_run_is_control(text, safe):
    failure = {"shard": f"/d/{text}", "record": 3, "byte_offset": 9, "message": f"no {text}"}
    end = outcome("car", [failure])
    end.run = Run(f"/out {text}", "2026-11-23", "r1", "c", "m")
    printed = shown(call=lambda c: printing.show_outcome(c, end, config()))
    assert f"failed /d/{safe} record 3 (byte 9): no {safe}\n" in printed
    assert f"/out {safe}/samples/" in printed
    assert all(line.isprintable() or "\u200d" in line for line in printed.split("\n"))


def test_long_text_is_cut_with_a_note():
    printed = shown(printing.rows_table(["x" * 100_000], [("y" * 100_000,)]))
    assert len(printed) < 3_000
    assert "y... (100,000 characters)" in printed.replace("\n", "")
    failure = {"shard": "s" * 100_000, "record": 3, "byte_offset": 9, "message": "m" * 100_000}
    assert len(shown(call=lambda c: printing.show_outcome(c, outcome("c" * 100_000, [failure]), config()))) < 10_000


def test_a_piped_cell_is_longer():
    assert "y" * 5_000 in shown(printing.rows_table(["x"], [("y" * 5_000,)], 10_000)).replace(" ", "").replace("\n", "")


def test_numbers_of_a_class():
    text = shown(printing.class_table([row(dice_mean=0.123456, precision_pooled=None)]))
    assert "0.1235" in text
    assert "1,234" in text
    assert "0.457-0.543" in text
    assert " - " in text


@pytest.mark.parametrize(("low", "high"), [(None, None), (0.1, None)])
def test_no_interval_is_a_dash(low, high):
    assert printing.interval(low, high) == "-"


def test_the_table_of_classes_fits_a_terminal():
    rows = [row("background", n_present=10_000)]
    assert max(map(len, shown(printing.class_table(rows)).splitlines())) <= 80


@pytest.mark.parametrize(
    ("value", "text"), [(None, "NULL"), (1 / 3, "0.333333"), (12, "12"), (True, "True"), ("a", "a")]
)
def test_cells(value, text):
    assert text in shown(printing.rows_table(["x"], [(value,)]))


def test_a_result_without_rows_shows_its_columns():
    assert "status" in shown(printing.rows_table(["status"], []))


ALL_SLICE = {"slice": "all", "dice_mean": 0.75, "dice_mean_low": 0.7, "dice_mean_high": 0.8}


def outcome(name="car", failures=(), rate=10.0):
    run_row = {"scored": 1200, "records": 1201, "shards": 2, "failed": 1, "seconds": 12.3, "samples_per_second": rate}
    slices = [
        {"slice": "site=A", "dice_mean": 0.1},
        {"slice": "all", "dice_mean": 0.75, "dice_mean_low": 0.7, "dice_mean_high": 0.8},
    ]
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
    assert "mean Dice 0.7500 (0.700-0.800), pooled -  (foreground: car)" in text
    assert "scored 1,200 of 1,201 records in 2 shards, 1 failed in 12.3 s, 10.0 samples/s" in text
    assert "hidden" not in text
    for table in tables.OF_A_RUN:
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


def test_a_run_whose_ids_differ_says_nothing_of_them():
    quiet = outcome()
    quiet.row["duplicate_ids"] = 0
    assert printing.duplicates_warning(quiet, "out") is None


def test_repeated_ids_are_a_warning_with_the_query_that_lists_them():
    found = outcome()
    found.row["duplicate_ids"] = 1200
    text = printing.duplicates_warning(found, "my reports")
    assert text.startswith("warning: 1,200 samples have an id that another sample has too; shard and record tell them")
    assert "dicebeam query 'my reports' \"SELECT sample_id" in text
    assert "WHERE run_id = 'r1'" in text
