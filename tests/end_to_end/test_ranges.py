"""One large shard as several units: the same rows as of one, committed, gone on with and accounted for by range."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dicebeam.components.reading import find_shards, tfrecord
from dicebeam.components.runs import run_files, superseded_files
from dicebeam.components.runs.run_files import Place
from dicebeam.components.samples import compaction
from dicebeam.pipeline import cli
from dicebeam.pipeline.console import progress
from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import AccountingError, StorageError, TablesError, UnfinishedRunError
from dicebeam.schemas.shards import Shard
from tests.support import builders
from tests.support.evaluating import evaluate, table

RECORDS = 30
PROCESSES = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
SOFT = ["soft_intersection", "soft_predicted", "soft_predicted_sq", "soft_dice"]
ACCOUNTS = ["status", "shards", "records", "scored", "failed", "duplicate_ids", "digest", "data_fingerprint"]


def model_of(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


def records() -> list[bytes]:
    """Records of several sizes and lengths; every third has no id of its own, and one is no tf.Example."""
    rng, made = np.random.default_rng(11), []
    for i in range(RECORDS):
        size = [(6, 5), (9, 7)][rng.integers(2)]
        image, mask = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 2, size)
        more = {} if i % 3 else {"image/filename": f"s{i}"}
        made.append(
            builders.example_of(
                {
                    "image/encoded": builders.png(image),
                    "image/segmentation/class/encoded": builders.png(mask),
                    "padding": bytes(int(rng.integers(0, 300))),
                    **more,
                }
            )
        )
    made[17] = b"what?"
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return builders.save_model(tmp_path_factory.mktemp("ranges") / "model", model_of, builders.images_spec())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One large shard and two small ones, of which one is empty. One record of the large one has damaged data."""
    folder = tmp_path_factory.mktemp("ranges") / "data"
    path = builders.write_shard(folder / "large.tfrecord", records())
    stored = bytearray(path.read_bytes())
    stored[first_of_the_second_half(path) + 12] ^= 1
    path.write_bytes(bytes(stored))
    builders.write_shard(folder / "small.tfrecord", records()[:3])
    builders.write_shard(folder / "empty.tfrecord", [])
    return folder


