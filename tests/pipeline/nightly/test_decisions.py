"""Which run is the baseline after people and the gate have decided: the last decision counts, and no clock does."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dicebeam.components.explore import query
from dicebeam.components.verdict import blessing
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.pipeline.plans import evaluation_plan
from dicebeam.schemas import tables
from dicebeam.schemas.errors import ClockError, TablesError
from dicebeam.schemas.verdict import NO_BASELINE
from tests.support import kept_demo
from tests.support.evaluating import evaluate
from tests.support.kept_demo import CHECK, WORSE, config

PASSES = "gate.checks=[{metric: dice_mean, min: 0.1, min_samples: 5}]"
SOON = timedelta(minutes=4)
FUTURE = timedelta(days=300)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = {"good": [], "bad": [WORSE], "tonight": [WORSE]}
    return kept_demo.kept(kept_demo.make(tmp_path_factory.mktemp("decisions") / "demo", 40, runs))


@pytest.fixture
def folder(made: Path) -> Path:
    return kept_demo.restored(made)


def baseline(folder: Path, run_id: str | None = "tonight", kind: str = "blessed") -> str | None:
    return verdict.decide(config(folder, f"gate.baseline={kind}"), run_id).verdict.baseline_run_id


def bless(folder: Path, run_id: str, ahead: timedelta = timedelta()) -> None:
    run = verdict.find_run(config(folder), run_id, ())[0].run
    blessing.grant(run, "hand", datetime.now(UTC) + ahead)


def finish(folder: Path, run_id: str, ahead: timedelta) -> None:
    """Give a run another time at which it was finished."""
    (path,) = folder.glob(f"reports/runs/*/run_id={run_id}/part-0.parquet")
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    schema = tables.with_metadata(tables.RUNS, run_id)
    pq.write_table(pa.Table.from_pylist([{**row, "finished": datetime.now(UTC) + ahead}], schema=schema), path)


def test_bless_good_bless_bad_bless_good_again(folder: Path) -> None:
    for run_id in ("good", "bad", "good"):
        assert kept_demo.command("gate", folder, "--bless", run_id) == 0
    assert baseline(folder) == "good"


def test_the_log_is_a_table(folder: Path) -> None:
    assert kept_demo.command("gate", folder, "--bless", "good", "--why", "first night") == 0
    for run_id in ("good", "bad"):
        assert kept_demo.command("gate", folder, "--run-id", run_id, "--set", PASSES) == 0
    fails = PASSES.replace("0.1", "0.99")
    assert kept_demo.command("gate", folder, "--run-id", "bad", "--set", fails) == 1
    sql = "SELECT sequence, run_id, decision, decided_by, reason FROM blessings ORDER BY sequence"
    assert query.query(f"{folder}/reports", sql).rows == [
        (1, "good", "blessed", "hand", "first night"),
        (2, "bad", "blessed", "gate", "PASS"),
        (3, "bad", "withdrawn", "gate", "OUT_OF_BOUNDS"),
    ]


def test_why_belongs_to_bless(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept_demo.command("gate", folder, "--why", "because") == 2
    assert "--why is the reason of a blessing by hand: it takes --bless ID" in capsys.readouterr().err


def test_an_old_run_that_passes_again_is_not_the_newest(folder: Path) -> None:
    for run_id in ("good", "bad", "good"):
        assert kept_demo.command("gate", folder, "--run-id", run_id, "--set", PASSES) == 0
    assert baseline(folder) == "bad"


def test_a_mark_of_an_earlier_version_is_no_blessing(folder: Path) -> None:
    for run_id in ("good", "tonight"):
        (row,) = folder.glob(f"reports/runs/*/run_id={run_id}")
        gate = folder / "reports/gate" / row.parent.name / row.name
        gate.mkdir(parents=True)
        (gate / "BLESSED").touch()
    found = verdict.decide(config(folder, "gate.baseline=blessed"), "tonight").verdict
    assert found.verdict == NO_BASELINE
    reason, *_ = found.reasons
    assert "no run is blessed yet; bless one by hand: dicebeam gate CONFIG.yaml --bless RUN_ID" in reason
    assert "BLESSED is there for good, but an earlier version wrote it" in reason
    bless(folder, "good")
    assert baseline(folder) == "good"


def test_a_damaged_entry_stops_the_gate(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run_id in ("good", "bad"):
        bless(folder, run_id)
    (folder / "reports/blessings/_log/00000002.json").write_text("{")
    assert kept_demo.command("gate", folder, "--run-id", "tonight", "--baseline", "blessed", "--set", CHECK) == 2
    assert "/blessings/_log/00000002.json, but " in capsys.readouterr().err


# clocks


def test_a_blessing_of_the_future_is_an_error(folder: Path) -> None:
    bless(folder, "good", FUTURE)
    with pytest.raises(
        ClockError,
        match=r"decision 1 on blessings, blessed for run 'good', is of 20.* still to come: here it is 20.*--bless",
    ):
        baseline(folder)
    bless(folder, "good")
    assert baseline(folder) == "good"


def test_a_blessing_of_the_future_pins_nothing(folder: Path) -> None:
    bless(folder, "bad", FUTURE)
    bless(folder, "good")
    assert baseline(folder) == "good"


def test_clocks_may_be_a_little_apart(folder: Path) -> None:
    bless(folder, "good", SOON)
    finish(folder, "good", SOON)
    assert baseline(folder) == "good"
    assert verdict.find_run(config(folder), None, ())[0].run_id == "good"


def test_a_previous_run_of_the_future_is_an_error(folder: Path) -> None:
    finish(folder, "good", FUTURE)
    with pytest.raises(ClockError, match=r"`finished` of run 'good' in .*/run_id=good is of 20.*or name the runs"):
        baseline(folder, kind="previous")
    assert baseline(folder, kind="bad") == "bad"


def test_a_run_of_the_future_has_no_previous_one(folder: Path) -> None:
    finish(folder, "tonight", FUTURE)
    with pytest.raises(ClockError, match="`finished` of run 'tonight'"):
        baseline(folder, kind="previous")


def test_the_last_run_is_not_one_of_the_future(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(folder, "good", FUTURE)
    assert kept_demo.command("gate", folder, "--baseline", "bad", "--set", CHECK) == 2
    assert "`finished` of run 'good'" in capsys.readouterr().err
    assert verdict.find_run(config(folder), "good", ())[0].run_id == "good"


# an id under two dates


@pytest.fixture
def twice(folder: Path) -> Path:
    """The run good also stands under another date."""
    for run in folder.glob("reports/*/eval_date=*/run_id=good"):
        shutil.copytree(run, run.parents[1] / "eval_date=2020-01-01" / run.name)
    return folder


TWICE = r"run 'good' is there under several dates, \['2020-01-01', '20..-..-..'\], .*: keep one date of it, and delete"


def test_gate_and_report_refuse_an_id_under_two_dates(twice: Path) -> None:
    for run_id in ("good", "tonight", None):
        with pytest.raises(TablesError, match=TWICE):
            baseline(twice, run_id)
    with pytest.raises(TablesError, match=TWICE):
        report.write_report(config(twice), "good")


@pytest.mark.parametrize("name", ["summarize", "compact", "gate", "report", "evaluate", "nightly"])
def test_commands_refuse_an_id_under_two_dates(twice: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert kept_demo.command(name, twice, "--run-id", "good") == 2
    assert "run 'good' is there under several dates, ['2020-01-01', " in capsys.readouterr().err


def test_query_refuses_an_id_under_two_dates(twice: Path) -> None:
    with pytest.raises(TablesError, match=TWICE):
        query.query(f"{twice}/reports", "FROM runs")
    shutil.rmtree(twice / "reports/runs/eval_date=2020-01-01")
    with pytest.raises(TablesError, match=TWICE):
        query.query(f"{twice}/reports", "FROM classes")
    for path in twice.glob("reports/*/eval_date=2020-01-01"):
        shutil.rmtree(path)
    assert query.query(f"{twice}/reports", "SELECT count(*) FROM runs").rows == [(3,)]


class Midnight(datetime):
    """A clock that says when it is told to be."""

    said: datetime

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override] # noqa: ARG003
        return cls.said


def test_two_starts_around_midnight_are_one_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are planned before either has written a sample."""
    plans = []
    for time in (datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC)):
        monkeypatch.setattr(Midnight, "said", time, raising=False)
        monkeypatch.setattr(evaluation_plan, "datetime", Midnight)
        plans.append(evaluation_plan.make_plan(config(folder), "night", []))
    assert [plan.run.eval_date for plan in plans] == ["2026-11-24", "2026-11-24"]


def test_a_run_keeps_its_date_when_it_is_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Midnight, "said", datetime(2030, 1, 1, tzinfo=UTC), raising=False)
    monkeypatch.setattr(evaluation_plan, "datetime", Midnight)
    assert evaluate(config(folder), "good").run.eval_date != "2030-01-01"
