"""Verdicts that the tests of every output are made with, and text that no output may take for anything but text."""

import dataclasses
from datetime import UTC, datetime

from dicebeam.schemas.verdict import RULES, CheckVerdict, GateVerdict, Headline, worst

HOSTILE = (
    "a|b", "a\\|b", "a\\", "`x`", "a``b", "<script>alert(1)</script>", "</details>", "<!--", "[x](http://e.vil)",
    "![x](http://e.vil/p.png)", "http://e.vil", "https://e.vil/a?b=1&c", "www.e.vil", "joe@e.vil", "@joe", "#12",
    ":car:", "**b**", "_a_", "~~s~~", "&amp;", "&#64;joe", "1. x", "- x", "# x", "> x", "a\nb", "a\r\n\n# b", "a\tb",
    "\x00", "\x0b", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202eabc", "\ud800", "\ufffe", "]]>", "'\"", "$x^2$", " a ",
    "", "---", "---|---", "\U0001f469\u200d\U0001f680", "e\u0301\u00a0x", "javascript:alert(1)", "mailto:a@b.co",
    "ftp://e.vil", "<http://e.vil>", "[x]: http://e.vil", "[^1]", "<b", "{{x}}", "${{ secrets.X }}", "::error::x",
    "[red]x[/]",
)  # fmt: skip


def check(verdict="PASS", **more):
    given = {
        "metric": "dice_mean", "slice": "all", "class_id": 1, "class_name": "car", "limit_name": "max_drop",
        "threshold": 0.01, "verdict": verdict, "message": f"this is {verdict}", "value": 0.8, "baseline": 0.85,
        "difference": -0.05, "low": -0.06, "high": -0.04, "p_value": 0.001, "n_pairs": 1234,
        "minimum_detectable_drop": 0.012,
    }  # fmt: skip
    return CheckVerdict(**{**given, **more})


def moved(verdict="DRIFTED", **more):
    """A check of the data: of a channel, or with a class's name of a class."""
    of_class = "class_name" in more
    given = {
        "metric": "class_pixels" if of_class else "channel_mean", "slice": "all", "class_id": 1 if of_class else None,
        "class_name": None, "limit_name": "max_change", "threshold": 0.02, "verdict": verdict,
        "message": f"the data are {verdict}", "value": 0.00123, "baseline": 0.00234, "difference": -0.00111,
        "channel": None if of_class else 2,
    }  # fmt: skip
    return CheckVerdict(**{**given, **more})


def drifted(*checks, drift=None, says="the data changed, not the model", **more):
    """A verdict of a run whose data drifted."""
    rows = (moved(),) if drift is None else drift
    decides = worst([each.verdict for each in (*checks, *rows) if each.decides])
    return verdict(*checks, **{"drift": tuple(rows), "drift_says": says, "verdict": decides, **more})


def verdict(*checks, **more):
    given = {
        "verdict": worst(each.verdict for each in checks), "run_id": "n20261124", "eval_date": "2026-11-24",
        "baseline_kind": "blessed", "baseline_run_id": "n20261123",
        "decided": datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC), "status": "valid",
        "model": "models/2026-11-24", "baseline_model": "models/2026-11-23",
        "records": 1000, "scored": 999, "failed": 1, "checks": checks,
        "headline": tuple(Headline(rule, "PASS", 0.8, 0.79, 0.01, 0.002, 0.018) for rule in RULES),
    }  # fmt: skip
    return GateVerdict(**{**given, **more})


def one_of_each():
    return verdict(*(check(each) for each in ALL))


ALL = ("PASS", "SKIPPED", "INCONCLUSIVE", "NO_BASELINE", "OUT_OF_BOUNDS", "REGRESSED", "INVALID")


def hostile(text):
    """A verdict that has the text in every place where text from data can be."""
    line = check("REGRESSED", class_name=text, slice=text, message=text)
    data = moved(class_name=text, message=text)
    return verdict(
        line, dataclasses.replace(line, verdict="PASS"), reasons=(text, text), baseline_kind=text, model=text or "m",
        baseline_model=text or "m", drift=(data, dataclasses.replace(data, verdict="PASS")), drift_says=text,
        foreground=(text,), foreground_says=f"foreground: {text}",
    )  # fmt: skip
