"""docs/guide/report.md says the limits that the code has."""

import re

import pytest

from dicebeam.components.report import (
    gallery_samples,
    page_verdict,
    report_data,
    report_lines,
    report_page,
    sample_rankings,
    thumbnails,
    trend,
)
from tests.support.paths import ROOT

TEXT = (ROOT / "docs/guide/report.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([a-z ,]+) \| (.*) \|$", TEXT.partition("## Size")[2], re.MULTILINE))


@pytest.mark.parametrize(
    ("part", "limits"),
    [
        ("checks", [report_page.MAX_CHECKS]),
        ("checks of the data", [page_verdict.MAX_DRIFT]),
        ("lines of classes", [report_lines.MAX_LINES, report_lines.MAX_CLASSES]),
        ("slices", [report_lines.MAX_SLICES]),
        ("distributions", [report_data.MAX_HISTOGRAMS]),
        ("nights", [trend.NIGHTS, trend.NIGHTS]),
        ("pictures", [2 * gallery_samples.SHOWN, thumbnails.MAX_SIDE, thumbnails.MAX_BYTES]),
        ("failed records", [report_data.MAX_FAILURES]),
        ("characters of a name, of a message", [report_page.LONGEST_NAME, report_page.LONGEST_MESSAGE]),
    ],
)
def test_the_limits_in_the_docs_are_those_of_the_code(part, limits):
    assert [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", ROWS[part])] == limits


def test_the_sizes_in_the_docs_are_those_of_the_code():
    assert f"Below {report_page.MAX_BYTES // 10**6} MB" in TEXT
    assert f"more than {sample_rankings.MAX_INDEX_BYTES >> 20} MB" in TEXT.replace("\n", " ")
    assert f"{gallery_samples.SHOWN} in all" in TEXT
