"""docs/guide/nightly.md: its commands run as it says, its config is valid, and its tables are complete."""

import contextlib
import json
import math
import re
import shlex
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from scipy import stats

from dicebeam.components.explore import query
from dicebeam.components.verdict import blessing, verdict_files
from dicebeam.pipeline import cli
from dicebeam.pipeline.commands import interrupts
from dicebeam.pipeline.config import config_file
from dicebeam.schemas.config.gate import METRICS, CheckConfig, GateConfig
from dicebeam.schemas.verdict import EXIT_CODES, SKIPPED
from tests.docs.test_docs import ROOT, blocks

DOC = ROOT / "docs/guide/nightly.md"
TEXT = DOC.read_text(encoding="utf-8")
SESSIONS = {
    (part := each.splitlines())[0]: part[1:]
    for block in blocks(DOC, "console")
    for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
}
"""Each command of the sessions with the lines that are shown below it."""
TABLES = [
    re.findall(r"^\| (.*) \|$", part, re.MULTILINE) for part in re.split(r"\n\s*\n", TEXT) if part.startswith("|")
]
"""The rows of each table, its head and the rule under it first."""
INLINE = re.findall(r"`(dicebeam [^`]*)`", TEXT)


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose head begins so."""
    found = [[re.split(r" \| ", row) for row in table[1:]] for table in TABLES if table[0].startswith(first)]
    return [row for table in found for row in table if "---" not in row[0]]


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, str]]]:
    """A folder in which the sessions ran, one command after the other: their exit codes and what they printed."""
    folder = tmp_path_factory.mktemp("nightly")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, {command: captured(shlex.split(command)[1:], folder / "log") for command in SESSIONS}


@pytest.fixture(scope="module")
def folder(lived: tuple[Path, dict[str, tuple[int, str]]]) -> Path:
    return lived[0]


def captured(arguments: list[str], log: Path) -> tuple[int, str]:
    with log.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = run(arguments)
    return code, log.read_text()


# commands


def test_the_sessions_end_with_the_exit_codes_that_they_show(lived):
    codes = {command: re.findall(r"\(exit code (\d)\)$", "\n".join(shown)) for command, shown in SESSIONS.items()}
    assert {command: code for command, (code, _) in lived[1].items()} == {
        command: int(code[0]) if code else 0 for command, code in codes.items()
    }
    assert len(SESSIONS) == 5


@pytest.mark.parametrize("command", SESSIONS)
def test_the_sessions_print_what_they_show(lived, command):
    printed = lived[1][command][1].splitlines()
    assert [line for line in SESSIONS[command] if line not in printed] == []


def test_the_line_of_the_crontab_runs_with_the_config_above(folder, monkeypatch, capsys):
    (line,), (text,) = blocks(DOC, "crontab"), blocks(DOC, "yaml")
    demo = folder / "demo"
    (demo / "nightly.yaml").write_text(text)
    night = f"{datetime.now(UTC):%F}"
    (demo / "models" / night).symlink_to(demo / "models/v1")
    assert not re.search(r"(?<!\\)%", line), "cron ends a command at a bare percent sign"
    command = line.replace("\\%", "%").partition(" && ")[2].partition(" >>")[0].replace("$(date +%F)", night)
    monkeypatch.chdir(demo)
    assert run(shlex.split(command)[1:]) == 0
    assert f"run night-{night} against wednesday (exit code 0)" in capsys.readouterr().out


@pytest.mark.parametrize("command", INLINE)
def test_commands_in_the_text_have_the_options_that_they_use(command):
    name, *arguments = shlex.split(command)[1:]
    options = {option for each in typer.main.get_command(cli.app).commands[name].params for option in each.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= options


def test_there_are_commands_in_the_text():
    assert {shlex.split(command)[1] for command in INLINE} == {"evaluate", "nightly", "gate", "report"}


# what each trouble is


@pytest.fixture
def judged(folder, tmp_path, monkeypatch, capsys):
    """Judge a run in a copy of the tables; gives the exit code and what was printed."""
    shutil.copytree(folder / "demo/reports", tmp_path / "reports")
    monkeypatch.chdir(folder)

    def judge(run_id: str, *overrides: str, baseline: str = "monday", command: str = "gate") -> tuple[int, str]:
        settings = [part for each in (f"output={tmp_path}/reports", *overrides) for part in ("--set", each)]
        code = run([command, "demo/config.yaml", "--run-id", run_id, "--baseline", baseline, *settings])
        return code, "".join(capsys.readouterr())

    return judge


NARROW = "gate.checks=[{metric: missed_rate, class: person, max_rise: 0.05}]"
NOWHERE = 'gate.checks=[{metric: dice_mean, slice: "site=w*", max_drop: 0.09}]'
SPEED = "gate.checks=[{metric: samples_per_second, max_drop: 9000}]"


@pytest.mark.parametrize(
    ("run_id", "baseline", "override", "message"),
    [
        ("tuesday", "sunday", "batch_size=16", "there is no other finished run"),
        ("monday", "previous", "batch_size=16", "no finished run of another model on the same data is there yet"),
        ("tuesday", "monday", "gate.min_samples=1000", "fewer than min_samples"),
        ("tuesday", "monday", NARROW, "neither show nor rule out"),
        ("tuesday", "monday", NOWHERE, "there is no slice"),
        ("tuesday", "monday", "bootstrap.replicates=0", "there are no bootstrap replicates"),
        ("tuesday", "monday", "threshold=0.4", "was scored with another config"),
        ("tuesday", "monday", "gate.checks=[]", "expected checks, but there are none"),
        ("wednesday", "sunday", "batch_size=16", "was blessed, and is not any more"),
    ],
)
def test_a_trouble_has_the_exit_code_and_the_message_of_the_table(judged, run_id, baseline, override, message):
    row = next(row[0] for row in rows("what you see") if any(f"`{message}`" in cell for cell in row))
    code, printed = judged(run_id, override, baseline=baseline)
    assert message in printed
    said = re.match(r"exit code (\d)", row)
    assert code == (int(said[1]) if said else 4)


def test_other_data_are_invalid_or_compared_on_the_common_samples(judged):
    some = "examples=demo/data/val-0000[012]*"
    code, printed = judged("some", some, command="nightly")
    assert (code, "the data are not the same" in printed) == (5, True)
    code, printed = judged("some", some, "gate.common_samples=true")
    assert "compared on 150 common samples; 50 only in the baseline, 0 only in this run" in printed
    assert code == 0


def test_a_finished_run_that_is_run_again_keeps_its_speed(judged):
    assert judged("wednesday", command="nightly")[0] == 0
    code, printed = judged("wednesday", SPEED)
    assert (code, "was not measured in the run" in printed) == (0, False)


def test_every_other_message_of_the_troubles_is_one_of_the_programs():
    source = "".join(path.read_text() for room in ("components", "pipeline") for path in (ROOT / room).rglob("*.py"))
    messages = [message for what, _ in rows("what you see") for message in re.findall(r"`([^`]+)`", what)]
    assert len(messages) > 12
    assert [message for message in messages if message not in source] == ["there is no slice"]  # which was tried above


# config


def test_the_config_is_valid_and_has_limits_of_three_kinds(tmp_path):
    (text,) = blocks(DOC, "yaml")
    path = tmp_path / "nightly.yaml"
    path.write_text(text)
    checks = config_file.load(str(path)).gate.checks
    assert {limit for check in checks for limit in check.limits} == {"min", "max_drop", "max_rise"}


def test_every_key_is_in_the_tables_with_its_default():
    gate = {name: field.default for name, field in GateConfig.model_fields.items()}
    check = {field.alias or name: field.default for name, field in CheckConfig.model_fields.items()}
    of_gate, of_check = (table for table in TABLES if table[0].startswith("key | default"))
    for table, keys in ((of_gate, gate), (of_check, check)):
        said = {key.strip("`"): default.strip("`") for key, default, _ in (row.split(" | ", 2) for row in table[1:])}
        assert set(said) == set(keys)
        known = {key: str(value).lower() for key, value in keys.items() if isinstance(value, str | bool | int)}
        assert known.items() <= said.items()


def test_every_metric_is_named():
    (row,) = [row for row in rows("key | default") if row[0] == "`metric`"]
    assert [metric for metric in METRICS if f"`{metric}`" not in row[2]] == []


# verdicts and exit codes


def test_every_verdict_is_in_the_table_with_its_exit_code():
    said = {name.strip("`"): int(code) for name, code, *_ in rows("verdict | exit code")}
    assert said == {**EXIT_CODES, SKIPPED: 0}


def test_the_order_of_severity_is_the_programs():
    (order,) = re.findall(r"the worst of its checks': ([A-Z_,\s]+)\.", TEXT)
    assert re.split(r",\s+", order) == list(EXIT_CODES)


def test_every_other_exit_code_is_in_the_table():
    codes = {int(code) for row in rows("exit code") for code in row[0].split(", ")}
    stop, stopped = interrupts.Stop(), []
    for stop.number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        stopped.append(stop.exit_code)
    assert codes == {2, *stopped}


# statistics


def test_the_numbers_of_samples_follow_from_the_formula():
    head = next(table[0] for table in TABLES if table[0].startswith("spread"))
    margins = [float(number) for number in re.findall(r"margin ([0-9.]+)", head)]
    for spread, *cells in rows("spread"):
        assert [int(cell) for cell in cells] == [math.ceil((3.5 * float(spread) / m) ** 2 - 1e-9) for m in margins]


def test_how_often_a_night_without_a_change_passes():
    """The interval's end must not be beyond the margin, which is so many standard errors away."""
    passes = {errors: stats.norm.cdf(errors - stats.norm.ppf(0.975)) for errors in (2, 3.5)}
    assert passes[2] == pytest.approx(0.5, abs=0.03)
    assert f"{100 * passes[3.5]:.0f} % of them" in TEXT


