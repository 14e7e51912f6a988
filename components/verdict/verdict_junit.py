"""The verdict as JUnit XML, as Jenkins, GitLab and other CI services read it.

One `testsuite`, which both Surefire's and Jenkins's schema take as the root; one test case for each check. A run
without a verdict that a check explains has a test case of its own, so that no suite is green by being empty.
"""

from xml.etree import ElementTree as ET

from ...schemas.verdict import EXIT_CODES, INVALID, NO_BASELINE, PASS, SKIPPED, CheckVerdict, GateVerdict
from ..wording import numbers
from ..wording.visible_text import LONGEST_NAME, visible
from . import verdict_words as words

_ELEMENTS = {SKIPPED: "skipped", INVALID: "error", NO_BASELINE: "error"}
"""Any other verdict but PASS is a failure."""
_TIME = "0"
"""Required by Surefire's schema; a check takes no time."""


def text(verdict: GateVerdict) -> str:
    """The XML document."""
    cases = [
        *_run_case(verdict),
        *(_case(check) for check in words.worst_first(verdict.checks)),
        *(_case(check, "drift", verdict.drift_says) for check in words.worst_first(verdict.drift)),
    ]
    outcomes = [child.tag for case in cases for child in case]
    suite = ET.Element(
        "testsuite",
        name="dicebeam gate",
        time=_TIME,
        tests=str(len(cases)),
        errors=str(outcomes.count("error")),
        skipped=str(outcomes.count("skipped")),
        failures=str(outcomes.count("failure")),
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(verdict).items():
        ET.SubElement(properties, "property", name=name, value=visible(value))
    suite.extend(cases)
    ET.indent(suite, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _properties(verdict: GateVerdict) -> dict[str, str]:
    counts = {f"checks.{name}": str(count) for name, count in verdict.counts.items()}
    headline = {f"foreground_dice_mean.{line.rule}": numbers.metric(line.value) for line in verdict.headline}
    return {
        "verdict": verdict.verdict,
        "exit_code": str(verdict.exit_code),
        "run_id": verdict.run_id,
        "eval_date": verdict.eval_date,
        "baseline_kind": verdict.baseline_kind,
        "baseline_run_id": verdict.baseline_run_id or "",
        "decided": verdict.decided.isoformat(),
        "status": verdict.status,
        "model": verdict.model or "",
        "baseline_model": verdict.baseline_model or "",
        "records": str(verdict.records),
        "scored": str(verdict.scored),
        "failed": str(verdict.failed),
        "compared": words.compared(verdict) or "",
        "drift": verdict.drift_says or "",
        "foreground": verdict.foreground_says or ", ".join(verdict.foreground),
        **counts,
        **headline,
    }


def _run_case(verdict: GateVerdict) -> list[ET.Element]:
    """The run's own test case; none where the checks say everything."""
    at_fault = verdict.verdict in (INVALID, NO_BASELINE) or verdict.verdict not in verdict.counts
    own = verdict.verdict if at_fault else PASS
    if own == PASS and not verdict.reasons:
        return []
    reasons = [visible(reason) for reason in verdict.reasons]
    message = reasons[0] if reasons else f"the run is {own}, and no check says why"
    case = ET.Element("testcase", classname="dicebeam.gate", name="the run", time=_TIME)
    if own == PASS:
        ET.SubElement(case, "system-out").text = "\n".join(reasons)
    else:
        _outcome(case, own, message, "\n".join(reasons))
    return [case]


def _case(check: CheckVerdict, suite: str = "gate", says: str | None = None) -> ET.Element:
    """The test case of a check; `says` is what those of the data mean together, for those who look at one alone."""
    place = (visible(part, LONGEST_NAME) for part in (words.class_of(check), check.slice) if part)
    name = " / ".join((*place, words.limit(check)))
    case = ET.Element(
        "testcase", classname=f"dicebeam.{suite}.{visible(check.metric, LONGEST_NAME)}", name=name, time=_TIME
    )
    message, figures = visible(check.message), _figures(check)
    if check.verdict == PASS:
        ET.SubElement(case, "system-out").text = f"{message}\n{figures}"
    elif words.warns(check):  # no failure, for it decides nothing; what passes is not shown
        _outcome(case, SKIPPED, f"{check.verdict}, which only warns: {message}", figures)
    else:
        _outcome(case, check.verdict, message, "\n".join([visible(says), figures] if says else [figures]))
    return case


def _outcome(case: ET.Element, verdict: str, message: str, body: str) -> None:
    tag = _ELEMENTS.get(verdict, "failure")
    element = ET.SubElement(case, tag, message=message)
    if tag != "skipped":  # Surefire's schema knows no type of a skipped test
        element.set("type", verdict if verdict in EXIT_CODES else INVALID)
    element.text = body


def _figures(check: CheckVerdict) -> str:
    value, baseline, difference = words.figures(check)
    figures = {
        "value": value,
        "baseline": baseline,
        "difference": difference,
        "95 % interval": words.interval(check),
        "p value": "-" if check.p_value is None else f"{check.p_value:.3g}",
        "pairs": "-" if check.n_pairs is None else f"{check.n_pairs:,}",
        "minimum detectable change": words.detectable(check),
        "improved": "yes" if check.improved else "no",
    }
    return "\n".join(f"{name}: {value}" for name, value in figures.items())
