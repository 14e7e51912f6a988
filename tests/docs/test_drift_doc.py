"""docs/guide/drift.md: its night of brighter images is run, its config is valid, and its tables are complete."""

import contextlib
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from dicebeam.components.explore import query
from dicebeam.components.verdict import blessing
from dicebeam.pipeline import cli
from dicebeam.pipeline.commands import analyze
from dicebeam.pipeline.config import config_file
from dicebeam.schemas.config.drift import DRIFT_METRICS, DriftCheck
from dicebeam.schemas.errors import StorageError
from tests.docs.test_docs import ROOT, blocks
from tests.support import analyzed, run_rows

DOC = ROOT / "docs/guide/drift.md"
TEXT = DOC.read_text(encoding="utf-8")
SESSIONS = {
    (part := each.splitlines())[0]: part[1:]
    for block in blocks(DOC, "console")
    for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
}
"""Each command of the sessions with the lines that are shown below it."""
MONDAY, TUESDAY, WEDNESDAY = (command for command in SESSIONS if " nightly " in command)


def run(command: str, log: Path) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    name, *arguments = shlex.split(command)
    with log.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        if name == "python":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", arguments[1:])
                runpy.run_module(arguments[1], run_name="__main__")
            code = 0
        else:
            with pytest.raises(SystemExit) as stopped:
                cli.main(arguments)
            code = int(stopped.value.code or 0)
    return code, log.read_text()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, str]]]:
    """A folder in which the sessions ran, one command after the other, with the section `gate` of the page."""
    folder, found = tmp_path_factory.mktemp("drift"), {}
    config = folder / "demo/config.yaml"
    (text,) = blocks(DOC, "yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in SESSIONS:
            found[command] = run(command, folder / "log")
            if " demo demo" in command:
                config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **yaml.safe_load(text)}))
    return folder, found


def verdicts(folder: Path, run_id: str) -> list[tuple]:
    columns = "metric, channel, class_name, verdict, decides, value"
    sql = f"SELECT {columns} FROM drift_history WHERE run_id = '{run_id}'"  # noqa: S608 - the statement is the point
    return query.query(f"{folder}/demo/reports", sql).rows


def test_the_sessions_end_with_the_exit_codes_that_they_show(lived):
    codes = {command: re.findall(r"\(exit code (\d)\)$", "\n".join(shown)) for command, shown in SESSIONS.items()}
    assert {command: code for command, (code, _) in lived[1].items()} == {
        command: int(code[0]) if code else 0 for command, code in codes.items()
    }
    assert [lived[1][night][0] for night in (MONDAY, TUESDAY, WEDNESDAY)] == [4, 5, 0]


@pytest.mark.parametrize("command", SESSIONS)
def test_the_sessions_print_what_they_show(lived, command):
    def timeless(lines):
        return [re.sub(r" in [\d.]+ s, [\d.]+ samples/s", "", line) for line in lines]

    printed = timeless(lived[1][command][1].splitlines())
    assert [line for line in timeless(SESSIONS[command]) if line not in printed] == []


def test_every_channel_drifted_and_no_class(lived):
    rows = verdicts(lived[0], "tuesday")
    assert [row[:5] for row in rows[:3]] == [("channel_mean", channel, None, "DRIFTED", True) for channel in range(3)]
    assert {row[3] for row in rows[3:]} == {"PASS"}
    assert [row[4] for row in rows[3:]] == [True, True, True, True, False]
    assert {row[3] for row in verdicts(lived[0], "wednesday")} == {"PASS"}


def test_the_values_are_those_of_the_tables(lived):
    sql = "SELECT mean, NULL FROM dataset_channels WHERE run_id = 'tuesday' ORDER BY channel"
    means = [row[0] for row in query.query(f"{lived[0]}/demo/reports", sql).rows]
    sql = "SELECT pixel_fraction, sample_fraction FROM dataset_classes WHERE run_id = 'tuesday' ORDER BY class_id"
    parts = query.query(f"{lived[0]}/demo/reports", sql).rows
    values = [row[5] for row in verdicts(lived[0], "tuesday")]
    assert values == pytest.approx([*means, *(row[0] for row in parts), parts[1][1]], rel=1e-12)


def test_the_night_that_drifted_is_not_blessed(lived):
    assert [each.run_id for each in blessing.listed(f"{lived[0]}/demo/reports")] == ["wednesday", "monday"]


@pytest.fixture
def again(lived, tmp_path, monkeypatch):
    """Go on with a night in a copy of the tables; gives the exit code and what was printed."""
    shutil.copytree(lived[0] / "demo/reports", tmp_path / "reports")
    monkeypatch.chdir(lived[0])

    def again(command: str, more: str = "") -> tuple[int, str]:
        return run(f"{command} --set output={tmp_path}/reports {more}", tmp_path / "log")

    return again


def rows_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "reports/datasets").glob("*/*/*.parquet"))


def test_a_night_that_is_done_is_not_analyzed_again(again, tmp_path):
    before = [path.stat().st_mtime_ns for path in rows_of(tmp_path)]
    code, printed = again(TUESDAY)
    assert (code, "the data of run tuesday are analyzed already" in printed) == (5, True)
    assert [path.stat().st_mtime_ns for path in rows_of(tmp_path)] == before


def test_an_analysis_of_fewer_records_is_made_again_and_one_that_fails_says_how_to_go_on(again, tmp_path, monkeypatch):
    (past,) = [each for each in run_rows.finished_runs(f"{tmp_path}/reports") if each.run_id == "wednesday"]
    analyzed.write(past, records=75)

    def full(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(analyze, "run_analysis", full)
        code, printed = again(WEDNESDAY)
    assert code == 2
    assert "the disk is full" in printed
    assert "the run is kept; to resume: dicebeam nightly demo/config.yaml" in printed
    code, printed = again(WEDNESDAY)
    assert (code, "analyzed 100 of 100 records" in printed) == (0, True)


# config and tables


def test_every_key_is_in_the_table_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| `?([^`|]*?)`? \| (.*) \|$", TEXT.partition("## What becomes")[0], re.MULTILINE)
    fields = DriftCheck.model_fields
    assert {key for key, *_ in rows} == {field.alias or name for name, field in fields.items()}
    said = {key: default for key, default, _ in rows}
    assert (said["class"], said["channel"], said["action"]) == ('"*"', '"*"', fields["action"].default)
    (metrics,) = [text for key, _, text in rows if key == "metric"]
    assert all(f"`{metric}`" in metrics for metric in DRIFT_METRICS)


@pytest.mark.parametrize("sql", blocks(DOC, "sql"))
def test_the_queries_give_rows(lived, sql):
    assert query.query(f"{lived[0]}/demo/reports", sql).rows


def test_the_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (DOC.parent / link).exists()] == []


def test_the_chance_of_two_draws_is_what_the_page_says():
    assert f"that is {3 * (2 * 0.5 * 0.5 / 1000) ** 0.5:.3f}." in TEXT


def test_the_config_of_the_page_is_loaded_by_the_demo(lived):
    assert len(config_file.load(f"{lived[0]}/demo/config.yaml").gate.drift) == 3
