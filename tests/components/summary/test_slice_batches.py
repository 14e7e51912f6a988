"""Rows of many small slices together: the same rows, in the order of their names, and few things to hold."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that

from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.components.summary import slice_batches, slice_rows, slice_state, summarize
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings, SliceState
from dicebeam.components.summary.summarize import SummarySettings
from dicebeam.schemas import tables
from dicebeam.schemas.records import SampleSums
from dicebeam.schemas.slices import SliceTables

CLASSES = ClassSettings((0, 1), ("background", "car"), (1,))


def made(name: str, rows: int = 2, replicates: int | None = None) -> SliceTables:
    def table(schema: pa.Schema, count: int) -> pa.Table:
        return pa.Table.from_pylist([{"slice": name, "class_id": i} for i in range(count)], schema=schema)

    of = {"classes": tables.CLASSES, "slices": tables.SLICES, "histograms": tables.HISTOGRAMS}
    kept = None if replicates is None else table(tables.REPLICATES, replicates)
    return SliceTables(name, *(table(schema, rows) for schema in of.values()), kept)


def ordered(parts: list[SliceTables], name: str = "histograms") -> list[tuple[str, int]]:
    found = slice_batches.rows_in_order(parts, name)
    return [(row["slice"], row["class_id"]) for rows in found for row in rows.select(["slice", "class_id"]).to_pylist()]


def test_rows_are_ordered_by_slice_and_in_a_slice_stay_as_they_are() -> None:
    mixed = [slice_batches.together([made("b"), made("a/x")]), made("all", 3), made("a=é"), made("Z")]
    assert ordered(mixed) == [
        ("all", 0), ("all", 1), ("all", 2), *((name, i) for name in ("Z", "a/x", "a=é", "b") for i in (0, 1)),
    ]  # fmt: skip


@pytest.mark.parametrize("parts", [[], [made("all", 0)]])
def test_no_rows_are_no_parts(parts: list[SliceTables]) -> None:
    assert list(slice_batches.rows_in_order(parts, "histograms")) == []


def test_one_slice_is_one_part() -> None:
    assert ordered([made("all")]) == [("all", 0), ("all", 1)]


def test_a_row_group_has_whole_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice_batches.parquet_files, "ROWS_A_GROUP", 3)
    parts = list(slice_batches.rows_in_order([made(name) for name in "abcde"], "classes"))
    assert [len(part) for part in parts] == [4, 4, 2]


def test_replicates_are_in_the_same_order_and_of_those_that_have_some() -> None:
    parts = [made("b", replicates=1), made("c"), made("all", replicates=2), made("a", replicates=3)]
    assert [len(rows) for rows in slice_batches.replicates_in_order(parts)] == [2, 3, 1]


def test_many_slices_are_few_elements_and_lose_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summarize, "SLICES_TOGETHER", 10)
    slices = [made("all", replicates=4), *(made(f"site={i:03}") for i in range(95))]

    def few(found: list[SliceTables]) -> None:
        assert len(found) <= 12
        assert [len(part.replicates) for part in found if part.replicates is not None] == [4]
        assert ordered(found) == ordered(slices)
        assert ordered(found, "classes") == ordered(slices, "classes")

    with beam.Pipeline("FnApiRunner") as pipeline:
        assert_that(pipeline | beam.Create(slices, reshuffle=False) | beam.ParDo(summarize._PutTogether()), few)


def block(hashes: list[int]) -> SampleBlock:
    rng, n = np.random.default_rng(3), len(hashes)
    tp, extra = rng.integers(1, 90, (n, 2)), rng.integers(0, 9, (n, 2))
    sums = SampleSums(tp, tp + extra, tp + 1, *(tp * 0.9,) * 3, np.full(n, 100), np.zeros(n, np.int64))
    return SampleBlock(np.array(hashes, np.uint64), sums)


def of_site(keep: int = 0) -> SummarySettings:
    bootstrap = BootstrapSettings(50, by_cluster=True)
    return SummarySettings(None, CLASSES, ((SliceFeature("site", "site"),),), bootstrap, keep_slices=keep)


@pytest.mark.parametrize("hashes", [[7], [7, 7]])
def test_one_sample_or_cluster_is_never_resampled(hashes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = SliceState([block(hashes)])
    expected.fold(of_site().bootstrap)
    drawn: list[int] = []
    real = slice_state.totals
    monkeypatch.setattr(slice_state, "totals", lambda part, how: drawn.append(how.replicates) or real(part, how))
    found = summarize.slice_tables((1, "site=A"), SliceState([block(hashes)]), {1: 9}, of_site())
    assert drawn == [0]
    wanted = slice_rows.slice_tables("site=A", expected.folded, CLASSES, keep_replicates=False)
    assert all(getattr(found, name).equals(getattr(wanted, name)) for name in slice_batches.TOGETHER)


@pytest.mark.parametrize(("hashes", "keep"), [([7, 8], 0), ([7], 9)])
def test_several_samples_and_what_is_kept_are_resampled(hashes: list[int], keep: int) -> None:
    found = summarize.slice_tables((1, "site=A"), SliceState([block(hashes)]), {1: 9}, of_site(keep))
    assert (found.replicates is not None) == bool(keep)
    assert (found.slices["dice_mean_low"].null_count == 0) == (len(hashes) > 1)


def test_a_state_says_by_how_much_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice_state, "FOLD_SAMPLES", 10)
    state, held = SliceState(), 0
    for number in range(12):
        held += state.take([block([number, number + 100])], BootstrapSettings(5))
        assert held == state.nbytes
    assert state.folded is not None


def test_many_small_files_are_not_counted_again_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    real = SampleBlock.nbytes.fget
    monkeypatch.setattr(SampleBlock, "nbytes", property(lambda self: counted.append(1) or real(self)))
    state = SliceState()
    for number in range(300):
        state.take([block([number])], BootstrapSettings(5))
    assert len(counted) == 300
