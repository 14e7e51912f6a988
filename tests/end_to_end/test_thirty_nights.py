"""Thirty nights of `dicebeam nightly`: every exit code, and what each special night leaves behind."""

from pathlib import Path

import pytest

from dicebeam.components.explore import query
from dicebeam.components.verdict import blessing
from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.nightly import verdict as gating
from dicebeam.schemas.verdict import GateVerdict
from examples import night_data, thirty_nights
from tests.support.paths import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]  # whichever test comes first waits for all thirty nights

EXIT_CODES = {1: 4, 6: 2, 9: 5, 13: 3, 17: 1, 22: 5, 26: 1, 27: 1}
NUMBERS = range(1, 31)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, thirty_nights.Became]]:
    folder = tmp_path_factory.mktemp("thirty")
    return folder, {became.night.number: became for became in thirty_nights.run(folder)}


@pytest.fixture(scope="module")
def folder(month: tuple[Path, dict[int, thirty_nights.Became]]) -> Path:
    return month[0]


@pytest.fixture(scope="module")
def lived(month: tuple[Path, dict[int, thirty_nights.Became]]) -> dict[int, thirty_nights.Became]:
    return month[1]


@pytest.fixture(scope="module")
def verdicts(lived: dict[int, thirty_nights.Became]) -> dict[int, GateVerdict]:
    return {number: became.verdict for number, became in lived.items() if became.verdict}


def found(verdict: GateVerdict, name: str) -> set[tuple[str, str | None, str]]:
    """Metric, class and limit of the checks with a verdict."""
    return {(check.metric, check.class_name, check.limit_name) for check in verdict.checks if check.verdict == name}


def test_thirty_exit_codes(lived):
    assert {number: became.exit_code for number, became in lived.items()} == {n: EXIT_CODES.get(n, 0) for n in NUMBERS}


def test_every_night_is_compared_with_the_last_one_that_passed(verdicts):
    expected, last = {}, "night-01"
    for number in NUMBERS[1:]:
        expected[number] = last
        last = f"night-{number:02}" if EXIT_CODES.get(number, 0) == 0 else last
    del expected[6]
    assert {n: verdict.baseline_run_id for n, verdict in verdicts.items() if n > 1} == expected


def test_what_passed_is_blessed_and_night_1_by_hand(folder):
    passed = {f"night-{n:02}" for n in NUMBERS if EXIT_CODES.get(n, 0) == 0}
    assert {each.run_id for each in blessing.listed(f"{folder}/reports")} == passed | {"night-01"}
    (details,) = folder.glob("reports/gate/*/run_id=night-01/blessing.json")
    assert '"by": "hand"' in details.read_text()


def test_night_1_has_no_baseline(verdicts):
    assert (verdicts[1].verdict, verdicts[1].baseline_run_id) == ("NO_BASELINE", None)
    (reason,) = verdicts[1].reasons
    assert "bless one by hand: dicebeam gate CONFIG.yaml --bless RUN_ID" in reason


def test_a_night_without_a_model_leaves_no_run(lived, folder):
    assert lived[6].verdict is None
    assert "expected a SavedModel folder" in (folder / "logs" / "night-06.txt").read_text()
    assert not list((folder / "reports").rglob("*night-06*"))


def test_corrupt_shards_are_invalid_and_counted(verdicts):
    night = verdicts[9]
    assert (night.verdict, night.status, night.baseline_run_id) == ("INVALID", "over_failure_budget", "night-08")
    assert (night.records, night.scored, night.failed) == (120, 118, 2)
    why = "2 of 120 records failed, max_failed_fraction is 0.0"
    assert night.reasons[0] == f"the run's status is over_failure_budget: {why}"


def test_a_flipped_record_and_a_cut_shard_are_two_failures(folder):
    sql = "SELECT error, record FROM failures WHERE run_id = 'night-09' ORDER BY record"
    rows = query.query(f"{folder}/reports", sql).rows
    assert [record for _, record in rows] == [0, 39]
    assert [error for error, _ in rows] == ["data_checksum", "truncated"]


def test_too_few_images_to_tell_is_inconclusive(verdicts):
    assert verdicts[13].verdict == "INCONCLUSIVE"
    assert ("dice_mean", "foreground", "max_drop") in found(verdicts[13], "INCONCLUSIVE")
    assert not found(verdicts[13], "REGRESSED")
    assert "160 samples neither show nor rule out a" in verdicts[13].checks[0].message


def test_the_regression_is_found_and_the_night_before_stays_the_baseline(verdicts):
    assert verdicts[17].verdict == "REGRESSED"
    assert ("dice_mean", "foreground", "max_drop") in found(verdicts[17], "REGRESSED")
    assert verdicts[17].headline[0].difference < -0.05
    assert (verdicts[18].verdict, verdicts[18].baseline_run_id) == ("PASS", "night-16")


