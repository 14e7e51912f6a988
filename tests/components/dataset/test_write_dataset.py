"""The tables of an analysis: rows, NULL where nothing is defined, accounting, and the row that is written last."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from dicebeam.components.dataset import dataset_rows, dataset_sums, write_dataset
from dicebeam.components.dataset.dataset_sums import DatasetSums, SliceSums
from dicebeam.components.dataset.write_dataset import DatasetSettings
from dicebeam.components.runs import analysis_files, run_tables
from dicebeam.components.runs.analysis_files import Analysis
from dicebeam.schemas import datasets
from dicebeam.schemas.accounting import RunTotals
from dicebeam.schemas.errors import AccountingError
from dicebeam.schemas.records import Failure, Lineage

SUMS = DatasetSums(
    np.array([[30, 2], [0, 0]], np.int64),
    (),
    {(None, 4, 5, 3): 1, (None, 2, 10, 3): 1, (2, 2, 5, 3): 2},
    {"site=B": SliceSums(1, 20, 0), "all": SliceSums(4, 80, 20), "site=A": SliceSums(3, 60, 20)},
)
FAILURES = [
    Failure(Lineage(shard, record, 7), None, "read", "SampleError", "why")
    for shard, record in (("b", 0), ("a", 9), ("a", 2))
]


@pytest.fixture
def settings(tmp_path):
    sums = tmp_path / "temporary" / "sums.json"
    graph = tmp_path / "temporary" / "graph" / "transform_fn"
    graph.mkdir(parents=True)
    (graph / "saved_model.pb").write_bytes(b"graph")
    sums.write_bytes(dataset_sums.encode(SUMS))
    run = Analysis(str(tmp_path / "out"), "2026-11-23", "r1")
    return DatasetSettings(run, str(sums), 2, ("a", "b"), 0.5, "{}", "{}", "here", datetime(2026, 11, 23, tzinfo=UTC))


def write(settings, totals=RunTotals(2, 7, 4, 3), failures=FAILURES):  # noqa: B008 - it is frozen
    return write_dataset.write(settings, str(Path(settings.sums).parent / "graph"), totals, failures)


def test_fractions_are_of_pixels_that_count_and_of_samples():
    rows = dataset_rows.classes(SUMS, ("a", "b")).to_pylist()
    assert [(row["pixel_fraction"], row["sample_fraction"]) for row in rows] == [(0.5, 0.5), (0.0, 0.0)]


def test_of_no_samples_fractions_are_null():
    rows = dataset_rows.classes(dataset_sums.nothing(2), ("a", "b")).to_pylist()
    assert [(row["pixel_fraction"], row["sample_fraction"]) for row in rows] == [(None, None)] * 2
    assert dataset_rows.channels(dataset_sums.nothing(2)).num_rows == 0
    assert dataset_rows.slices(dataset_sums.nothing(2)).to_pylist() == [
        {"slice": "all", "n_samples": 0, "pixels": 0, "ignored_pixels": 0}
    ]


def test_rows_are_in_an_order_that_no_shard_decides():
    assert dataset_rows.slices(SUMS)["slice"].to_pylist() == ["all", "site=A", "site=B"]
    sizes = dataset_rows.sizes(SUMS)
    assert sizes["depth"].to_pylist() == [2, None, None]
    assert sizes["height"].to_pylist() == [2, 2, 4]
    found = dataset_rows.failures(FAILURES)
    assert list(zip(*(found[name].to_pylist() for name in ("shard", "record")), strict=True)) == [
        ("a", 2), ("a", 9), ("b", 0)
    ]  # fmt: skip


def test_tables_and_graph_are_written_and_the_row_last(settings):
    path = write(settings)
    files = sorted(Path(settings.run.output).rglob("*.*"), key=lambda file: file.stat().st_mtime_ns)
    assert str(files[-1]) == path
    assert Path(analysis_files.transform_folder(settings.run), "transform_fn/saved_model.pb").read_bytes() == b"graph"
    (row,) = run_tables.read(settings.run, "datasets").to_pylist()
    assert (row["records"], row["analyzed"], row["failed"], row["status"]) == (7, 4, 3, "done")
    assert row["transform"] == analysis_files.transform_folder(settings.run)
    assert row["samples_per_second"] == pytest.approx(4 / row["seconds"])
    assert all(run_tables.read(settings.run, name).schema.equals(schema) for name, schema in datasets.FIXED.items())
    assert analysis_files.find(settings.run.output, "r1") == settings.run
    assert analysis_files.find(settings.run.output, "r2") is None


def test_tables_and_graph_in_a_bucket(settings, remote):
    bucket = dataclasses.replace(settings, run=Analysis("gs://b/out", "2026-11-23", "r1"))
    write(bucket)
    folders = {path.removeprefix("gs://b/out/").partition("/")[0] for path in remote}
    assert folders == {*datasets.FIXED, datasets.TRANSFORM}
    assert [data for path, data in remote.items() if path.endswith("transform_fn/saved_model.pb")] == [b"graph"]
    assert analysis_files.find("gs://b/out", "r1") == bucket.run


@pytest.mark.parametrize(
    ("totals", "failures", "message"),
    [
        (RunTotals(1, 7, 4, 3), FAILURES, r"expected 2 shards and records = scored \+ failed"),
        (RunTotals(2, 8, 4, 3), FAILURES, r"expected 2 shards and records = scored \+ failed"),
        (RunTotals(2, 7, 4, 3, seams=1), FAILURES, r"a range of bytes of one is missing, or there twice"),
        (RunTotals(2, 8, 5, 3), FAILURES, r"the sums of 5 samples and 3 failures, but there are those of 4 and 3"),
        (RunTotals(2, 7, 4, 3), FAILURES[1:], r"the sums of 4 samples and 3 failures, but there are those of 4 and 2"),
    ],
)
def test_what_is_not_accounted_for_is_not_written(settings, totals, failures, message):
    with pytest.raises(AccountingError, match=message):
        write(settings, totals, failures)
    assert not Path(settings.run.output).exists()


@pytest.mark.parametrize(
    ("totals", "status"),
    [
        (RunTotals(2, 4, 4, 0), "done"),
        (RunTotals(2, 9, 4, 5), "over_failure_budget"),
        (RunTotals(2, 7, 4, 3, cut_short=1), "shard_cut_short"),
        (RunTotals(2, 0, 0, 0), "nothing_analyzed"),
    ],
)
def test_status(settings, totals, status):
    row = write_dataset.dataset_row(settings, totals, "d", datetime(2026, 11, 23, 1, tzinfo=UTC))
    assert (row["status"], row["seconds"]) == (status, 3600.0)
    assert (row["samples_per_second"] is None) == (totals.scored == 0)
