"""Where files are, what a sample file says of its shard, and what is not believed."""

import dataclasses
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.runs import run_files, shard_records
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.schemas import tables
from dicebeam.schemas.accounting import Committed
from dicebeam.schemas.errors import TablesError

RECORD = ShardRecord(
    "/data/a.tfrecord", 99, records=3, scored=2, failed=1, config_fingerprint="c", model_fingerprint="m"
)


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path / "out"), "2026-11-23", "r1", "c", "m")


def write(run, rows=4, name="a.parquet", record=RECORD, **changed):
    """A sample file with so many rows; its path."""
    schema = tables.samples_schema([])
    table = pa.Table.from_pylist([{"class_id": 0}] * rows, schema=schema)
    extra = dataclasses.replace(record, **changed).encode()
    path = f"{run.folder('samples')}/{name}"
    run_files.filesystems.make_folder(run.folder("samples"))
    pq.write_table(table.replace_schema_metadata(tables.with_metadata(schema, run.run_id, extra).metadata), path)
    return path


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("/data/val-0.tfrecord", "val-0.tfrecord"),
        ("gs://b/x/val 0@4.tfrecord.gz", "val_0_4.tfrecord.gz"),
        ("/data/.hidden", "hidden"),
        ("/data/_x", "x"),
        ("/data/" + "n" * 300, "n" * 80),
    ],
)
def test_file_name_is_readable_and_visible(path, stem):
    assert re.fullmatch(re.escape(stem) + r"-[0-9a-f]{32}\.parquet", run_files.file_name(path))


@pytest.mark.parametrize(
    "name", ["a\nb", "-rf", "../x", "a/..", "%2e%2e", "é😀\u202e", "'\";", "n" * 255, "*?[", "a=b"]
)
def test_file_name_is_safe_everywhere(name):
    found = run_files.file_name(f"/d/{name}")
    assert re.fullmatch(r"[A-Za-z0-9-][A-Za-z0-9._-]*\.parquet", found)
    assert len(found) <= 121


def test_shards_of_one_name_in_two_folders_have_two_files():
    assert run_files.file_name("/a/x.tfrecord") != run_files.file_name("/b/x.tfrecord")


def test_a_committed_file(run):
    path = write(run)
    assert run_files.committed(path, run, 2) == [Committed("/data/a.tfrecord", path, 3, 2, 1, size_bytes=99)]
    assert run_files.read_shard_record(path) == RECORD


@pytest.mark.parametrize(("rows", "changed"), [(3, {}), (5, {}), (4, {"records": 4}), (2, {"scored": 1})])
def test_a_file_whose_rows_are_not_what_it_says(run, rows, changed):
    path = write(run, rows, **changed)
    with pytest.raises(
        TablesError, match=f"a.parquet, but it is damaged: it has {rows} rows, but its metadata says .*; delete it, and"
    ):
        run_files.committed(path, run, 2)


@pytest.mark.parametrize(("what", "now"), [("config", "c"), ("model", "m"), ("transform", "none")])
def test_a_file_of_another_config_model_or_transform(run, what, now):
    path = write(run, **{f"{what}_fingerprint": "another-fingerprint"})
    expected = (
        f"run 'r1' was begun with another {what}: it had the fingerprint another-fing, now it is {now} .* Use ano"
    )
    with pytest.raises(TablesError, match=expected):
        run_files.committed(path, run, 2)


def test_a_parquet_file_of_something_else(run, tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(
        TablesError, match=r"expected a sample file of schema version 1 at .*; move it away or use another"
    ):
        run_files.committed(str(tmp_path / "x.parquet"), run, 2)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"text that is long enough to be looked at"])
def test_a_file_that_is_no_parquet(run, tmp_path, data):
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(
        TablesError, match=r"expected a file in .*x\.parquet, but it is damaged: it does not end as a Parquet file does"
    ):
        run_files.committed(str(tmp_path / "x.parquet"), run, 2)


def test_a_file_of_another_schema_version():
    with pytest.raises(TablesError, match="expected a sample file of schema version 1"):
        shard_records.shard_records({b"dicebeam.schema_version": b"2", **RECORD.encode()}, "x")


def test_sample_files_are_those_under_a_final_name(run):
    path = write(run)
    Path(path).with_name(".b.parquet.123.tmp").write_bytes(b"")
    assert list(run_files.sample_files(run)) == ["a.parquet"]


def test_no_sample_files(run):
    assert run_files.sample_files(run) == {}


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("name", ["reports", "a b", "a[1]", "a*b"])
def test_the_date_of_a_run_that_was_begun(tmp_path, name):
    run = Run(str(tmp_path / name), "2026-11-20", "r1", "c", "m")
    assert run_files.find_eval_date(run.output, "r1") is None
    write(run)
    assert run_files.find_eval_date(run.output, "r1") == "2026-11-20"
    assert run_files.find_eval_date(run.output + "/", "r1") == "2026-11-20"
    assert run_files.find_eval_date(run.output, "r2") is None
    assert list(run_files.sample_files(run)) == ["a.parquet"]


def test_a_run_under_two_dates(run):
    write(run)
    write(dataclasses.replace(run, eval_date="2026-11-24"))
    with pytest.raises(TablesError, match=r"'r1' is there under several dates, \['2026-11-23', '2026-11-24'\]"):
        run_files.find_eval_date(run.output, "r1")


def test_a_folder_that_looks_like_a_partition_does_not_mislead(tmp_path):
    run = Run(str(tmp_path / "eval_date=x" / "out"), "2026-11-23", "r1", "c", "m")
    write(run)
    assert run_files.find_eval_date(run.output, "r1") == "2026-11-23"


def test_write_table(run):
    path = run_files.write_table(tables.FAILURES.empty_table(), run, "failures", "part-0.parquet")
    assert path == f"{run.output}/failures/eval_date=2026-11-23/run_id=r1/part-0.parquet"
    file = pq.ParquetFile(path)
    assert file.schema_arrow.metadata == {
        b"dicebeam.schema_version": b"1",
        b"dicebeam.run_id": b"r1",
        b"dicebeam.table": b"failures",
        b"dicebeam.sealed": b"crc32c",
    }
    assert file.schema_arrow.names == tables.FAILURES.names


def test_tables_are_compressed_with_zstd(run):
    row = {"shard": "s", "record": 1}
    path = run_files.write_table(pa.Table.from_pylist([row], schema=tables.FAILURES), run, "failures", "x.parquet")
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