def test_with_previous_the_night_after_is_compared_with_the_regressed_one(folder):
    settings = config_file.load(f"{folder}/config.yaml")
    verdict = gating.decide(settings, "night-18", "previous").verdict
    assert (verdict.verdict, verdict.baseline_run_id) == ("PASS", "night-17")


def test_another_class_list_is_not_comparable_and_says_what_differs(verdicts):
    assert verdicts[22].verdict == "INVALID"
    assert verdicts[22].status == "done"
    differs, nowhere = verdicts[22].reasons
    assert differs == (
        'the baseline was scored with another config: classes: ["background", "disc", "square"] -> '
        '["background", "disc", "square", "ring"]'
    )
    assert nowhere == "ring: in no mask of these data, so it has no part in the foreground mean"


@pytest.mark.parametrize(
    "number", [*range(2, 6), 7, 8, 10, 11, 12, *range(14, 17), *range(18, 22), *range(23, 28), 29, 30]
)
def test_no_night_of_the_drift_is_a_drop_of_more_than_the_margin(verdicts, number):
    checks = [check for check in verdicts[number].checks if check.limit_name in ("max_drop", "max_rise")]
    assert {check.verdict for check in checks} == {"PASS"}
    assert -0.01 < verdicts[number].headline[0].difference < 0


def test_the_drift_ends_at_the_absolute_limit(verdicts):
    for number in (26, 27):
        assert verdicts[number].verdict == "OUT_OF_BOUNDS"
        assert found(verdicts[number], "OUT_OF_BOUNDS") == {("dice_mean", "foreground", "min")}
        assert verdicts[number].baseline_run_id == "night-25"


def test_a_baseline_that_stays_sees_the_drift_long_before(lived):
    fixed = {number: became.fixed for number, became in lived.items()}
    assert [number for number in NUMBERS if fixed[number] == "REGRESSED"] == [
        number for number in range(13, 28) if number != 22
    ]
    assert fixed[28] == fixed[30] == "PASS"


def test_the_models_are_all_different(folder):
    rows = query.query(f"{folder}/reports", "SELECT model_fingerprint, model FROM runs").rows
    assert len(rows) == len({fingerprint for fingerprint, _ in rows}) == 29


def test_the_query_of_the_drift_shows_it(folder):
    drift, _ = thirty_nights.QUERIES.values()
    rows = query.query(f"{folder}/reports", drift).rows
    since = {run_id: change for run_id, _, change, _ in rows}
    assert len(rows) == 29
    assert since["night-01"] == 0
    assert since["night-25"] < -0.04 < -0.01 < since["night-28"]


def test_the_query_of_the_nights_that_did_not_pass(folder):
    _, failed = thirty_nights.QUERIES.values()
    rows = query.query(f"{folder}/reports", failed).rows
    assert [row[0] for row in rows] == [f"night-{number:02}" for number in EXIT_CODES if number != 6]
    assert rows[-1][1:] == ("OUT_OF_BOUNDS", "night-25", "1 of 10")


def test_the_rows_of_the_table(lived):
    assert thirty_nights.row(lived[6]).split() == ["6", "no", "model", "2", *"-----"]
    cells = thirty_nights.row(lived[18]).split()
    assert cells[:5] == ["18", "drift", "0", "PASS", "night-16"]
    assert cells[-1] == "REGRESSED"


def test_what_is_printed(lived, monkeypatch, capsys):
    monkeypatch.setattr(thirty_nights, "run", lambda _: iter(lived.values()))
    monkeypatch.setattr("sys.argv", ["thirty_nights", "some folder"])
    thirty_nights.main()
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == thirty_nights.HEAD
    assert lines[:30] == [thirty_nights.row(became) for became in lived.values()]
    printed = "\n".join(lines[30:])
    for sql in thirty_nights.QUERIES.values():
        assert f"dicebeam query 'some folder/reports' \"{sql}\"" in printed


def test_the_docs_say_when_the_drift_was_seen(lived):
    text = " ".join((ROOT / "docs/guide/nightly.md").read_text().split())
    first = {
        "REGRESSED in night": next(n for n in NUMBERS if lived[n].fixed == "REGRESSED"),
        "goes on until night": next(
            n for n in NUMBERS if lived[n].verdict and lived[n].verdict.verdict == "OUT_OF_BOUNDS"
        ),
    }
    for words, number in first.items():
        assert f"{words} {number}" in text
        assert f"night {number}" in " ".join(thirty_nights.__doc__.split())


def test_every_night_has_its_log(folder):
    assert {path.stem for path in folder.glob("logs/*.txt")} == {f"night-{n:02}" for n in NUMBERS} | {"blessing"}
    assert "gate: REGRESSED: " in (folder / "logs" / "night-17.txt").read_text()


def test_the_data_are_the_same_bytes_each_time(tmp_path):
    one, other = ([path.read_bytes() for path in night_data.write_shards(tmp_path / name)] for name in "ab")
    assert one == other
