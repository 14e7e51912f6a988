"""The page: what it says, that it is one file below its size, and that no text of the data is markup."""

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from dicebeam.components.report import (
    gallery,
    gallery_samples,
    outlines,
    page_filters,
    report_lines,
    report_page,
    thumbnails,
)
from dicebeam.components.report.report_data import Histogram
from dicebeam.components.report.report_lines import SliceLine
from tests.support import pages, verdicts

OF_THE_PAGE = {"script": 2, "style": 1, "meta": 5, "html": 1, "body": 1, "main": 1, "form": 1}


class Reader(HTMLParser):
    """Elements and attributes as a browser sees them, and the text between."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)


def page(data=None, **more):
    return report_page.render(data or pages.data(**more), pages.worst(), pages.falls())


@pytest.mark.parametrize(
    "said",
    [
        "REGRESSED", "monday", "0.8000", "was 0.7900", "counted as 0", "one reason", "this is OUT_OF_BOUNDS",
        "scene-1", "the shard is not there any more", "decode", "1,003 = 1,000 scored + 3 failed", "models/v2",
        "3 only in the baseline, 4 only in this run", "python 3.11", "\N{MINUS SIGN}0.1300 to \N{MINUS SIGN}0.0700",
        "2 more failed records are not on this page", "site=south", "also person \N{MINUS SIGN}0.7000",
    ],
)  # fmt: skip
def test_the_page_says(said):
    assert said in Reader(page()).text


def test_a_verdict_that_depends_on_the_rule_says_so_once():
    data = pages.data()
    other = dataclasses.replace(data.headline[2], verdict="REGRESSED")
    reasons = ("the verdict depends on the empty-mask rule: REGRESSED under absent_counts_as_0",)
    verdict = dataclasses.replace(data.verdict, reasons=reasons)
    text = Reader(page(dataclasses.replace(data, headline=(*data.headline[:2], other), verdict=verdict))).text
    assert text.count("depends on the") == 1
    assert "depends on the" not in Reader(page()).text


def test_the_data_have_a_block_of_their_own():
    html = page()
    block = html.partition('<section id="data-drift"')[2].partition("</section>")[0]
    rows = [Reader(f"<tbody{row}").text.strip() for row in block.split('<tbody class="row"')[1:]]
    assert [row.split()[0] for row in rows] == ["DRIFTED", "DRIFTED", "PASS"]
    assert "only warns" in rows[1]
    assert "only warns" not in rows[0] + rows[2]
    for said in ("channel 2", "0.00123", "0.00234", "\N{MINUS SIGN}0.00111", "max_change 0.02", "the data are DRIFTED"):
        assert said in rows[0]
    assert "car" in rows[2]
    assert "the data changed, not the model. What moved" in Reader(html).text
    assert ("a", {"href": "#data-drift"}) in Reader(html).elements


def test_a_page_without_checks_of_the_data_says_nothing_of_them():
    data = pages.data()
    verdict = dataclasses.replace(data.verdict, drift=(), drift_says=None)
    html = page(dataclasses.replace(data, verdict=verdict))
    assert "drift" not in html.partition("</style>")[2].partition("<script")[0]


def test_many_checks_of_the_data():
    data = pages.data()
    verdict = dataclasses.replace(data.verdict, drift=(verdicts.moved(),) * 130)
    text = Reader(page(dataclasses.replace(data, verdict=verdict))).text
    assert "30 more checks of the data are not on this page" in text


def test_a_run_that_was_not_gated_has_no_comparison():
    text = Reader(page(pages.data(gated=False))).text
    assert "not gated" in text
    for absent in ("Worst regressions", "Difference", "Checks", "Baseline's model"):
        assert absent not in text
    assert "Worst samples" in text


def test_a_run_without_samples_or_numbers_is_a_page_too():
    empty = pages.data(
        gated=False, lines=(), slices=(), histograms=(), trend=(), failures=(), headline=(), foreground=(),
    )  # fmt: skip
    assert "No sample has a Dice" in Reader(report_page.render(empty, [], [])).text


@pytest.mark.parametrize("text", [*pages.ATTACKS, *verdicts.HOSTILE])
def test_no_text_of_the_data_is_markup(text):
    plain, found = (Reader(report_page.render(*parts)) for parts in (parts_of("plain"), parts_of(text or "x")))
    assert [name for name, _ in found.elements] == [name for name, _ in plain.elements]
    for (_, ours), (_, theirs) in zip(plain.elements, found.elements, strict=True):
        assert list(ours) == list(theirs)
    assert {tag: found.count(tag) for tag in OF_THE_PAGE} == OF_THE_PAGE
    assert not [key for _, attributes in found.elements for key in attributes if key.startswith("on")]


def parts_of(text):
    return pages.data(text), pages.worst(text), pages.falls(text), [text]


@pytest.mark.parametrize("text", pages.ATTACKS)
def test_the_text_is_there_as_it_is(text):
    if text.isprintable():
        assert re.sub(r"\s+", " ", text) in Reader(report_page.render(*parts_of(text))).text


def test_the_json_has_the_text_and_ends_no_script():
    html = report_page.render(*parts_of(pages.ATTACKS[1]))
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert json.loads(block)["slices"][1] == pages.ATTACKS[1]
    assert "<" not in block


def test_links_lead_to_places_of_the_page_alone():
    elements = Reader(page()).elements
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    links = [attributes["href"] for name, attributes in elements if name in ("a", "use")]
    assert {link.removeprefix("#") for link in links} <= ids
    assert not [a for name, a in elements if name == "link" or (name == "script" and "src" in a)]
    sources = [a["href"] for name, a in elements if name == "image"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)


def test_ids_are_there_once():
    ids = [attributes["id"] for _, attributes in Reader(page()).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_policy_allows_the_style_and_the_script_by_their_hashes():
    html = page()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not [a for _, a in Reader(html).elements if "style" in a]


def test_colour_is_never_alone():
    """Every badge has its shape and its word."""
    html = page()
    badges = re.findall(r'<span class="badge [^"]*">(.*?)</span>', html)
    assert len(badges) > 20
    assert all(re.fullmatch(r"<svg .*?</svg>[A-Z_]+|<svg .*?</svg>not gated", badge) for badge in badges)
    shapes = {name: report_page.charts.mark(name) for name in verdicts.ALL}
    assert len({re.search(r'd="([^"]*)"', str(shape))[1] for shape in shapes.values()}) == len(shapes)


def test_scrolling_boxes_can_be_reached_by_keyboard_and_are_named():
    boxes = [a for _, a in Reader(page()).elements if a.get("class") == "scroll"]
    assert boxes
    assert all(a["tabindex"] == "0" and a["role"] == "region" for a in boxes)
    assert all("aria-label" in a or "aria-labelledby" in a for a in boxes)


@pytest.fixture(scope="module", params=["'", "\U000e0001"], ids=["escaped", "invisible"])
def heaviest(request):
    """More of everything than a page shows, of long text that grows when it is written, and of noise."""
    long, rng = request.param * 5000, np.random.default_rng(0)
    classes, slices = [f"{i}{long}" for i in range(100)], [f"{i}{long}" for i in range(report_lines.MAX_SLICES)]
    checks = [verdicts.check("REGRESSED", class_name=c, slice=s, message=long) for c in classes for s in slices[:20]]
    lines = [pages.class_line(c, s, i) for s in slices[:4] for i, c in enumerate(classes)]
    lines = lines[: report_lines.MAX_LINES]
    picture = thumbnails.data_uri(rng.integers(0, 255, (900, 900, 3)).astype(np.uint8))
    path = outlines.outline(rng.random((900, 900)) > 0.5).path
    layers = dict.fromkeys(("truth", "ignored", "before", "now"), path)
    scores = tuple(pages.score(c, i) for i, c in enumerate(classes))
    card = pages.card(text=long, slices=tuple(f"{i}{long}" for i in range(300)))
    shown = dataclasses.replace(card.shown, classes=scores, features=tuple((c, long) for c in classes))
    card = dataclasses.replace(card, shown=shown, image=picture, paths=layers, width=900, height=900, notes=(long,) * 3)
    row = pages.past(text=long, config=json.dumps({"classes": classes * 20}))
    failure = dict.fromkeys(("shard", "sample_id", "stage", "error", "message"), long)
    data = pages.data(
        past=row, baseline=row, verdict=verdicts.verdict(*checks, reasons=(long,)), lines=tuple(lines), n_lines=5000,
        slices=tuple(SliceLine(s, 9, pages.DICE, "PASS") for s in slices), n_slices=9999, foreground=tuple(classes),
        histograms=tuple(Histogram(c, tuple(range(50)), tuple(range(50))) for c in classes[:40]), n_histograms=5000,
        trend=pages.points(60, long), failures=({**failure, "record": 1},) * 50,
    )  # fmt: skip
    return report_page.render(data, [card] * gallery_samples.SHOWN, [card] * gallery_samples.SHOWN)


def test_the_heaviest_page_is_far_below_its_size(heaviest):
    size = len(heaviest.encode())
    assert 2_000_000 < size < 0.85 * report_page.MAX_BYTES


def test_what_is_left_out_is_said(heaviest):
    text = Reader(heaviest).text
    for said in ("1,800 more checks", "9,949 more slices", "4,900 more classes"):
        assert f"{said} are not on this page" in text


def test_classes_and_slices_are_places():
    data = pages.data()
    places = page_filters.places(data, [*pages.falls(), *pages.worst()])
    assert places.slices == pages.SLICES
    assert places.cards == ((0, 1), (0, 2), (0, 2), (0, 1))
    assert places.classes == (*pages.CLASSES, "foreground")
    assert (places.of("nowhere"), places.of_class(None)) == ("none", "none")


def test_a_part_near_the_class_is_inside_the_picture_and_in_its_proportions():
    mask = np.zeros((100, 200), bool)
    mask[98:, 190:] = True
    x, y, width, height = gallery._near({"truth": mask, "ignored": ~mask}, 100, 200)
    assert (x + width, y + height) == (200, 100)
    assert abs(width - 2 * height) <= 1
    assert gallery._near({"truth": mask & False}, 100, 200) == (0, 0, 200, 100)


def test_samples_that_could_not_be_chosen_are_not_said_to_be_fine():
    text = Reader(report_page.render(pages.data(), [], [], ["Samples could not be chosen: a file is damaged"])).text
    assert text.count("a file is damaged") == 2
    assert "No sample" not in text
    assert "No sample fell against the baseline" in Reader(report_page.render(pages.data(), pages.worst(), [])).text
