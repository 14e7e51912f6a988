"""The failure budget on the command line: what is over it is finished, and nothing is computed twice to fix it."""

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dicebeam.components.reading import tfrecord
from dicebeam.pipeline import cli


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Twelve samples in four shards, and a fifth of one good record and one bad."""
    code(["demo", str(tmp_path / "demo"), "--samples", "12"])
    data = tmp_path / "demo" / "data"
    with min(data.iterdir()).open("rb") as file:
        good = next(tfrecord.records(file, "shard")).data
    (data / "extra.tfrecord").write_bytes(tfrecord.frame(good) + tfrecord.frame(b"what?"))
    return tmp_path / "demo"


def code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    return int(exited.value.code or 0)


def evaluate(demo: Path, *more: str) -> int:
    return code(["evaluate", f"{demo}/config.yaml", "--run-id", "r1", *more])


def sample_files(demo: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in demo.glob("reports/samples/*/run_id=r1/*.parquet")}


def row(demo: Path) -> dict[str, object]:
    (path,) = demo.glob("reports/runs/*/run_id=r1/*.parquet")
    made: dict[str, object] = pq.ParquetFile(path).read().to_pylist()[0]
    return made


def tables(demo: Path) -> list[object]:
    return [pq.ParquetFile(next(demo.glob(f"reports/{t}/*/run_id=r1/*"))).read() for t in ("classes", "slices")]


def test_over_the_budget_is_exit_5_and_a_higher_budget_needs_no_second_scoring(demo: Path) -> None:
    assert evaluate(demo) == 5
    assert (row(demo)["status"], row(demo)["scored"], row(demo)["failed"]) == ("over_failure_budget", 13, 1)
    before, written = tables(demo), sample_files(demo)
    assert len(written) == 5
    assert evaluate(demo) == 5
    assert evaluate(demo, "--set", "max_failed_fraction=0.1") == 0
    assert sample_files(demo) == written
    assert row(demo)["status"] == "done"
    assert all(now.equals(then) for now, then in zip(tables(demo), before, strict=True))


def test_mended_data_needs_only_its_own_shard_again(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(demo) == 5
    written = sample_files(demo)
    extra = demo / "data" / "extra.tfrecord"
    extra.write_bytes(extra.read_bytes()[: -len(tfrecord.frame(b"what?"))])
    capsys.readouterr()
    assert evaluate(demo) == 2
    said = re.search(r"extra.tfrecord had .* delete (\S+) to score it again", capsys.readouterr().err)
    assert said is not None
    Path(said[1]).unlink()
    assert evaluate(demo) == 0
    again = sample_files(demo)
    assert {path for path in written if written[path] != again[path]} == {Path(said[1])}
    assert (row(demo)["status"], row(demo)["records"], row(demo)["failed"]) == ("done", 13, 0)


def test_ids_that_are_there_twice_are_a_warning_with_a_query_that_lists_them(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (demo / "data" / "extra.tfrecord").unlink()
    first = min((demo / "data").iterdir())
    shutil.copy(first, demo / "data" / "twice.tfrecord")
    assert evaluate(demo) == 0
    said = re.search(
        r"warning: 6 samples have an id .*: dicebeam query \S+ \"(SELECT .*)\"$", capsys.readouterr().err, re.M
    )
    assert said is not None
    assert code(["query", f"{demo}/reports", said[1]]) == 0
    counts = [line.split()[-1] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert counts.count("2") == 3
    assert row(demo)["duplicate_ids"] == 6