@pytest.mark.parametrize("sql", blocks(DOC, "sql"))
def test_the_queries_give_rows(folder, sql):
    assert query.query(f"{folder}/demo/reports", sql).rows


def test_the_spread_from_the_verdicts_is_that_of_the_samples(judged, tmp_path):
    """The smallest drop of classes that no sample lacks in one run alone; 2 stands for the t distribution's 1.97."""
    single = ("cluster=null", "slices=[site, scanner, age, patient]")
    judged("tuesday", 'gate.checks=[{metric: dice_mean, class: "*", max_drop: 0.01}]', *single)
    by_samples, by_verdicts, *_ = blocks(DOC, "sql")
    of_samples = {row[0]: row[2] for row in query.query(f"{tmp_path}/reports", by_samples).rows}
    of_verdicts = {row[1]: row[-1] for row in query.query(f"{tmp_path}/reports", by_verdicts).rows}
    for name in ("background", "person"):
        assert of_verdicts[name] == pytest.approx(of_samples[name], rel=0.1)


# files


def test_the_files_are_those_that_are_written(folder):
    said = {name for row in rows("file | for") for name in re.findall(r"`([^`]+)`", row[0])}
    assert said == {
        verdict_files.JSON, verdict_files.JUNIT, verdict_files.MARKDOWN, "report.html",
        blessing.BLESSED, blessing.NOT_BLESSED, "blessing.json",
    }  # fmt: skip
    (passed,) = folder.glob("demo/reports/gate/eval_date=*/run_id=wednesday")
    (failed,) = folder.glob("demo/reports/gate/eval_date=*/run_id=tuesday")
    assert {path.name for path in passed.iterdir()} == said - {"NOT_BLESSED"}
    assert {path.name for path in failed.iterdir()} == said - {"BLESSED", "blessing.json"}


def test_who_blessed_is_in_the_file(folder):
    files = {
        path.parent.name: json.loads(path.read_text()) for path in folder.glob("demo/reports/gate/*/*/blessing.json")
    }
    assert {name: details["by"] for name, details in files.items() if "day" in name} == {
        "run_id=monday": "hand",
        "run_id=wednesday": "gate",
    }


def test_the_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (DOC.parent / link).exists()] == []
