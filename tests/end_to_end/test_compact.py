"""`compact` on the command line, a run before and after it, and what every Parquet file of a run is like."""

import re
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.explore import demo as making
from dicebeam.components.reading import tfrecord
from dicebeam.components.storage import filesystems, parquet_files
from dicebeam.pipeline import cli
from dicebeam.pipeline.console import run_console
from dicebeam.schemas import tables
from dicebeam.schemas.shards import Shard

STAMPS = {"started", "finished", "seconds", "samples_per_second"}


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    return int(exited.value.code or 0)


def command(name: str, demo: Path, *more: str) -> int:
    options = ["--set", "max_failed_fraction=0.5", "--set", "bootstrap.replicates=20", "--run-id", "r1"]
    return code([name, f"{demo}/config.yaml", *options, *more])


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of five shards, of which one has a record that fails, evaluated as `r1`."""
    demo = tmp_path_factory.mktemp("compact") / "demo"
    making.make(str(demo), 12)
    (demo / "data" / "extra.tfrecord").write_bytes(tfrecord.frame(b"what?"))
    assert command("evaluate", demo) == 0
    shutil.copytree(demo / "reports", demo / "kept")
    return demo


@pytest.fixture
def demo(scored: Path) -> Path:
    """The demo with tables as they were."""
    shutil.rmtree(scored / "reports")
    shutil.copytree(scored / "kept", scored / "reports")
    return scored


def files(demo: Path, table: str) -> list[Path]:
    return sorted(path for path in demo.glob(f"reports/{table}/*/run_id=r1/*.parquet") if path.name[0] != ".")


def content(demo: Path) -> dict[str, pa.Table]:
    """Every table, but for the times of the attempt."""
    order = {"samples": tables.SAMPLES_ORDER, "failures": tables.FAILURES_ORDER}
    found = {
        name: pa.concat_tables(pq.read_table(path, partitioning=None) for path in files(demo, name))
        for name in tables.OF_A_RUN
    }
    by = {name: found[name].sort_by([(column, "ascending") for column in order[name]]) for name in order}
    runs = found["runs"].drop_columns(list(STAMPS))
    return {**found, **by, "runs": runs}


def test_summarize_after_compaction_gives_the_same_tables_and_digest(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(demo)
    assert len(files(demo, "samples")) == 5
    assert command("compact", demo) == 0
    assert re.search(r"run r1: 5 sample files of \d+ kB became 1 sample file of \d+ kB\n", capsys.readouterr().err)
    assert (len(files(demo, "samples")), len(files(demo, "failures"))) == (1, 1)
    assert content(demo) == before
    for name in ("classes", "slices", "histograms", "replicates"):
        shutil.rmtree(files(demo, name)[0].parent)
    assert command("summarize", demo) == 0
    assert content(demo) == before
    assert before["runs"]["digest"].to_pylist() == content(demo)["runs"]["digest"].to_pylist() != [None]
    assert "scored 12 of 13 records in 5 shards, 1 failed" in capsys.readouterr().out


def test_evaluate_scores_nothing_again_and_only_what_is_added(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(demo)
    assert command("compact", demo) == 0
    (merged,) = files(demo, "samples")
    stamp = merged.stat().st_mtime_ns
    added = demo / "data" / "val-added.tfrecord"
    shutil.copy(min((demo / "data").glob("val-*")), added)
    try:
        assert command("evaluate", demo) == 0
        assert "scored 15 of 16 records in 6 shards, 1 failed" in capsys.readouterr().out
        assert len(files(demo, "samples")) == 2
        assert merged.stat().st_mtime_ns == stamp
        assert command("summarize", demo) == command("compact", demo) == 0
        assert len(files(demo, "samples")) == 1
    finally:
        added.unlink()
    assert content(demo)["samples"].num_rows == before["samples"].num_rows * 15 // 12


@pytest.mark.parametrize("name", ["summarize", "evaluate"])
def test_a_compaction_that_was_killed_is_repaired_by(
    name: str, demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, deleted = content(demo), []
    real = filesystems.delete

    def dies(path: str) -> None:
        deleted.append(path)
        if sum("/samples/" in each for each in deleted) == 3:
            raise KeyboardInterrupt
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(filesystems, "delete", dies)
        assert command("compact", demo) == 130
    assert (len(files(demo, "samples")), files(demo, "runs")) == (4, [])
    assert command(name, demo) == 0
    assert "scored 12 of 13 records in 5 shards, 1 failed" in capsys.readouterr().out
    assert len(files(demo, "samples")) == 1
    unversioned = {key: value for key, value in content(demo).items() if key != "runs"}
    assert unversioned == {key: value for key, value in before.items() if key != "runs"}
    assert content(demo)["runs"]["digest"] == before["runs"]["digest"]


def test_an_unfinished_run_is_refused_with_the_command_that_finishes_it(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files(demo, "runs")[0].unlink()
    assert command("compact", demo) == 2
    error = capsys.readouterr().err
    assert "'r1' is not finished: it has no row in `runs`" in error
    assert f"to resume: dicebeam evaluate {demo}/config.yaml --set max_failed_fraction=0.5" in error
    assert len(files(demo, "samples")) == 5


@pytest.mark.parametrize(("run_id", "message"), [("r2", "there is no run 'r2'"), ("../r1", "--run-id: expected")])
def test_a_run_that_is_not_there(run_id: str, message: str, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(["compact", f"{demo}/config.yaml", "--run-id", run_id]) == 2
    assert message in capsys.readouterr().err


# the note after evaluate


@pytest.mark.parametrize(
    ("count", "size", "noted"), [(201, 10_000, True), (200, 10_000, False), (201, 1 << 20, False), (0, 0, False)]
)
def test_many_small_files_are_worth_a_note(count: int, size: int, noted: bool) -> None:
    found = [Shard(f"/out/{i}", size) for i in range(count)]
    note = run_console.compact_note(found, "my config.yaml", ["a=b"], "r1")
    expected = (
        "the run has 201 sample files of 10 kB; to merge them: dicebeam compact 'my config.yaml' --set a=b --run-id r1"
    )
    assert note == (expected if noted else None)


def test_evaluate_says_the_note(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_console, "MANY_FILES", 4)
    assert command("evaluate", demo) == 0
    error = capsys.readouterr().err
    assert "dicebeam: the run has 5 sample files of " in error
    assert f"to merge them: dicebeam compact {demo}/config.yaml --set max_failed_fraction=0.5" in error


# what the files are like


@pytest.fixture(scope="module")
def compacted(scored: Path) -> Path:
    """The files of the run as evaluated, and those of samples and failures as compacted, side by side."""
    copy = scored.parent / "compacted"
    shutil.copytree(scored / "kept", copy / "reports")
    for name in ("config.yaml", "data", "models"):
        (copy / name).symlink_to(scored / name)
    options = ["--set", f"output={copy}/reports", "--run-id", "r1"]
    assert code(["compact", f"{scored}/config.yaml", *options]) == 0
    return copy


@pytest.fixture(params=["evaluated", "compacted"])
def either(request: pytest.FixtureRequest, scored: Path, compacted: Path) -> Path:
    if request.param == "compacted":
        return compacted
    shutil.rmtree(scored / "reports")
    shutil.copytree(scored / "kept", scored / "reports")
    return scored


@pytest.mark.parametrize("table", tables.OF_A_RUN)
def test_every_file_says_its_version_and_run_and_has_statistics(table: str, either: Path) -> None:
    assert files(either, table)
    for path in files(either, table):
        metadata = pq.ParquetFile(path).metadata
        said = metadata.metadata
        assert (said[b"dicebeam.schema_version"], said[b"dicebeam.run_id"]) == (tables.SCHEMA_VERSION.encode(), b"r1")
        for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
            for column in (group.column(i) for i in range(group.num_columns)):
                assert column.is_stats_set, column.path_in_schema
                assert column.statistics.has_null_count
                assert column.statistics.has_min_max or column.statistics.null_count == group.num_rows
                assert column.has_offset_index
                assert column.has_column_index
                assert column.compression == "ZSTD"


@pytest.mark.parametrize("table", ["classes", "slices", "histograms", "replicates", "runs"])
def test_what_is_opened_every_morning_is_one_file(table: str, either: Path) -> None:
    assert [path.name for path in files(either, table)] == ["part-0.parquet"]


@pytest.mark.parametrize(("table", "order"), [("samples", tables.SAMPLES_ORDER), ("failures", tables.FAILURES_ORDER)])
def test_files_are_sorted_as_they_say(table: str, order: tuple[str, ...], either: Path) -> None:
    for path in files(either, table):
        file = pq.ParquetFile(path)
        rows = [
            tuple(row[name] for name in order)
            for row in pq.read_table(path, columns=list(order), partitioning=None).to_pylist()
        ]
        assert rows == sorted(rows)
        for group in (file.metadata.row_group(i) for i in range(file.num_row_groups)):
            assert [file.schema_arrow.names[each.column_index] for each in group.sorting_columns] == list(order)
            assert not any(each.descending for each in group.sorting_columns)


def test_statistics_say_which_files_have_a_record(compacted: Path) -> None:
    (path,) = files(compacted, "samples")
    group = pq.ParquetFile(path).metadata.row_group(0)
    names = [group.column(i).path_in_schema for i in range(group.num_columns)]
    shard, class_id = (group.column(names.index(name)).statistics for name in ("shard", "class_id"))
    assert shard.min < shard.max
    assert (class_id.min, class_id.max) == (0, 3)


@pytest.mark.parametrize("table", tables.OF_A_RUN)
def test_text_that_repeats_has_a_dictionary_and_ids_and_measures_have_none(table: str, either: Path) -> None:
    metadata = pq.ParquetFile(files(either, table)[-1]).metadata
    columns = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    found = {column.path_in_schema for column in columns if column.has_dictionary_page}
    schema = pq.ParquetFile(files(either, table)[-1]).schema_arrow
    assert found == set(parquet_files.dictionary_columns(schema))
    assert not found & {"sample_id", "record", "byte_offset", "dice", "dice_mean"}
    assert found >= {"shard", "class_name", "state", "site", "slice", "stage"} & set(schema.names)


ARROW = {"int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR"}
ARROW["timestamp[us, tz=UTC]"] = "TIMESTAMP WITH TIME ZONE"
POLARS = {"int32": "Int32", "int64": "Int64", "double": "Float64", "string": "String"}
POLARS["timestamp[us, tz=UTC]"] = "Datetime(time_unit='us', time_zone='UTC')"


def types(demo: Path, table: str) -> tuple[Path, dict[str, str]]:
    path = files(demo, table)[0]
    return path, {field.name: str(field.type) for field in pq.ParquetFile(path).schema_arrow}


@pytest.mark.parametrize("table", tables.OF_A_RUN)
def test_duckdb_reads_the_same_types(table: str, either: Path) -> None:
    path, ours = types(either, table)
    relation = duckdb.read_parquet(str(path), hive_partitioning=False)
    assert dict(zip(relation.columns, map(str, relation.types), strict=True)) == {
        name: ARROW[kind] for name, kind in ours.items()
    }


@pytest.mark.parametrize("table", tables.OF_A_RUN)
def test_polars_reads_the_same_types_and_rows(table: str, either: Path) -> None:
    polars = pytest.importorskip("polars")
    path, ours = types(either, table)
    frame = polars.read_parquet(path, hive_partitioning=False)
    assert {name: str(kind) for name, kind in frame.schema.items()} == {n: POLARS[k] for n, k in ours.items()}
    assert frame.rows() == [tuple(row.values()) for row in pq.read_table(path, partitioning=None).to_pylist()]


@pytest.mark.parametrize("table", tables.OF_A_RUN)
def test_spark_reads_the_same_types(table: str, either: Path) -> None:
    sql = pytest.importorskip("pyspark.sql")
    kinds = {"int32": "int", "int64": "bigint", "double": "double", "string": "string"}
    kinds["timestamp[us, tz=UTC]"] = "timestamp"
    path, ours = types(either, table)
    spark = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    assert dict(spark.read.parquet(str(path)).dtypes) == {name: kinds[kind] for name, kind in ours.items()}
