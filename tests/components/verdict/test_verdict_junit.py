"""The JUnit file: read by a reader of such files, and held to the schemas of Surefire and Jenkins."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from dicebeam.components.verdict import verdict_junit
from dicebeam.components.wording.visible_text import visible
from tests.support import verdicts

# What both schemas allow: of each element its attributes (those in capitals are required) and its children in order.
ALLOWED = {
    "testsuite": ({"NAME", "TESTS", "ERRORS", "SKIPPED", "FAILURES", "time"}, ["properties", "testcase"]),
    "properties": (set(), ["property"]),
    "property": ({"NAME", "VALUE"}, []),
    "testcase": ({"NAME", "TIME", "classname"}, ["failure", "skipped", "error", "system-out"]),
    "failure": ({"TYPE", "message"}, []),
    "error": ({"TYPE", "message"}, []),
    "skipped": ({"message"}, []),
    "system-out": (set(), []),
}


def check_schema(element):
    attributes, children = ALLOWED[element.tag]
    required = {name.lower() for name in attributes if name.isupper()}
    assert required <= set(element.keys()) <= {name.lower() for name in attributes}
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places)
    if children and element.text:
        assert not element.text.strip()
    for child in element:
        check_schema(child)


def parsed(verdict):
    text = verdict_junit.text(verdict)
    root = ET.fromstring(text.encode())  # noqa: S314 - our own
    check_schema(root)
    assert re.fullmatch(r"[0-9]{0,3}(\.[0-9]{0,3})?", root.get("time"))
    return next(iter(JUnitXml.fromstring(text.encode())))


def cases(verdict):
    return {case.name: case for case in parsed(verdict)}


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("PASS", None), ("SKIPPED", Skipped), ("REGRESSED", Failure), ("OUT_OF_BOUNDS", Failure),
        ("INCONCLUSIVE", Failure), ("INVALID", Error), ("NO_BASELINE", Error),
    ],
)  # fmt: skip
def test_every_verdict_has_its_outcome(verdict, kind):
    case = cases(verdicts.verdict(verdicts.check(verdict), verdicts.check("PASS", slice="site=A")))[
        "car / all / max_drop 0.01"
    ]
    assert [type(found) for found in case.result] == ([kind] if kind else [])
    if kind:
        assert case.result[0].message == f"this is {verdict}"
        assert case.result[0].type == (None if kind is Skipped else verdict)


def test_the_suite_counts_what_is_in_it():
    suite = parsed(verdicts.one_of_each())
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (8, 3, 3, 1)  # the run itself is one


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({}, "0.0120"),
        ({"minimum_detectable_drop": None}, "none, however large, at this number of samples"),
        ({"minimum_detectable_drop": None, "low": None, "high": None}, "-"),
    ],
)
def test_failures_say_what_would_have_been_found(more, shown):
    (case,) = parsed(verdicts.verdict(verdicts.check("REGRESSED", **more)))
    assert f"minimum detectable change: {shown}" in case.result[0].text.splitlines()


def test_failures_say_what_was_measured():
    case = next(iter(parsed(verdicts.verdict(verdicts.check("REGRESSED")))))
    assert case.classname == "dicebeam.gate.dice_mean"
    for line in ("value: 0.8000", "difference: -0.0500", "95 % interval: -0.0600 to -0.0400", "pairs: 1,234"):
        assert line in case.result[0].text.splitlines()


def test_properties():
    found = {each.name: each.value for each in parsed(verdicts.one_of_each()).properties()}
    assert found["run_id"] == "n20261124"
    assert found["baseline_run_id"] == "n20261123"
    assert found["baseline_model"] == "models/2026-11-23"
    assert found["checks.REGRESSED"] == "1"
    assert found["exit_code"] == "5"
    assert found["foreground_dice_mean.absent_counts_as_1"] == "0.8000"


@pytest.mark.parametrize("verdict", ["INVALID", "NO_BASELINE"])
def test_a_run_with_reasons_and_no_checks_is_an_error(verdict):
    suite = parsed(verdicts.verdict(verdict=verdict, reasons=("because", "and also")))
    (case,) = suite
    assert suite.errors == 1
    assert (case.result[0].type, case.result[0].message) == (verdict, "because")
    assert case.result[0].text.strip() == "because\nand also"


def test_a_suite_without_checks_and_reasons_is_not_green():
    suite = parsed(verdicts.verdict())
    assert (suite.tests, suite.errors) == (1, 1)


def test_a_verdict_that_no_check_has_is_not_green():
    suite = parsed(verdicts.verdict(verdicts.check(), verdict="REGRESSED"))
    assert suite.failures == 1
    assert cases(verdicts.verdict(verdicts.check(), verdict="REGRESSED"))["the run"].result


def test_reasons_of_a_run_that_passed_are_notes():
    suite = parsed(verdicts.verdict(verdicts.check(), reasons=("a slice is new",)))
    assert (suite.tests, suite.failures, suite.errors) == (2, 0, 0)
    assert (
        cases(verdicts.verdict(verdicts.check(), reasons=("a slice is new",)))["the run"].system_out == "a slice is new"
    )


@pytest.mark.parametrize("text", verdicts.HOSTILE)
def test_hostile_text_comes_back_as_it_is_shown(text):
    suite = parsed(verdicts.hostile(text))
    messages = {case.result[0].message for case in suite if case.result}
    assert messages == {visible(text)}
    assert {each.name: each.value for each in suite.properties()}["baseline_kind"] == visible(text)


@given(st.text(st.characters(), max_size=20))
def test_any_text_makes_a_document(text):
    assert parsed(verdicts.hostile(text)).tests == 5


def test_a_metric_of_the_run_has_no_class():
    line = verdicts.check(
        metric="samples_per_second", class_id=None, class_name=None, limit_name="min", threshold=100.0
    )
    assert list(cases(verdicts.verdict(line))) == ["all / min 100"]


def test_long_text_is_cut():
    assert len(verdict_junit.text(verdicts.hostile("x" * 1_000_000))) < 30_000


def test_data_that_drifted_are_failures_that_say_what_they_mean():
    suite = parsed(
        verdicts.drifted(verdicts.check(), drift=[verdicts.moved(), verdicts.moved("PASS", class_name="car")])
    )
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (3, 1, 0, 0)
    _, drifted, steady = suite
    assert (drifted.classname, drifted.name) == ("dicebeam.drift.channel_mean", "channel 2 / all / max_change 0.02")
    assert (drifted.result[0].type, drifted.result[0].message) == ("DRIFTED", "the data are DRIFTED")
    assert drifted.result[0].text.splitlines()[:2] == ["the data changed, not the model", "value: 0.00123"]
    assert steady.name == "car / all / max_change 0.02"
    assert not steady.result
    found = {each.name: each.value for each in suite.properties()}
    assert (found["drift"], found["verdict"], found["exit_code"]) == ("the data changed, not the model", "DRIFTED", "5")


@pytest.mark.parametrize("verdict", ["DRIFTED", "INVALID", "NO_BASELINE"])
def test_data_that_only_warn_fail_nothing_and_are_not_silent(verdict):
    suite = parsed(verdicts.drifted(verdicts.check(), drift=[verdicts.moved(verdict, decides=False)]))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (2, 0, 0, 1)
    assert list(suite)[1].result[0].message == f"{verdict}, which only warns: the data are {verdict}"
