"""Every message that docs/troubleshooting.md quotes is one that the code can say."""

import ast
import re

import pytest

from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `(.+?)` \|", TEXT, re.MULTILINE)
GROUPS = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)


def spoken(path):
    """The literal text of every string but docstrings; a placeholder of an f-string is a gap that no quote spans."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    inside |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "\0".join(part.value for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


SAID = [
    " ".join(text.split())
    for folder in ("components", "pipeline", "schemas", "scripts")
    for path in (ROOT / folder).rglob("*.py")
    for text in spoken(path)
]


def test_there_are_messages_in_the_code_and_on_the_page():
    assert len(SAID) > 1000
    assert len(QUOTED) > 80


@pytest.mark.parametrize("fragment", QUOTED)
def test_what_is_quoted_is_said_somewhere(fragment):
    assert any(" ".join(fragment.split()) in text for text in SAID)


def test_what_nobody_says_is_not_found():
    assert not any("the moon is made of cheese" in text for text in SAID)


def test_every_row_says_cause_and_remedy():
    rows = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("| ") and "|---" not in line]
    assert all(len(cells) == 3 and all(cell.strip() for cell in cells) for cells in rows), rows


def test_every_group_is_in_the_list_at_the_top():
    assert re.findall(r"^- \[(.+)\]\(#", TEXT, re.MULTILINE) == GROUPS
