"""The docs of engines, docs/operating/engines*.md and deploy/dataflow/README.md, name what is there."""

import re
import shlex
from pathlib import Path

import pytest

from dicebeam.components.explore import query
from dicebeam.pipeline.runner import options
from tests.support.paths import ROOT

DOCS = [
    ROOT / "docs/operating/engines.md",
    ROOT / "docs/operating/engines-flink.md",
    ROOT / "deploy" / "dataflow" / "README.md",
]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCS}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_test_and_file_that_is_named_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+)`", text))
    linked = set(re.findall(r"\]\(([^)#]+)", text))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]
    assert not [name for name in linked if not (path.parent / name).exists()]


def test_every_flag_of_the_table_is_beams() -> None:
    rows = re.findall(r"^\|[^|]+\| `(--[^`]+)`[^|]* \|", TEXTS["engines.md"], re.MULTILINE)
    assert len(rows) == 8
    for flags in rows:
        assert options.unknown_flags(shlex.split(flags)) == []


def test_the_query_for_sizes_runs(nights: tuple[str, object]) -> None:
    (sql,) = re.findall(r"```sql\n(.*?)```", TEXTS["engines.md"], re.DOTALL)
    assert len(query.query(nights[0], sql).rows) == 5
