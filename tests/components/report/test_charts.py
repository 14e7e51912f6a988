"""Charts: where things are, and that they are whole SVG whatever the numbers."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.report import charts
from dicebeam.components.report.report_lines import Compared
from dicebeam.schemas.verdict import EXIT_CODES
from tests.support import pages

DICE = st.one_of(st.none(), st.floats(0, 1))


def parsed(markup):
    return ET.fromstring(str(markup))  # noqa: S314 - made here


def numbers(markup):
    return [float(x) for x in re.findall(r"-?\d+\.?\d*", " ".join(re.findall(r' (?:d|points)="([^"]*)"', str(markup))))]


@given(st.lists(st.tuples(DICE, st.floats(0, 0.2), st.booleans(), st.sampled_from([None, *EXIT_CODES])), max_size=60))
def test_every_trend_is_svg_inside_its_frame(nights):
    points = [
        charts.Point(
            f"n{i}", pages.FINISHED, v, None if v is None else v - w, None if v is None else v + w, g, same, "m"
        )
        for i, (v, w, same, g) in enumerate(nights)
    ]
    chart = parsed(charts.trend(points, "n0"))
    marks = list(chart.iter("g"))
    assert len(marks) == sum(point.value is not None for point in points)
    for mark in marks:
        x, y = map(float, re.findall(r"[\d.]+", mark.get("transform")))
        assert 0 <= x <= charts.TREND_WIDTH
        assert 0 <= y <= charts.TREND_HEIGHT


def test_the_line_is_of_the_same_config_alone():
    chart = parsed(charts.trend(pages.points(8), None))
    line = next(e for e in chart.iter("polyline"))
    assert len(line.get("points").split()) == 6
    assert len([e for e in chart.iter("path") if "other" in e.get("class", "")]) == 2


def test_the_run_and_its_baseline_have_rings():
    chart = parsed(charts.trend(pages.points(5), "night-2"))
    rings = {g.find("title").text.partition(",")[0]: g.find("circle").get("class") for g in chart.iter("g")
             if g.find("circle") is not None}  # fmt: skip
    assert rings == {"night-4": "ring", "night-2": "ring dashed"}


def test_higher_dice_is_higher():
    def heights(values):
        points = [charts.Point(str(v), pages.FINISHED, v, None, None, None, True, "m") for v in values]
        return [
            float(re.findall(r"[\d.]+", g.get("transform"))[1]) for g in parsed(charts.trend(points, None)).iter("g")
        ]

    low, middle, high = heights([0.5, 0.6, 0.7])
    assert low - middle == pytest.approx(middle - high, abs=0.2)
    assert low > high


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_a_scale_holds_its_values_in_three_to_nine_steps(low, span):
    first, last, step = charts._scale([low, low + span])
    assert first <= low + 1e-9
    assert last >= low + span - 1e-9
    assert 1 <= round((last - first) / step) <= 9


@given(st.lists(st.integers(0, 1000), max_size=50), st.one_of(st.none(), st.lists(st.integers(0, 1000), max_size=50)))
def test_every_histogram_is_svg_with_a_bar_for_each_bin_that_has_samples(now, before):
    chart = charts.histogram(now, before, 'of "<x>"')
    assert parsed(chart).get("aria-label") == 'of "<x>"'
    (bars,) = re.findall(r'class="bar now" d="([^"]*)"', str(chart))
    assert bars.count("M") == sum(count > 0 for count in now)


@given(st.tuples(*[DICE] * 6), st.one_of(st.none(), st.floats(-1, 1)), st.floats(0.001, 1))
def test_every_row_of_intervals_is_svg_inside_its_frame(values, difference, limit):
    dice = Compared(*values, difference, difference, difference)
    for chart in (charts.ranges(dice, 0.2, 0.9), charts.difference(dice, limit)):
        if chart:
            parsed(chart)
            assert all(-charts._RANGE_WIDTH <= x <= charts._RANGE_WIDTH for x in numbers(chart))


def test_a_fall_points_left_and_a_rise_right():
    def bar(difference):
        (start, length) = re.findall(r'class="bar \w+" d="M([\d.]+) [\d.]+h(-?[\d.]+)', str(
            charts.difference(Compared(0.5, None, None, 0.5, difference=difference), 1.0)))[0]  # fmt: skip
        return float(start), float(length)

    assert bar(-0.5) == (60.0, -27.5)
    assert bar(0.5) == (60.0, 27.5)


def test_nothing_to_show_is_nothing():
    assert charts.ranges(Compared(None, None, None), 0, 1) == ""
    assert charts.difference(Compared(0.5, None, None), 1) == ""


def test_every_verdict_has_its_own_shape_and_colour():
    marks = [str(charts.mark(verdict)) for verdict in (*EXIT_CODES, None)]
    assert len({re.search(' d="([^"]*)"', mark)[1] for mark in marks}) == len(marks)
    assert len({charts.style_of(verdict) for verdict in (*EXIT_CODES, None)}) == len(marks)