def first_of_the_second_half(path: Path) -> int:
    with path.open("rb") as file:
        offsets = [item.lineage.byte_offset for item in tfrecord.records(file, "s")]
    return min(offset for offset in offsets if offset >= path.stat().st_size // 2)


def settings(data: Path, model: str, output: Path, ranges: int = 1) -> dict[str, Any]:
    size = (data / "large.tfrecord").stat().st_size
    base = {"examples": f"{data}/*", "model": model, "classes": ["a", "b"], "max_failed_fraction": 0.5}
    return {**base, "output": str(output), "batch_size": 4, "shard_split_bytes": -(-size // ranges)}


@pytest.fixture(scope="module")
def whole(data: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> run.Outcome:
    return evaluate(settings(data, model, tmp_path_factory.mktemp("whole")), "r1")


def files_of(outcome: run.Outcome, name: str = "large") -> list[str]:
    return sorted(path.name for path in Path(outcome.run.folder("samples")).glob(f"{name}*.parquet"))


def sorted_table(outcome: run.Outcome, name: str) -> pd.DataFrame:
    keys = {"samples": ["shard", "record", "class_id"], "failures": ["shard", "record"]}
    return table(outcome, name).sort_values(keys[name], ignore_index=True)


def assert_same(one: run.Outcome, other: run.Outcome) -> None:
    """Text and integers are equal, doubles are but for the order of sums in a batch."""
    rows, expected = sorted_table(one, "samples"), sorted_table(other, "samples")
    exact = [name for name in rows.columns if name not in SOFT]
    pd.testing.assert_frame_equal(rows[exact], expected[exact], check_exact=True)
    pd.testing.assert_frame_equal(rows[SOFT], expected[SOFT], rtol=1e-12, atol=1e-12)
    pd.testing.assert_frame_equal(sorted_table(one, "failures"), sorted_table(other, "failures"), check_exact=True)
    assert [one.row[name] for name in ACCOUNTS] == [other.row[name] for name in ACCOUNTS]


def test_what_is_compared(whole: run.Outcome, data: Path) -> None:
    assert len(files_of(whole)) == 1
    rows, path = sorted_table(whole, "samples"), str(data / "large.tfrecord")
    assert f"{path}#1" in set(rows["sample_id"])
    assert [whole.row[name] for name in ACCOUNTS[:5]] == ["done", 3, 33, 31, 2]
    with (data / "large.tfrecord").open("rb") as file:
        offsets = [item.lineage.byte_offset for item in tfrecord.records(file, path)]
    large = rows[(rows["shard"] == path) & (rows["class_id"] == 0)]
    assert large["byte_offset"].tolist() == [offsets[record] for record in large["record"]]
    assert set(sorted_table(whole, "failures")["error"]) == {"data_checksum", "SampleError"}


@pytest.mark.parametrize(
    ("ranges", "flags"),
    [(1, []), (2, []), (7, []), pytest.param(7, PROCESSES, marks=pytest.mark.long)],
    ids=["1", "2", "7", "7 by processes"],
)
def test_the_same_rows_in_any_number_of_ranges(
    ranges: int, flags: list[str], data: Path, model: str, whole: run.Outcome, tmp_path: Path
) -> None:
    outcome = evaluate(settings(data, model, tmp_path, ranges), "r1", flags)
    assert len(files_of(outcome)) == ranges
    assert_same(outcome, whole)


def test_a_gzip_shard_is_one_unit(model: str, tmp_path: Path) -> None:
    builders.write_shard(tmp_path / "data" / "large.tfrecord.gz", records())
    base = {"examples": f"{tmp_path}/data/*", "model": model, "classes": ["a", "b"], "max_failed_fraction": 0.5}
    outcome = evaluate({**base, "output": str(tmp_path / "out"), "shard_split_bytes": 1}, "r1")
    assert len(files_of(outcome)) == 1


@pytest.mark.parametrize("at", [0.3, 0.95], ids=["early", "in the last range"])
@pytest.mark.parametrize("spoil", ["cut", "header"])
def test_a_shard_that_is_cut_short(spoil: str, at: float, data: Path, model: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / "large.tfrecord"
    path.parent.mkdir()
    stored = (data / path.name).read_bytes()
    if spoil == "cut":
        path.write_bytes(stored[: int(at * len(stored))])
    else:
        with (data / path.name).open("rb") as file:
            offsets = [item.lineage.byte_offset for item in tfrecord.records(file, "s")]
        header = offsets[int(at * len(offsets))]
        path.write_bytes(stored[:header] + b"?" + stored[header + 1 :])
    one, many = (evaluate(settings(path.parent, model, tmp_path / str(n), n), "r1") for n in (1, 5))
    assert one.row["status"] == many.row["status"] == "shard_cut_short"
    assert len(files_of(many)) > 1
    assert_same(many, one)
    assert "bytes" in sorted_table(many, "failures")["message"].iloc[-1]


# going on


def lose(outcome: run.Outcome, *places: int) -> list[Path]:
    """Delete sample files of ranges, as if their commit had not been reached; the `runs` row goes too."""
    lost = [Path(outcome.run.folder("samples")) / files_of(outcome)[place] for place in places]
    for path in lost:
        path.unlink()
    for path in Path(outcome.run.folder("runs")).iterdir():
        path.unlink()
    return lost


@pytest.fixture
def seven(data: Path, model: str, tmp_path: Path) -> run.Outcome:
    return evaluate(settings(data, model, tmp_path, 7), "r1")


def shards_of(data: Path) -> list[Shard]:
    return find_shards.find([f"{data}/*"])


@pytest.mark.parametrize("setting", [7, 3, 1], ids=["the same setting", "another", "one that cuts nothing"])
def test_a_run_goes_on_with_the_ranges_it_was_begun_with(
    setting: int, data: Path, model: str, tmp_path: Path, seven: run.Outcome, whole: run.Outcome
) -> None:
    lost = lose(seven, 1, 2, 6)
    kept = {path: path.stat().st_mtime_ns for path in Path(seven.run.folder("samples")).iterdir()}
    again = evaluate(settings(data, model, tmp_path, setting), "r1")
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert all(path.exists() for path in lost)
    assert len(files_of(again)) == 7
    assert_same(again, whole)


def test_a_crash_in_the_midst_of_the_ranges(
    data: Path, model: str, tmp_path: Path, whole: run.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, real, done = settings(data, model, tmp_path, 7), os.link, []

    def link(source: str, destination: str) -> None:
        if "/samples/" in str(destination):
            if len(done) == 5:
                raise OSError("the disk is gone")
            done.append(destination)
        real(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        with pytest.raises(StorageError, match="the disk is gone"):
            evaluate(here, "r1")
    there = list(tmp_path.glob("samples/*/*/large*.parquet"))
    assert 0 < len(there) < 7
    assert not list(tmp_path.glob("runs/*/*/*.parquet"))
    written = {path: path.stat().st_mtime_ns for path in there}
    again = evaluate(here, "r1")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert_same(again, whole)


def test_failures_of_ranges_that_were_never_committed_are_not_counted(
    data: Path, model: str, tmp_path: Path, whole: run.Outcome, seven: run.Outcome
) -> None:
    lose(seven, *range(7))
    assert len(list(tmp_path.glob("failures/*/*/large*.parquet"))) == 2
    again = evaluate(settings(data, model, tmp_path, 3), "r1")
    assert len(files_of(again)) == 3
    assert_same(again, whole)
    assert superseded_files.find(again.run) == []


def test_a_shard_that_was_scored_whole_is_not_cut_afterwards(
    data: Path, model: str, tmp_path: Path, whole: run.Outcome
) -> None:
    evaluate(settings(data, model, tmp_path), "r1")
    again = evaluate(settings(data, model, tmp_path, 7), "r1")
    assert len(files_of(again)) == 1
    assert_same(again, whole)


def test_a_shard_of_the_same_size_with_other_records_is_refused(model: str, tmp_path: Path, data: Path) -> None:
    path = tmp_path / "data" / "large.tfrecord"
    path.parent.mkdir()
    path.write_bytes((data / path.name).read_bytes())
    here = settings(path.parent, model, tmp_path / "out", 7)
    lose(evaluate(here, "r1"), 3)
    padding = path.stat().st_size - 32
    path.write_bytes(tfrecord.frame(b"") + tfrecord.frame(b"x" * padding))
    with pytest.raises(TablesError, match=r"large.tfrecord \(bytes 0 to .*\) was written anew since it was scored"):
        evaluate(here, "r1")


def test_a_shard_that_changes_after_it_was_indexed_ends_the_run(
    data: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "large.tfrecord"
    path.parent.mkdir()
    path.write_bytes((data / path.name).read_bytes())
    real = tfrecord.records_of_range

    def spoiled(*args: Any) -> Any:
        if path.stat().st_size > 100:
            path.write_bytes(path.read_bytes()[:100])
        return real(*args)

    monkeypatch.setattr(tfrecord, "records_of_range", spoiled)
    with pytest.raises(StorageError, match=r"large.tfrecord has changed since it was indexed: expected whole records"):
        evaluate(settings(path.parent, model, tmp_path / "out", 7), "r1")
    assert not list(tmp_path.glob("out/runs/*/*/*.parquet"))


# accounting


def summarize(here: dict[str, Any], tmp_path: Path) -> int:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(here))
    with pytest.raises(SystemExit) as exited:
        cli.main(["summarize", str(config), "--run-id", "r1"])
    return int(exited.value.code or 0)


def test_a_missing_range_is_work_to_do(
    data: Path, model: str, tmp_path: Path, seven: run.Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    lose(seven, 3)
    assert [shard.path for shard in find_shards.split(shards_of(data), seven.run)[0]] == [str(data / "large.tfrecord")]
    assert summarize(settings(data, model, tmp_path, 7), tmp_path) == 2
    assert "1 of 3 shards are not scored whole yet, such as" in capsys.readouterr().err


@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_range_that_goes_missing_while_the_tables_are_made_is_noticed(
    place: int, data: Path, model: str, tmp_path: Path, seven: run.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(seven.run.folder("samples")) / files_of(seven)[place]).unlink()
    paths = list(run_files.sample_paths(seven.run))
    monkeypatch.setattr(find_shards, "split", lambda *_: ([], paths))
    for path in Path(seven.run.folder("runs")).iterdir():
        path.unlink()
    with pytest.raises(AccountingError, match="expected whole shards, but a range of bytes of one is missing, or ther"):
        evaluate(settings(data, model, tmp_path, 7), "r1")
    assert not list(tmp_path.glob("runs/*/*/*.parquet"))


def test_a_missing_range_where_the_examples_are_gone(
    model: str, tmp_path: Path, seven: run.Outcome, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {**settings(data, model, tmp_path, 7), "examples": f"{tmp_path}/nowhere/*"}
    assert summarize(gone, tmp_path) == 0
    (Path(seven.run.folder("samples")) / files_of(seven)[6]).unlink()
    assert summarize(gone, tmp_path) == 5
    assert "expected the samples of 3 shards" in capsys.readouterr().err


def test_ranges_beside_the_whole_shard_are_refused(
    data: Path, model: str, tmp_path: Path, whole: run.Outcome, seven: run.Outcome
) -> None:
    one = Path(whole.run.folder("samples")) / files_of(whole)[0]
    failures = Path(whole.run.folder("failures")) / str(run_files.read_shard_record(str(one)).failures)
    for table_name, path in (("samples", one), ("failures", failures)):
        (Path(seven.run.folder(table_name)) / path.name).write_bytes(path.read_bytes())
    with pytest.raises(TablesError, match=r"large.tfrecord-.* beside it hold the same bytes of .*large.tfrecord; de"):
        evaluate(settings(data, model, tmp_path, 7), "r1")


def test_summarize_of_ranges(data: Path, model: str, tmp_path: Path, whole: run.Outcome, seven: run.Outcome) -> None:
    for name in ("runs", "classes", "slices"):
        for path in Path(seven.run.folder(name)).iterdir():
            path.unlink()
    assert summarize(settings(data, model, tmp_path, 7), tmp_path) == 0
    assert_same(run.outcome(seven.run), whole)


# compaction


def test_ranges_and_whole_shards_are_merged(
    data: Path, model: str, tmp_path: Path, whole: run.Outcome, seven: run.Outcome
) -> None:
    before = {r.unit_name: r for _, rs in run_files.read_all(run_files.sample_paths(seven.run)) for r in rs}
    done = compaction.compact(seven.run)
    assert (len(done.before), len(done.after)) == (9, 1)
    (path,) = run_files.sample_paths(seven.run)
    found = run_files.read_shard_records(path)
    assert {record.unit_name: record for record in found} == {
        name: replace(record, failures=None) for name, record in before.items()
    }
    rows = table(seven, "samples")
    pd.testing.assert_frame_equal(rows, sorted_table(seven, "samples"), check_exact=True)
    assert_same(run.outcome(seven.run), whole)
    assert find_shards.split(shards_of(data), seven.run) == ([], [path])
    again = evaluate(settings(data, model, tmp_path, 3), "r1")
    assert_same(again, whole)
    assert summarize(settings(data, model, tmp_path, 7), tmp_path) == 0


def test_merged_files_that_share_a_shard(
    data: Path, model: str, tmp_path: Path, seven: run.Outcome, whole: run.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "ROWS_A_FILE", 24)
    assert 1 < len(compaction.compact(seven.run).after) < 9
    assert_same(run.outcome(seven.run), whole)
    held = [path for path in run_files.sample_paths(seven.run) if run_files.is_compacted(os.path.basename(path))]  # noqa: PTH119
    Path(held[1]).unlink()  # ranges of the midst
    again = evaluate(settings(data, model, tmp_path, 1), "r1")
    assert_same(again, whole)


def test_a_run_that_lost_a_range_is_not_merged(seven: run.Outcome) -> None:
    (Path(seven.run.folder("samples")) / files_of(seven)[2]).unlink()
    with pytest.raises(UnfinishedRunError, match=r"says \{'shards': 3, .* but its sample files have \{'shards': 2, "):
        compaction.compact(seven.run)


# progress


@pytest.mark.parametrize(
    "watch", [progress.by_files, lambda plan: progress.in_process(plan, 0)], ids=["files", "counts"]
)
def test_progress_of_ranges(watch: Any, data: Path, model: str, tmp_path: Path) -> None:
    plan = make_plan(Config.model_validate(settings(data, model, tmp_path, 7)), "r1", [])
    look = watch(plan)
    run.execute(plan)
    total = sum(shard.size_bytes for shard in shards_of(data))
    assert look() == progress.Snapshot(31, 2, total, 9)


def test_bytes_of_ranges_that_were_committed_before_count(
    data: Path, model: str, tmp_path: Path, seven: run.Outcome
) -> None:
    lost = lose(seven, 1)
    start, end = (int(part) for part in lost[0].name.split(".")[-2].split("-"))
    plan = make_plan(Config.model_validate(settings(data, model, tmp_path, 7)), "r1", [])
    total = sum(shard.size_bytes for shard in shards_of(data))
    assert progress.by_files(plan)() == progress.Snapshot(0, 0, total - (end - start), 0)


def test_a_run_of_whole_shards_has_the_metadata_it_always_had(whole: run.Outcome) -> None:
    found = Place(whole.run.output, whole.run.eval_date, "r1")
    for path in run_files.sample_paths(found):
        (record,) = run_files.read_shard_records(path)
        assert b'"range"' not in record.encode()[b"dicebeam.shard"]
