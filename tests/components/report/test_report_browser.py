"""The page in a real browser: Chromium, headless, offline. Skipped, with the reason, where there is none."""

import os
import shutil

import pytest

from dicebeam.components.report import report_page
from tests.support import pages

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium on PATH; with it these tests open the report in a real browser")
    with playwright.sync_playwright() as started:
        arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        launched = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page; at the end of the test nothing may have been said, asked of the network or run."""
    seen, contexts = [], []

    def opened(text=None, viewport=DESK, scheme="light", gated=True):
        path = tmp_path / "report.html"
        fallen = pages.falls(text) if gated else []
        path.write_text(report_page.render(pages.data(text, gated=gated), pages.worst(text), fallen), encoding="utf-8")
        context = browser.new_context(viewport=viewport, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (seen.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: _note(request.url, path.as_uri(), seen))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen == []


def _note(url, own, seen):
    if url != own and not url.startswith("data:"):
        seen.append(f"request: {url}")


def shown(page, section, part=".row"):
    return [row.inner_text() for row in page.locator(f"#{section} {part}").all() if row.is_visible()]


def names(page, section):
    return page.locator(f"#{section} .row:not([hidden]) th[scope=row]").all_inner_texts()


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_it_opens_without_a_word_and_without_the_network(opened, viewport, gated):
    page = opened(viewport=viewport, gated=gated)
    assert page.locator("h1").inner_text() == "tuesday"
    assert page.locator("#theme").is_visible()


@pytest.mark.parametrize("text", [None, "W" * 400, "long words " * 40])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(opened, width, text):
    page = opened(text, {"width": width, "height": 740})
    for details in page.locator("details").all():
        details.evaluate("d => { d.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_wide_tables_scroll_inside_their_own_box(opened):
    page = opened(viewport=PHONE)
    box = page.locator("#classes .scroll")
    assert box.evaluate("b => b.scrollWidth > b.clientWidth && getComputedStyle(b).overflowX === 'auto'")


@pytest.mark.parametrize("text", pages.ATTACKS)
def test_hostile_text_does_not_run(opened, text):
    page = opened(text)
    page.select_option("#class-filter", index=1)
    page.select_option("#slice-filter", index=1)
    page.locator("#checks .sort").first.click()
    for details in page.locator("details").all():
        details.evaluate("d => { d.open = true }")
    assert page.evaluate("window.hacked") is None
    assert page.locator("svg[onload], img").count() == 0


def test_checks_are_filtered_by_verdict(opened):
    page = opened()
    assert len(shown(page, "checks")) == 8
    page.click("button.pill[data-verdict=PASS]")
    assert len(shown(page, "checks")) == 6
    assert page.get_attribute("button.pill[data-verdict=PASS]", "aria-pressed") == "false"
    page.click("button.pill[data-verdict=PASS]")
    assert len(shown(page, "checks")) == 8


def test_what_passed_checks_say_is_shown_when_asked_for(opened):
    page = opened()
    said = page.get_by_text("this is PASS")
    assert not said.first.is_visible()
    page.check("#all-messages")
    assert said.first.is_visible()


def test_the_class_filter_is_for_the_whole_page(opened):
    page = opened()
    page.select_option("#class-filter", label="car")
    assert names(page, "classes") == ["car"]
    assert len(shown(page, "distributions")) == 1
    assert [text.partition("\n")[0] for text in shown(page, "falls")] == ["scene-1", "scene-3"]
    assert all("car" in text for text in shown(page, "checks"))
    assert "rows and pictures fit" in page.inner_text("#status")
    page.click("button[type=reset]")
    playwright.expect(page.locator("#status")).to_have_text("")
    assert len(shown(page, "falls")) == 3


def test_the_slice_filter_shows_the_classes_of_a_slice(opened):
    page = opened()
    assert names(page, "classes") == list(pages.CLASSES)
    assert all("all" in text for text in shown(page, "classes"))
    page.select_option("#slice-filter", label="site=south")
    assert all("site=south" in text for text in shown(page, "classes"))
    assert len(shown(page, "classes")) == 3
    assert [text.partition("\n")[0] for text in shown(page, "falls")] == ["scene-2", "scene-3"]
    assert len(shown(page, "slices")) == 1
    assert page.locator("#worst .nothing").is_visible()


def test_tables_are_sorted_by_their_headers(opened):
    page = opened()
    samples = page.locator("#slices th", has_text="Samples")
    samples.get_by_role("button").click()
    assert samples.get_attribute("aria-sort") == "descending"
    assert names(page, "slices") == ["site=south", "site=north", "all"]
    samples.get_by_role("button").click()
    assert samples.get_attribute("aria-sort") == "ascending"
    assert names(page, "slices") == ["all", "site=north", "site=south"]
    page.locator("#slices th", has_text="Slice").get_by_role("button").click()
    assert samples.get_attribute("aria-sort") is None


def test_what_has_no_value_is_last_in_either_order(opened):
    page = opened()
    page.evaluate("document.querySelector('#slices .row td.num').dataset.v = ''")
    button = page.locator("#slices th", has_text="Samples").get_by_role("button")
    for _ in range(2):
        button.click()
        assert names(page, "slices")[-1] == "all"


def test_the_keyboard_reaches_every_control_and_focus_is_seen(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(400):
        page.keyboard.press("Tab")
        at = page.evaluate(
            """() => { const e = document.activeElement; if (e === document.body) return null;
            const s = getComputedStyle(e); e.dataset.reached = '1';
            return [e.tagName, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0] }"""
        )
        if at is None:
            break
        reached.add(tuple(at))
    assert {tag for tag, _ in reached} >= {"A", "BUTTON", "SELECT", "INPUT", "SUMMARY", "DIV"}
    assert all(seen for _, seen in reached)
    missed = page.evaluate(
        """[...document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')]
        .filter(e => e.checkVisibility() && !e.dataset.reached && e.className !== 'skip').length"""
    )
    assert missed == 0


def test_sorting_and_filtering_work_from_the_keyboard(opened):
    page = opened()
    page.locator("#slices th", has_text="Samples").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert names(page, "slices")[0] == "site=south"
    page.locator("button.pill[data-verdict=REGRESSED]").focus()
    page.keyboard.press("Space")
    assert len(shown(page, "checks")) == 7


def test_layers_are_switched_in_both_galleries(opened):
    page = opened()
    solid = page.locator("#falls .layer-now").first
    assert solid.is_visible()
    page.locator("#worst input[data-layer=now]").uncheck()
    assert not solid.is_visible()
    assert not page.locator("#falls input[data-layer=now]").is_checked()


def test_pictures_can_be_seen_near_the_class_and_whole_again(opened):
    page = opened()
    picture, box = page.locator("#falls svg.picture").first, page.locator("#falls input[data-near]")
    box.check()
    assert picture.get_attribute("viewBox") == "0 0 16 12"
    box.uncheck()
    assert picture.get_attribute("viewBox") == "0 0 32 24"


def ground(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_the_system_s_until_the_button_says_otherwise(opened, scheme, other):
    page, reference = opened(scheme=scheme), opened(scheme=other)
    assert ground(page) != ground(reference)
    page.click("#theme")
    assert ground(page) == ground(reference)
    page.click("#theme")
    assert ground(page) != ground(reference)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(opened, scheme):
    """WCAG's ratio of 4.5 for every text that is seen, against the ground that it is on."""
    page = opened(scheme=scheme)
    low = page.evaluate(
        """() => {
        const rgb = s => s.match(/[0-9.]+/g).map(Number);
        const lum = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const under = e => { for (; e; e = e.parentElement) {
            const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } };
        const found = [];
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {
            const e = walk.currentNode.parentElement;
            if (!walk.currentNode.textContent.trim()) continue;
            if (e.closest('svg, script, .arrow') || !e.checkVisibility()) continue;
            const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(under(e))];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) found.push([walk.currentNode.textContent.trim(), ratio]);
        }
        return found }"""
    )
    assert low == []


def test_without_script_everything_is_there(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_page.render(pages.data(), pages.worst(), pages.falls()), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(path.as_uri())
    assert not page.locator("#theme").is_visible()
    assert page.get_by_text("this is PASS").first.is_visible()
    assert page.locator("#class-table .row").last.is_visible()
    context.close()


def test_the_data_are_one_click_away(opened):
    page = opened()
    page.get_by_role("link", name="What moved").click()
    assert page.locator("#data-drift h2").is_visible()
    said = page.locator("#data-drift .message")
    assert [each.is_visible() for each in said.all()] == [True, True, False]  # what passed says nothing
    page.check("#all-messages")
    assert said.last.is_visible()
    page.select_option("#class-filter", label="person")
    assert len(shown(page, "data-drift")) == 3
