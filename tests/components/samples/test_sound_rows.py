"""Numbers of sample rows that cannot be are found, and all that can be are let through."""

import pyarrow as pa
import pytest

from dicebeam.components.samples import sound_rows
from tests.support.summarizing import random_samples

IDS = (0, 1, 2)
ROWS = random_samples(8).table()


def changed(name: str, value: object, row: int = 4, rows: pa.Table = ROWS) -> pa.Table:
    values = rows[name].to_pylist()
    values[row] = value
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, rows.schema.field(name).type))


def why(rows: pa.Table) -> str | None:
    return sound_rows.why_not(rows, 3, IDS)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_counted_is_sound(seed: int) -> None:
    assert why(random_samples(30, seed=seed).table()) is None


def test_a_file_that_names_no_classes_is_not_held_against_them() -> None:
    assert sound_rows.why_not(ROWS, 3, ()) is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed("true_positives", 10_000), "true_positives + false_positives is more than pixels - ignored_pixels"),
        (changed("false_negatives", 10_000), "true_positives + false_negatives is more than pixels - ignored_pixels"),
        (changed("false_positives", -1), "false_positives is negative"),
        (changed("pixels", None), "pixels is NULL"),
        (changed("pixels", 9_999), "the rows of a sample do not have the same pixels"),
        (changed("record", 77), "the rows of a sample do not have the same record"),
        (changed("class_id", 2), "the class ids of its samples are not [0, 1, 2]"),
        (changed("state", "nothing"), "a state is not its counts'"),
        (changed("dice", 1.5), "a Dice is not of [0, 1]"),
        (changed("sample_id", None), "sample_id is NULL"),
    ],
)
def test_what_cannot_be_is_said(rows: pa.Table, message: str) -> None:
    assert message in str(why(rows))


@pytest.mark.parametrize("name", ["true_positives", "false_negatives", "pixels"])
def test_the_least_that_is_too_much(name: str) -> None:
    """Of a class that fills the image, one pixel more of the class or one less of the image cannot be."""
    full = random_samples(1, n_classes=1).table()
    for column, value in (("true_positives", 100), ("false_positives", 0), ("false_negatives", 0), ("pixels", 100)):
        full = changed(column, value, 0, full)
    full = changed("state", "present", 0, changed("ignored_pixels", 0, 0, full))
    assert sound_rows.why_not(full, 1, (0,)) is None
    off = full[name][0].as_py() + (-1 if name == "pixels" else 1)
    assert "more than pixels" in str(sound_rows.why_not(changed(name, off, 0, full), 1, (0,)))


def test_columns_that_are_not_read_are_not_missed() -> None:
    assert why(ROWS.select(["sample_id"])) is None
