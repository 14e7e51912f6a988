"""Files of finished runs that are not as they were written: each command gives what it gave before, or names the file.

Bits are flipped, files are cut, pages zeroed, and files of other runs put in their place.
"""

import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dicebeam.components.explore import query
from dicebeam.components.reading import tfrecord
from dicebeam.components.report import gallery_samples, report_data
from dicebeam.components.runs import run_files, run_tables
from dicebeam.components.runs.run_files import Run
from dicebeam.components.samples import sample_blocks
from dicebeam.components.statistics import digest
from dicebeam.components.verdict import verdict_files
from dicebeam.pipeline.nightly import verdict
from dicebeam.pipeline.plans import summary_plan
from dicebeam.schemas.errors import DamagedError, TablesError
from tests.support import kept_demo, rewriting

pytestmark = pytest.mark.long

FLIPS = int(os.environ.get("DICEBEAM_FLIPS", "6"))
"""Of each kind of file; `DICEBEAM_FLIPS=40 pytest -s tests/faults/test_flips.py` takes ten minutes."""
KINDS = {
    "samples": "samples/*/run_id=v2/*.parquet",
    "samples of the baseline": "samples/*/run_id=v1/*.parquet",
    "failures": "failures/*/run_id=v2/*.parquet",
    "classes": "classes/*/run_id=v2/*.parquet",
    "slices": "slices/*/run_id=v1/*.parquet",
    "histograms": "histograms/*/run_id=v2/*.parquet",
    "replicates": "replicates/*/run_id=v1/*.parquet",
    "runs": "runs/*/run_id=v2/*.parquet",
    "verdicts": "verdicts/*/run_id=v2/*.parquet",
    "blessings": "blessings/*/run_id=v1/*.parquet",
    "verdict": "gate/*/run_id=v2/verdict.json",
    "decisions": "blessings/_log/*.json",
}
RUN = ("bootstrap.replicates=20", "max_failed_fraction=0.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with a failed record each, the first one blessed and the second one gated."""
    folder = tmp_path_factory.mktemp("flips") / "demo"
    kept_demo.make(folder, 24, {})
    (folder / "data" / "extra.tfrecord").write_bytes(tfrecord.frame(b"what?"))
    examples = "examples={demo}/data/*.tfrecord*"
    runs = {"v1": [*RUN, examples], "v2": [*RUN, examples, kept_demo.WORSE]}
    for run_id, overrides in runs.items():
        kept_demo.evaluate(settings(folder, *(each.format(demo=folder) for each in overrides)), run_id)
    assert kept_demo.command("gate", folder, "--bless", "v1") == 0
    found = verdict.decide(gated(folder), "v2")
    verdict_files.write(found.past.run, found.verdict)
    return kept_demo.kept(folder)


@pytest.fixture
def output(folder: Path) -> Path:
    return kept_demo.restored(folder) / "reports"


def settings(folder: Path, *overrides: str) -> Any:
    return kept_demo.config(folder, *overrides)


def gated(folder: Path) -> Any:
    more = ("gate.baseline=blessed", f"examples={folder}/data/*.tfrecord*")
    return settings(folder, *RUN, *more)


def summarized(folder: Path) -> object:
    """What a summary reads: the plan, the accounting, the rows and the failures of both runs."""
    found: list[object] = []
    for run_id in ("v1", "v2"):
        run = summary_plan.make_plan(gated(folder), run_id, []).run
        for path in run_files.sample_paths(run):
            ids = run_files.read_shard_record(path).class_ids
            found.append(run_files.committed(path, run, len(ids)))
            blocks = sample_blocks.read_blocks(path, ("site",), None, len(ids))
            found += [digest.of_rows(block.ids, block.samples.sums, ids) for block in blocks]
        found.append(run_tables.read(run, "failures").to_pylist())
    return found


def judged(folder: Path) -> object:
    found = verdict.decide(gated(folder), "v2").verdict
    return replace(found, decided=verdict.datetime.min)


def shown(folder: Path) -> object:
    """What a page shows."""
    past, names = verdict.find_run(gated(folder), "v2", ())
    before = run_tables.read_named(past.run.output, names, "v1")
    assert before is not None
    data = report_data.collect(past, [past, before], verdict_files.read(past.run), ["car"])
    samples = [gallery_samples.find(kind, past.run, before.run, ["car"], []) for kind in ("worst", "fall")]
    return data, samples


def asked(folder: Path) -> object:
    tables = [kind for kind in KINDS if (folder / "reports" / kind).is_dir()]
    return [query.query(f"{folder}/reports", f"FROM {name} ORDER BY ALL").rows for name in tables]


READERS: dict[str, Callable[[Path], object]] = {
    "summarize": summarized,
    "gate": judged,
    "report": shown,
    "query": asked,
}


def outcome(reader: str, folder: Path, whole: dict[str, object], path: Path) -> str:
    """`same`, or `named`; anything else fails the test."""
    try:
        found = READERS[reader](folder)
    except TablesError as error:
        assert str(path) in str(error), f"{reader} does not name {path}: {error}"  # noqa: PT017
        return "named"
    assert repr(found) == whole[reader], f"{reader} gives something else after damage of {path}"
    return "same"


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, object]:
    kept_demo.restored(folder)
    return {name: repr(reader(folder)) for name, reader in READERS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_changes_no_number(kind: str, output: Path, whole: dict[str, object]) -> None:
    rng, counts = random.Random(kind), Counter[str]()  # noqa: S311
    paths = sorted(output.glob(KINDS[kind]))
    for _ in range(FLIPS):
        path = rng.choice(paths)
        data = path.read_bytes()
        changed = bytearray(data)
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        results = {reader: outcome(reader, output.parent, whole, path) for reader in READERS}
        path.write_bytes(data)
        counts.update(f"{reader} {result}" for reader, result in results.items())
        read_by_nobody = kind in {"verdict", "decisions"}
        assert "named" in results.values() or read_by_nobody, f"nobody noticed the damage of {path}"
    sys.stdout.write(f"\n{kind}, {FLIPS} flips: {dict(sorted(counts.items()))}\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["cut", "emptied", "zeroed", "swapped"])
def test_other_damage_changes_no_number(kind: str, damage: str, output: Path, whole: dict[str, object]) -> None:
    path = max(output.glob(KINDS[kind]))
    data = path.read_bytes()
    half = len(data) // 2
    others = {
        "cut": data[:half],
        "emptied": b"",
        "zeroed": data[: half - half % 512] + bytes(512) + data[half - half % 512 + 512 :],
        "swapped": other_run(path).read_bytes(),
    }
    path.write_bytes(others[damage])
    if path.read_bytes() != data:
        results = [outcome(reader, output.parent, whole, path) for reader in READERS]
        assert "named" in results


def other_run(path: Path) -> Path:
    """The same file of the other run, where there is one."""
    ours, theirs = ("v1", "v2") if "run_id=v1" in str(path) else ("v2", "v1")
    other = Path(str(path).replace(f"run_id={ours}", f"run_id={theirs}"))
    return other if other.exists() else path


def a_run(output: Path, run_id: str) -> Run:
    (folder,) = output.glob(f"runs/*/run_id={run_id}")
    return Run(str(output), folder.parent.name.removeprefix("eval_date="), run_id, "", "")


@pytest.mark.parametrize("reader", ["summarize", "gate", "report", "query"])
@pytest.mark.parametrize("run_id", ["v1", "v2"])
def test_a_lost_sample_file_is_noticed(reader: str, run_id: str, output: Path) -> None:
    min(output.glob(f"samples/*/run_id={run_id}/*.parquet")).unlink()
    with pytest.raises(TablesError, match=rf"run_id={run_id}|run '{run_id}'"):
        checked(reader)(output.parent)


@pytest.mark.parametrize("reader", ["summarize", "gate", "report", "query"])
def test_a_foreign_sample_file_is_named(reader: str, output: Path) -> None:
    theirs = min(output.glob("samples/*/run_id=v1/*.parquet"))
    (folder,) = output.glob("samples/*/run_id=v2")
    shutil.copy(theirs, folder / f"other-{'0' * 32}.parquet")
    with pytest.raises(TablesError, match=f"other-{'0' * 32}.parquet"):
        checked(reader)(output.parent)


def test_other_rows_that_are_sealed_have_another_digest(output: Path) -> None:
    path = min(output.glob("samples/*/run_id=v1/val-*.parquet"))
    rows = pq.ParquetFile(path).read()
    place = rows.schema.get_field_index("sample_id")
    rewriting.rewrite(
        path, rows.set_column(place, "sample_id", pc.binary_join_element_wise(rows["sample_id"], "x", ""))
    )
    again = gated(output.parent).model_copy(update={"bootstrap": settings(output.parent).bootstrap})
    with pytest.raises(
        DamagedError, match=r"^expected samples of the digest \w+ in .*run_id=v1, as the row of run 'v1'"
    ):
        verdict.decide(again, "v2")


def checked(reader: str) -> Callable[[Path], object]:
    if reader != "report":
        return READERS[reader]
    from dicebeam.pipeline.nightly import report  # noqa: PLC0415

    return lambda folder: report.write_report(gated(folder), "v2", out=f"{folder}/page.html")


def test_commands_say_it_in_one_line(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = min(output.glob("samples/*/run_id=v2/*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    overrides = [part for each in (*RUN, f"examples={output.parent}/data/*.tfrecord*") for part in ("--set", each)]
    for name in ("summarize", "compact", "report"):
        assert kept_demo.command(name, output.parent, "--run-id", "v2", *overrides) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
        assert line.startswith(f"dicebeam: error: expected `samples` of run 'v2' in {path}, but it is damaged: ")
        assert line.endswith("; delete it, and evaluate again with --run-id v2: only its shards are scored")


def test_a_damaged_sample_file_can_be_healed(output: Path, whole: dict[str, object]) -> None:
    path = min(output.glob("samples/*/run_id=v2/*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    model = kept_demo.WORSE.format(demo=output.parent)
    config = gated(output.parent).model_copy(update={"model": model.partition("=")[2]})
    with pytest.raises(DamagedError, match=str(path)):
        kept_demo.evaluate(config, "v2")
    path.unlink()
    kept_demo.evaluate(config, "v2")
    assert repr(summarized(output.parent)) == whole["summarize"]
