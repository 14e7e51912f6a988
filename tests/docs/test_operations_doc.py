"""docs/operating/operations.md names a test for every promise, and each of them is there."""

import re

import pytest

from tests.support.paths import ROOT

TEXT = (ROOT / "docs/operating/operations.md").read_text(encoding="utf-8")
PROMISES = re.findall(r"^- (.*?)(?=^- |^#|\Z)", TEXT.partition("## What is promised")[2], re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("promise", PROMISES, ids=range(len(PROMISES)))
def test_every_promise_names_its_tests(promise):
    named = re.findall(r"`(tests/[^`]+)`", promise)
    assert named or "make soak" in promise, promise
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_there_are_promises():
    assert len(PROMISES) > 15
