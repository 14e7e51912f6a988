"""The page about the architecture names every stage and room, and its arrows are those that the code is held to."""

import ast
import re

import pytest

from tests.support.paths import ROOT
from tests.test_architecture import ARROWS, STAGES, TREES

PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TRANSFORMS = [
    node.name
    for name in sorted(STAGES)
    for node in TREES[name].body
    if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("PTransform") for base in node.bases)
]


def test_there_are_stages_to_look_for():
    assert {"SplitShards", "WriteTables", "WriteDataset"} <= set(TRANSFORMS)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_stage_has_a_section_with_what_comes_in_and_goes_out(name):
    assert f"\n### {name}\n" in TEXT
    section = TEXT.partition(f"\n### {name}\n")[2].partition("\n#")[0]
    assert [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")][2:] == [
        "in",
        "out",
        "where",
    ]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_section_links_the_file_of_its_stage(name):
    (module,) = [m for m in STAGES if any(isinstance(n, ast.ClassDef) and n.name == name for n in TREES[m].body)]
    section = TEXT.partition(f"\n### {name}\n")[2].partition("\n#")[0]
    assert f"(../{module.replace('.', '/')}.py)" in section


def test_every_room_has_its_row_and_its_arrows():
    assert {room: re.findall(r"`(\w+)`", uses) for room, _, uses in ROW.findall(TEXT)} == {
        room: uses.split() for room, uses in ARROWS.items()
    }
