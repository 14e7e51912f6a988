"""The summary page, rendered by GitHub's own library: structure is ours, and nothing from data adds to it."""

import html.parser
import re

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dicebeam.components.verdict import verdict_markdown
from dicebeam.components.wording.visible_text import visible
from tests.support import verdicts

OURS = {
    "h2", "ul", "li", "p", "strong", "code", "details", "summary", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


class Page(html.parser.HTMLParser):
    """Tags, links and the text of every cell of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.rows, self.text = [], set(), [], ""
        self.in_cell = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")


def rendered(verdict):
    page = cmarkgfm.github_flavored_markdown_to_html(verdict_markdown.text(verdict), Options.CMARK_OPT_UNSAFE)
    return Page(page)


def plain(text):
    return text.replace("\u2060", "").strip()


def test_the_page_has_the_verdict_first_and_the_worst_check_next():
    page = rendered(verdicts.one_of_each())
    assert page.text.split("\n")[0] == "\u274c dicebeam: INVALID"
    column = [row[0] for row in page.rows if len(row) == 10]
    assert column == [
        "verdict", "INVALID", "REGRESSED", "OUT_OF_BOUNDS", "NO_BASELINE", "INCONCLUSIVE", "verdict", "PASS", "SKIPPED",
    ]  # fmt: skip


def test_numbers_of_a_row():
    (row,) = (row for row in rendered(verdicts.verdict(verdicts.check("REGRESSED"))).rows if row[0] == "REGRESSED")
    assert row == [
        "REGRESSED", "dice_mean", "car", "all", "0.8000", "0.8500", "-0.0500", "-0.0600 to -0.0400", "max_drop 0.01",
        "this is REGRESSED",
    ]  # fmt: skip


def test_the_headline_under_each_rule():
    rows = [row for row in rendered(verdicts.verdict(verdicts.check())).rows if len(row) == 6]
    assert len(rows) == 4
    assert rows[2] == ["absent classes counted as 1", "PASS", "0.8000", "0.7900", "+0.0100", "+0.0020 to +0.0180"]


def test_accounting_reasons_and_samples_that_are_not_common():
    text = rendered(verdicts.verdict(verdicts.check(), reasons=("why",), common_samples=998, lost=1, added=2)).text
    assert "1,000 records = 999 scored + 1 failed" in text
    assert "compared on 998 common samples; 1 only in the baseline, 2 only in this run" in text
    assert "\nwhy\n" in text


def test_fifty_rows_and_how_many_more():
    checks = [verdicts.check("REGRESSED")] * 70 + [verdicts.check()] * 1234
    page = rendered(verdicts.verdict(*checks))
    assert [sum(row[0] == name for row in page.rows) for name in ("REGRESSED", "PASS")] == [50, 50]
    assert "and 20 more" in page.text
    assert "and 1,184 more" in page.text
    assert "1,234 passed or skipped" in page.text


def test_a_page_without_checks():
    page = rendered(verdicts.verdict(verdict="NO_BASELINE", reasons=("nothing is blessed",), headline=()))
    assert not page.rows
    assert "dicebeam: NO_BASELINE" in page.text


def structure(page):
    return [tag for tag in page.tags if tag != "code"]


@pytest.mark.parametrize("text", verdicts.HOSTILE)
def test_hostile_text_is_text(text):
    page, usual = rendered(verdicts.hostile(text)), rendered(verdicts.hostile("usual"))
    assert structure(page) == structure(usual)
    assert page.attributes <= {"align"}
    rows = [row for row in page.rows if row[0] in ("REGRESSED", "DRIFTED", "PASS") and len(row) == 10]
    assert len(rows) == 4
    for row in rows:
        of_data = row[1] == "class_pixels"
        assert [plain(row[place]) for place in ((2, 9) if of_data else (2, 3, 9))] == [visible(text).strip()] * (
            3 - of_data
        )


@pytest.mark.parametrize("text", verdicts.HOSTILE)
def test_hostile_text_in_another_renderer(text):
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = Page(markdown.render(verdict_markdown.text(verdicts.hostile(text))))
    usual = Page(markdown.render(verdict_markdown.text(verdicts.hostile("usual"))))
    assert structure(page) == structure(usual)
    assert page.attributes <= {"style"}


@given(st.text(st.sampled_from("|`\\<>&#@:/w.[]()!*_~-+=1 \n\tax") | st.characters(), max_size=30))
def test_any_text_is_text(text):
    page = rendered(verdicts.hostile(text))
    assert set(page.tags) <= OURS
    assert page.attributes <= {"align"}
    assert {len(row) for row in page.rows} == {6, 10}
    assert structure(page) == structure(rendered(verdicts.hostile("usual")))


@pytest.mark.parametrize("text", ["@joe", "x @joe/team", "#12", "see owner/repo#12", "a :car: b"])
def test_what_github_links_after_rendering_is_broken_up(text):
    shown = verdict_markdown.prose(text)
    assert not re.search(r"@\w|#\w|:\w+:", shown.replace("&#", ""))


@pytest.mark.parametrize("text", ["models/2026", "gs://b/m", "site=A/scanner=2", "www.x.de", "@joe"])
def test_a_name_can_be_copied_from_the_page(text):
    assert verdict_markdown.code(text) == f"`{text}`"


def test_long_text_is_cut():
    assert len(verdict_markdown.text(verdicts.hostile("|" * 1_000_000))) < 40_000


def test_the_data_have_a_block_of_their_own_before_the_checks():
    steady = verdicts.moved("PASS", class_name="car")
    page = rendered(verdicts.drifted(verdicts.check("REGRESSED"), drift=[steady, verdicts.moved()]))
    assert page.text.startswith("\u274c dicebeam: DRIFTED")
    assert "Of the data\n\nthe data changed, not the model\n" in page.text
    rows = [row for row in page.rows if len(row) == 10]
    assert [row[0] for row in rows] == ["verdict", "DRIFTED", "verdict", "PASS", "verdict", "REGRESSED"]
    assert rows[1][1:] == [
        "channel_mean", "channel 2", "all", "0.00123", "0.00234", "-0.00111", "-", "max_change 0.02",
        "the data are DRIFTED",
    ]  # fmt: skip


def test_data_that_only_warn():
    page = rendered(verdicts.drifted(verdicts.check(), drift=[verdicts.moved(decides=False)], says=None))
    assert page.text.startswith("\u2705 dicebeam: PASS")
    assert [row[0] for row in page.rows if len(row) == 10][1] == "DRIFTED (warns)"
    assert "1 DRIFTED, 1 PASS (1 of them only warns)" in page.text
