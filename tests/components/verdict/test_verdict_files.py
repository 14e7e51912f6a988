"""Where a verdict is written, who is blessed, and that a crash blesses nobody."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from junitparser import JUnitXml

from dicebeam.components.runs.run_files import Run
from dicebeam.components.storage import filesystems
from dicebeam.components.verdict import blessing, decision_log, verdict_files
from dicebeam.schemas import tables
from dicebeam.schemas.errors import StorageError, TablesError
from tests.support import verdicts

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PASSED, REGRESSED = verdicts.verdict(verdicts.check()), verdicts.verdict(verdicts.check("REGRESSED"))
NO_BASELINE = verdicts.verdict(verdicts.check("NO_BASELINE"))


def run_of(tmp_path, run_id="n20261124", date="2026-11-24"):
    return Run(str(tmp_path / "out"), date, run_id, "c", "m")


@pytest.fixture
def run(tmp_path):
    return run_of(tmp_path)


def names(run):
    return sorted(path.name for path in Path(run.folder("gate")).iterdir())


def details(run):
    return json.loads(Path(run.folder("gate"), "blessing.json").read_text())


def rows(run):
    """The rows of `blessings` without who and when."""
    files = sorted(Path(run.output, "blessings").glob("eval_date=*/run_id=*/*.parquet"))
    found = [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]
    return [(row["sequence"], row["decision"], row["decided_by"], row["reason"]) for row in found]


def at(moment):
    return verdicts.verdict(verdicts.check(), decided=moment)


def test_the_files_of_a_run_that_passed(run):
    written = verdict_files.write(run, PASSED)
    assert names(run) == ["BLESSED", "blessing.json", "junit.xml", "summary.md", "verdict.json"]
    assert set(written) == {"verdicts", "verdict", "junit", "summary", "blessing"}
    assert all(Path(path).is_file() for path in written.values())
    assert written["blessing"].endswith("/gate/eval_date=2026-11-24/run_id=n20261124/BLESSED")
    assert Path(written["blessing"]).read_bytes() == b""


def test_the_page_of_an_earlier_verdict_is_removed(run):
    verdict_files.write(run, PASSED)
    page = Path(run.folder("gate"), verdict_files.PAGE)
    page.write_text("PASS")
    verdict_files.write(run, verdicts.verdict(verdicts.check("REGRESSED")))
    assert not page.exists()


@pytest.mark.parametrize("name", [name for name in verdicts.ALL if name not in ("PASS", "SKIPPED")])
def test_only_a_pass_is_blessed(run, name):
    verdict_files.write(run, verdicts.verdict(verdicts.check(name), verdicts.check()))
    assert names(run) == ["NOT_BLESSED", "junit.xml", "summary.md", "verdict.json"]


def test_what_is_written_is_read(run):
    assert verdict_files.read(run) is None
    verdict_files.write(run, verdicts.one_of_each())
    assert verdict_files.read(run) == verdicts.one_of_each()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"decided": 1}', "\udc80"])
def test_a_damaged_verdict(run, text):
    path = verdict_files.write(run, PASSED)["verdict"]
    Path(path).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TablesError, match=r"expected a verdict in .*verdict.json, but got .*; gate the run again"):
        verdict_files.read(run)


def test_the_table(run):
    path = verdict_files.write(run, verdicts.one_of_each())["verdicts"]
    table = pq.read_table(path, partitioning=None)
    assert table.schema.equals(tables.VERDICTS)
    rows = table.to_pylist()
    assert [row["verdict"] for row in rows] == list(verdicts.ALL)
    assert {row["run_verdict"] for row in rows} == {"INVALID"}
    assert rows[0]["decided"] == verdicts.one_of_each().decided
    assert (rows[0]["n_pairs"], rows[0]["improved"], rows[0]["low"]) == (1234, False, -0.06)


def test_the_checks_of_the_data_are_rows_of_the_table(run):
    verdict = verdicts.drifted(
        verdicts.check(), drift=[verdicts.moved(), verdicts.moved(class_name="car", decides=False)]
    )
    rows = pq.read_table(verdict_files.write(run, verdict)["verdicts"], partitioning=None).to_pylist()
    keys = ("metric", "class_id", "class_name", "channel", "limit_name", "verdict", "decides", "run_verdict")
    assert [tuple(row[key] for key in keys) for row in rows[1:]] == [
        ("channel_mean", None, None, 2, "max_change", "DRIFTED", True, "DRIFTED"),
        ("class_pixels", 1, "car", None, "max_change", "DRIFTED", False, "DRIFTED"),
    ]
    assert (rows[0]["channel"], rows[0]["decides"]) == (None, True)
    assert verdict_files.read(run) == verdict


def test_a_verdict_of_before_there_was_drift_is_read(run):
    path = Path(verdict_files.write(run, PASSED)["verdict"])
    old = json.loads(path.read_text())
    for key in ("drift", "drift_says", "sealed", "crc32c"):
        del old[key]
    for key in ("channel", "decides"):
        del old["checks"][0][key]
    path.write_text(json.dumps(old))
    assert verdict_files.read(run) == PASSED


def test_a_run_whose_data_drifted_is_blessed_by_hand_alone(run):
    verdict_files.write(run, verdicts.drifted(verdicts.check()))
    assert blessing.listed(run.output) == []
    blessing.grant(run, "hand", NOW)
    verdict_files.write(run, verdicts.drifted(verdicts.check()))
    assert [found.run_id for found in blessing.listed(run.output)] == [run.run_id]


def test_a_run_whose_data_only_warn_is_blessed(run):
    verdict_files.write(run, verdicts.drifted(verdicts.check(), drift=[verdicts.moved(decides=False)]))
    assert [found.run_id for found in blessing.listed(run.output)] == [run.run_id]


def test_the_table_has_its_run_in_sql(run):
    path = verdict_files.write(run, REGRESSED)["verdicts"]
    found = duckdb.read_parquet(path, hive_partitioning=True).project("run_id, verdict, baseline_run_id").fetchall()
    assert found == [("n20261124", "REGRESSED", "n20261123")]


def test_no_checks_make_an_empty_table(run):
    path = verdict_files.write(run, verdicts.verdict(verdict="NO_BASELINE"))["verdicts"]
    assert pq.read_metadata(path).num_rows == 0


@pytest.mark.parametrize("text", verdicts.HOSTILE)
def test_hostile_text_is_stored(run, text):
    verdict = verdicts.hostile(text)
    written = verdict_files.write(run, verdict)
    assert verdict_files.read(run) == verdict
    stored = pq.read_table(written["verdicts"], partitioning=None).column("slice")[0].as_py()
    assert stored == text.replace("\ud800", r"\ud800")
    assert next(iter(JUnitXml.fromfile(written["junit"]))).tests == 5


def test_a_run_that_regresses_loses_its_blessing(run):
    verdict_files.write(run, PASSED)
    verdict_files.write(run, REGRESSED)
    assert names(run) == ["NOT_BLESSED", "junit.xml", "summary.md", "verdict.json"]
    verdict_files.write(run, PASSED)
    assert names(run) == ["BLESSED", "blessing.json", "junit.xml", "summary.md", "verdict.json"]


def test_a_run_that_passes_again_keeps_its_first_time(run):
    verdict_files.write(run, at(NOW))
    verdict_files.write(run, at(NOW + timedelta(days=1)))
    assert (details(run)["by"], details(run)["time"]) == ("gate", "2026-11-24T12:00:00+00:00")
    verdict_files.write(run, REGRESSED)
    verdict_files.write(run, at(NOW + timedelta(days=2)))
    assert details(run)["time"] == "2026-11-26T12:00:00+00:00"


def test_blessing_by_hand(run):
    verdict_files.write(run, REGRESSED)
    path = blessing.grant(run, "hand", NOW.astimezone(timezone(timedelta(hours=2))), "looked at it")
    assert path.endswith("/BLESSED")
    assert names(run) == ["BLESSED", "blessing.json", "junit.xml", "summary.md", "verdict.json"]
    found = details(run)
    assert found.pop("who") in (None, decision_log._who())
    time = "2026-11-24T12:00:00+00:00"
    assert found == {"run_id": "n20261124", "by": "hand", "time": time, "sequence": 1, "reason": "looked at it"}
    blessing.grant(run, "hand", NOW + timedelta(days=1))
    assert (details(run)["time"], details(run)["sequence"]) == ("2026-11-25T12:00:00+00:00", 2)


def test_a_run_that_was_never_gated_is_blessed_by_hand(run):
    blessing.grant(run, "hand", NOW)
    assert names(run) == ["BLESSED", "blessing.json"]
    assert blessing.listed(run.output) == [("n20261124", "2026-11-24", NOW)]


@pytest.mark.parametrize("name", ["REGRESSED", "OUT_OF_BOUNDS", "NO_BASELINE", "INCONCLUSIVE", "PASS"])
def test_judging_again_undoes_no_blessing_by_hand(run, name):
    blessing.grant(run, "hand", NOW)
    written = verdict_files.write(run, verdicts.verdict(verdicts.check(name)))
    assert written["blessing"].endswith("/BLESSED")
    assert (details(run)["by"], details(run)["sequence"]) == ("hand", 1)
    assert "NOT_BLESSED" not in names(run)


def test_an_invalid_run_is_not_blessed_whoever_has_done_so(run):
    blessing.grant(run, "hand", NOW)
    verdict_files.write(run, verdicts.verdict(verdicts.check("INVALID")))
    assert blessing.listed(run.output) == []
    verdict_files.write(run, REGRESSED)
    assert "NOT_BLESSED" in names(run)


def test_no_baseline_takes_the_gates_own_blessing(run):
    verdict_files.write(run, PASSED)
    verdict_files.write(run, NO_BASELINE)
    assert blessing.listed(run.output) == []


class Steps:
    """Counts every change of a file; the one numbered `fail_at` is not made."""

    def __init__(self, monkeypatch, fail_at=None):
        self.made, self.fail_at = [], fail_at
        for name in ("rename", "delete"):
            monkeypatch.setattr(filesystems, name, self.counted(name, getattr(filesystems, name)))

    def counted(self, name, change):
        def do(*paths):
            self.made.append(name)
            if len(self.made) - 1 == self.fail_at:
                raise OSError(28, "No space left on device")
            return change(*paths)

        return do


def prepared(folder, before):
    run = run_of(folder)
    if before:
        verdict_files.write(run, before)
    return run


@pytest.mark.parametrize("before", [None, PASSED, REGRESSED])
@pytest.mark.parametrize("now", [PASSED, REGRESSED])
def test_a_crash_anywhere_leaves_no_blessing_of_what_has_not_passed(tmp_path, monkeypatch, before, now):
    whole = prepared(tmp_path / "whole", before)
    with monkeypatch.context() as patch:
        made = Steps(patch).made
        verdict_files.write(whole, now)
    assert made[0] == "delete"
    for fail_at in range(1, len(made)):
        run = prepared(tmp_path / str(fail_at), before)
        with monkeypatch.context() as patch:
            Steps(patch, fail_at)
            with pytest.raises(StorageError, match="cannot be written: No space left"):
                verdict_files.write(run, now)
        if blessing.listed(run.output):
            assert now == PASSED
            assert before == PASSED or verdict_files.read(run) == PASSED
        assert not Path(run.folder("gate"), "BLESSED").exists() or blessing.is_blessed(run)
        verdict_files.write(run, now)
        assert names(run) == names(whole)
        assert rows(run) == rows(whole)


def test_a_blessing_that_cannot_be_withdrawn_is_an_error_before_anything_is_written(run, monkeypatch):
    verdict_files.write(run, PASSED)
    Steps(monkeypatch, 0)
    with pytest.raises(StorageError, match=r"run_id=n20261124/BLESSED cannot be written"):
        verdict_files.write(run, REGRESSED)
    assert verdict_files.read(run) == PASSED


def test_never_both(tmp_path, monkeypatch):
    run, real = run_of(tmp_path), filesystems.rename
    seen = []

    def watched(source, destination):
        real(source, destination)
        seen.append({"BLESSED", "NOT_BLESSED"} & set(names(run)) if Path(run.folder("gate")).exists() else set())

    monkeypatch.setattr(filesystems, "rename", watched)
    for verdict in (PASSED, REGRESSED, PASSED, PASSED, REGRESSED):
        verdict_files.write(run, verdict)
    assert seen[-1] == {"NOT_BLESSED"}
    assert {"BLESSED", "NOT_BLESSED"} not in seen


def test_blessings_are_the_last_decided_first_whatever_the_clocks_say(tmp_path):
    for run_id, date, hours in (("a", "2026-11-22", 1), ("b", "2026-11-21", 3), ("c", "2026-11-23", 2)):
        verdict_files.write(run_of(tmp_path, run_id, date), at(NOW + timedelta(hours=hours)))
    verdict_files.write(run_of(tmp_path, "d"), REGRESSED)
    output = str(tmp_path / "out")
    assert blessing.listed(output + "/") == blessing.listed(output)
    assert [found[:2] for found in blessing.listed(output)] == [
        ("c", "2026-11-23"), ("b", "2026-11-21"), ("a", "2026-11-22"),
    ]  # fmt: skip


def test_a_mark_without_a_decision_is_no_blessing(run):
    blessing.write_file(run, "BLESSED", b"")
    assert blessing.listed(run.output) == []
    assert not blessing.is_blessed(run)
    assert blessing.marked_alone(run.output) == [run.run_id]
    blessing.grant(run, "hand", NOW)
    assert blessing.marked_alone(run.output) == []


def test_no_blessings(tmp_path):
    assert blessing.listed(str(tmp_path / "nothing")) == []


def test_a_verdict_in_an_object_store(remote):
    run = Run("gs://bucket/out", "2026-11-24", "n1", "c", "m")
    assert verdict_files.read(run) is None
    written = verdict_files.write(run, at(NOW))
    entry, row = f"{run.output}/blessings/_log/00000001.json", f"{run.folder('blessings')}/00000001.parquet"
    assert set(remote) == {*written.values(), f"{run.folder('gate')}/blessing.json", entry, row}
    assert verdict_files.read(run) == at(NOW)
    assert blessing.listed(run.output) == [("n1", "2026-11-24", NOW)]
    verdict_files.write(run, REGRESSED)
    assert blessing.listed(run.output) == []
    assert not any(path.endswith(("/BLESSED", "/blessing.json", ".tmp")) for path in remote)
    assert len([path for path in remote if "/_log/" in path]) == 2
