"""README's transcripts are what the commands print today, numbers included, and its Python runs."""

import contextlib
import io
import re
import shlex

import keras
import numpy as np
import pytest

from dicebeam.pipeline import cli
from tests.docs.test_docs import README, blocks
from tests.support.paths import ROOT

FENCED = re.findall(r"^```\w*\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
MAKE_RUN, NIGHTLY = (text for text in FENCED if "mean Dice" in text or "$ dicebeam nightly" in text)
"""The end of `make run`, and the night of the demo's second model."""
(NIGHTLY_COMMAND,) = re.findall(r"^\$ (.*)$", NIGHTLY, re.MULTILINE)
(QUERY,) = re.findall(r'dicebeam query \S+ "(SELECT .*)"$', (ROOT / "Makefile").read_text(), re.MULTILINE)
"""What `make run` asks."""
VARIES = {
    r"\d+\.\d s, [\d.]+ samples/s": "1.0 s, 1.0 samples/s",
    r"r\d{8}T\d{6}Z-[0-9a-f]{4}": "ID",
    r"eval_date=[\d-]{10}": "eval_date=DAY",
    r"(/\S+|\.\.\.)/demo/reports": ".../demo/reports",
}


def plain(text: str) -> list[str]:
    """Lines in which times, run ids, days and folders are always the same."""
    for pattern, constant in VARIES.items():
        text = re.sub(pattern, constant, text)
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the commands of `make run` print, and then the night."""
    commands = ["dicebeam demo demo", "dicebeam evaluate demo/config.yaml", NIGHTLY_COMMAND]
    commands.insert(2, shlex.join(["dicebeam", "query", "demo/reports", QUERY]))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("readme"))
        return {command: plain(run(command)) for command in commands}


def run(command: str) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text), pytest.raises(SystemExit):
        cli.main(shlex.split(command)[1:])
    return text.getvalue()


def test_make_run_ends_with_the_tables_that_are_shown(printed):
    table, _, worst = (plain(part) for part in re.split(r"(\$ .*\n.*\n)", MAKE_RUN))
    _, evaluate, query, _ = printed.values()
    assert "\n".join(table).strip() in "\n".join(evaluate)
    assert [line for line in query if line] == [line for line in worst if line]


def test_the_query_that_is_shown_is_that_of_make_run():
    shown = " ".join(re.search(r'"(SELECT .*?)"', MAKE_RUN, re.DOTALL)[1].split())
    first, last = shown.split(", ... ")
    assert QUERY.startswith(first)
    assert QUERY.endswith(last)


def test_the_night_prints_what_is_shown(printed):
    shown = [line for line in plain(NIGHTLY)[1:] if line != "..."]
    lines = iter(printed[NIGHTLY_COMMAND])
    assert [line for line in shown if not any(each.startswith(line.removesuffix("...")) for each in lines)] == []
    assert len(shown) == 5


# Python


@pytest.mark.parametrize("code", [*blocks(README, "python"), *blocks(ROOT / "docs/reference/metrics.md", "python")])
def test_the_python_runs(code):
    images, masks = np.zeros((2, 8, 8, 3), np.float32), np.ones((2, 8, 8), np.int32)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1, activation="softmax")])
    scope = {"model": model, "masks": masks, "probabilities": model.predict(images, verbose=0)}
    exec(code, scope)  # noqa: S102 - the snippets of the docs
    if "compile" in code:
        assert {"loss", "dice"} <= set(model.fit(images, masks, verbose=0).history)
    else:
        assert set(scope["metric"].result()) == {f"dice_{class_id}" for class_id in range(4)}


def test_there_is_python_on_both_pages():
    assert len(blocks(README, "python")) == len(blocks(ROOT / "docs/reference/metrics.md", "python")) == 1
