"""`dicebeam query`: what is printed, what goes to a file, and what is said."""
# ruff: noqa: S608 - the statements are the point

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dicebeam.pipeline import cli
from dicebeam.pipeline.console import query_console
from tests.support import history


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked") / "reports"
    history.make(folder, 1, 12)
    return str(folder)


@pytest.fixture
def asked(output, capsys):
    """Exit code, what was printed and what was said."""

    def ask_for(*arguments):
        with pytest.raises(SystemExit) as exited:
            cli.main(["query", output, *arguments])
        return int(exited.value.code or 0), *capsys.readouterr()

    return ask_for


def test_a_table_is_printed(asked):
    code, out, err = asked("SELECT class_name, class_id FROM latest_classes ORDER BY class_id")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()][-4:-1] == [["background", "0"], ["car", "1"], ["person", "2"]]


def test_a_long_table_ends_with_how_to_get_the_rest(asked):
    shown = query_console.ROWS_SHOWN
    code, out, err = asked(f"SELECT 'row', range FROM range({shown + 1})")
    assert (code, out.count("row ")) == (0, shown)
    assert f"the first {shown} rows; for all of them: --format csv, or --out FILE.csv, .json or .parquet" in err
    assert asked(f"SELECT 'row', range FROM range({shown})")[2] == ""


def test_csv_and_json_have_every_row(asked):
    _, out, err = asked("FROM range(20000)", "--format", "csv")
    assert (out, err) == ("range\n" + "".join(f"{n}\n" for n in range(20000)), "")
    assert len(json.loads(asked("FROM range(20000)", "--format", "json")[1])) == 20000


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_file_has_every_row(asked, tmp_path, kind):
    place = tmp_path / f"rows.{kind}"
    code, out, err = asked("FROM range(20000)", "--out", str(place))
    assert (code, out) == (0, "")
    assert f"20,000 rows in {place}" in err
    rows = {"csv": lambda: place.read_text().count("\n") - 1, "json": lambda: len(json.loads(place.read_text())),
            "parquet": lambda: pq.read_table(place).num_rows}[kind]()  # fmt: skip
    assert rows == 20000


def test_no_file_is_written_between_the_tables(asked, output):
    before = sorted(Path(output).rglob("*"))
    table = next(Path(output).glob("runs/*/*/*.parquet"))
    content = table.read_bytes()
    for place in (f"{output}/new.csv", str(table)):
        code, _, err = asked("FROM runs", "--format", "csv", "--out", place)
        assert code == 2
        assert "which is read only: write the file elsewhere" in err
    assert (sorted(Path(output).rglob("*")), table.read_bytes()) == (before, content)


def test_a_statement_that_fails_leaves_the_file_as_it_was(asked, tmp_path):
    place = tmp_path / "rows.csv"
    place.write_text("before")
    sql = "SELECT CASE WHEN range > 300000 THEN 'a' ELSE '1' END::INT FROM range(400000)"
    code, _, err = asked(sql, "--out", str(place))
    assert code == 2
    assert "error: the query failed: Conversion Error" in err
    assert (place.read_text(), list(tmp_path.iterdir())) == ("before", [place])


def test_a_format_that_there_is_not_is_one_line(asked):
    code, out, err = asked("FROM runs", "--format", "xlsx")
    assert (code, out) == (2, "")
    assert err == "dicebeam: error: expected --format table, csv, json, parquet, but got 'xlsx'\n"


def test_without_a_statement_the_tables_and_views_are_listed(asked):
    _, out, _ = asked()
    lines = out.splitlines()
    assert lines[0] == "samples: one row for each sample and class, of runs that are not finished too"
    assert "latest_run: one row, the run of status done that finished last; no row where none is done" in lines
    assert lines[1].startswith("  sample_id VARCHAR, shard VARCHAR, record BIGINT, ")
    assert max(map(len, lines)) <= query_console.LISTED_WIDTH


def test_the_list_can_be_had_as_csv(asked):
    lines = asked("--format", "csv")[1].splitlines()
    assert lines[0] == "view,rows,column,type"
    assert (
        'latest_run,"one row, the run of status done that finished last; no row where none is done",run_id,VARCHAR'
        in lines
    )


def test_a_terminal_gets_no_control_sequence(monkeypatch):
    written = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "write", written.append)
    query_console._write("a\x1b[2J\n")
    assert written == ["a\\x1b[2J\n"]


def test_a_reader_that_has_seen_enough_is_no_error(output):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "dicebeam", "query", output, "FROM range(1000000)", "--format", "csv"]
    with os.fdopen(write) as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert "error" not in done.stderr
    assert "Traceback" not in done.stderr
