"""docs/guide/transform.md: its code is the example's, its sessions print what they show, both models agree."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from dicebeam.pipeline import cli
from dicebeam.schemas.config.config import Config
from examples import train_with_transform
from tests.docs.test_docs import ROOT, blocks

DOC = ROOT / "docs/guide/transform.md"
SESSIONS = {
    (part := each.splitlines())[0]: part[1:]
    for block in blocks(DOC, "console")
    for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
}
"""Each command of the sessions with the lines that are shown below it."""
SOURCE = (ROOT / "examples/train_with_transform.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the sessions printed, in a folder in which the example was run."""
    folder = tmp_path_factory.mktemp("worked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train_with_transform.make(Path("worked"))
        return {command: captured(shlex.split(command)[1:], folder / "log") for command in SESSIONS}


def captured(arguments: list[str], log: Path) -> str:
    with log.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        assert stopped.value.code == 0
    return log.read_text()


def words(line: str) -> list[str]:
    return line.split()


@pytest.mark.parametrize("command", SESSIONS)
def test_the_sessions_print_what_they_show(printed, command):
    found = [words(line) for line in printed[command].splitlines()]
    for line in SESSIONS[command]:
        if (shown := words(line))[0] in ("background", "disc"):  # what was trained is not the same on another CPU
            row = next(each for each in found if each[:1] == shown[:1])
            assert float(row[1]) == pytest.approx(float(shown[1]), abs=0.15)
            assert row[-4] == shown[-4]
        else:
            assert shown in found


def test_both_models_print_the_same_table(printed):
    bare, baked = ([line for line in printed[c].splitlines() if "disc" in line] for c in SESSIONS if "evaluate" in c)
    assert bare == baked != []
    assert len(SESSIONS) == 4


@pytest.mark.parametrize("code", blocks(DOC, "python"))
def test_its_code_is_that_of_the_example(code):
    assert code in SOURCE


@pytest.mark.parametrize("text", blocks(DOC, "yaml"))
def test_its_configs_are_valid(text):
    given = yaml.safe_load(text)
    config = Config.model_validate({"examples": "e", "model": "m", "output": "o", "classes": ["a", "b"], **given})
    assert config.input.kind == "example"


def test_it_points_to_the_statistics():
    assert "## Statistics of the data: dicebeam analyze" in DOC.read_text(encoding="utf-8")
