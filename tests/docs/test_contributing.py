"""The pages for contributors name files, tests and targets that are there."""

import re

import pytest

from tests.support.paths import ROOT

PAGES = ("CONTRIBUTING.md", "docs/architecture.md", "docs/troubleshooting.md")
FOLDERS = ("components", "pipeline", "schemas", "tests", "docs", "benchmarks", "deploy", "scripts", "examples")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def named_paths(text):
    """What stands in backticks and begins with one of our folders, and the argument of a pytest call."""
    quoted = re.findall(r"`([^`\s]+)`", text) + re.findall(r"pytest (\S+)", text)
    return {path for path in quoted if path.partition("/")[0] in FOLDERS and "/" in path}


def linked_paths(text):
    return {target for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if ":" not in target}


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page):
    assert not {path for path in named_paths(text_of(page)) if not (ROOT / path).exists()}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = linked_paths(text_of(page))
    assert links
    assert not {target for target in links if not (ROOT / page).parent.joinpath(target).exists()}


def test_the_steps_name_many_files():
    assert len(named_paths(text_of("CONTRIBUTING.md"))) > 50


def test_every_target_of_make_that_is_named_is_there():
    named = re.findall(r"`?make ((?:[a-z-]+ ?)+)`", text_of("CONTRIBUTING.md"))
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE)) | {"dist"}
    assert {target for line in named for target in line.split()} <= targets
    assert len(named) > 5


def test_every_name_that_a_step_looks_for_is_in_the_code():
    """Names in code style, such as `class_statistics`, that are no paths."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for floor in ("components", "pipeline", "schemas")
        for path in (ROOT / floor).rglob("*.py")
    )
    names = re.findall(r"`(_?[A-Za-z]+(?:_[A-Za-z]+)*)`", text_of("CONTRIBUTING.md").partition("## Add a metric")[2])
    assert len(names) > 20
    assert not {name for name in names if not re.search(rf"\b{name}\b", code)}
