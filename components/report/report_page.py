"""One HTML file of a run: no network, no other file, and nothing in it is taken for markup or script.

Every text comes from data, so every text is escaped: by the templates, and in the JSON beside them. A content
security policy allows pictures in the file and the style sheet and script below by their hashes, and nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from ..verdict import verdict_words
from ..wording import numbers, visible_text
from . import charts, page_filters, page_verdict
from .gallery import Card
from .page_filters import Places
from .report_data import Histogram, ReportData

MAX_BYTES = 5_000_000
"""What a page is below, whatever the run: every part of it is bounded."""
MAX_CHECKS = 200
LONGEST_NAME, LONGEST_MESSAGE, LONGEST_CHIP, LONGEST_CONFIG = 100, 500, 50, 20_000

_STATES = {"present": "present", "missed": "missed", "false_alarm": "false alarm", "absent": "absent"}


def render(data: ReportData, worst: Sequence[Card], falls: Sequence[Card], notes: Sequence[str] = ()) -> str:
    """The page.

    Args:
        data: of the run.
        worst: cards of the worst samples.
        falls: cards of those that fell most; left out where there is no baseline.
        notes: what is to be said of the galleries.
    """
    gated = data.baseline is not None
    places = page_filters.places(data, [*falls, *worst])
    style, script = Markup(_text("report.css")), Markup(_text("report.js"))  # noqa: S704 - files of this package
    json_data = {"slices": [_visible(name, LONGEST_NAME) for name in places.slices], "cards": places.cards}
    context = {
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "json": htmlsafe_json_dumps(json_data, dumps=_dumps),
        "sections": _sections(data, gated=gated),
        "gated": gated,
        "gallery_notes": notes,
        **page_verdict.context(data),
        **_tables(data, places),
        **_galleries(worst, falls, places),
        **_accounting(data),
    }
    return _environment(_scale(data)).get_template("page.html.j2").render(context)


def _sections(data: ReportData, *, gated: bool) -> list[tuple[str, str]]:
    checks = [("checks", "Checks")] if data.verdict else []
    checks += [("data-drift", "Data")] if data.verdict and data.verdict.drift else []
    falls = [("falls", "Regressions")] if gated else []
    tables = [("classes", "Classes"), ("distributions", "Distributions"), ("trend", "Trend"), ("slices", "Slices")]
    return [*checks, *tables, *falls, ("worst", "Worst"), ("failures", "Failures"), ("accounting", "Accounting")]


def _tables(data: ReportData, places: Places) -> dict[str, Any]:
    checks = verdict_words.worst_first(data.verdict.checks)[:MAX_CHECKS] if data.verdict else []
    return {
        "classes": places.classes,
        "slices": places.slices,
        "checks": [(check, places.of_check(check)) for check in checks],
        "n_checks": len(data.verdict.checks) if data.verdict else 0,
        "lines": [(line, {"class": places.of_class(line.name), "slice": places.of(line.slice)}) for line in data.lines],
        "classes_shown": len({line.name for line in data.lines}),
        "n_classes": data.n_lines,
        "histograms": [(histogram, places.of_class(histogram.class_name)) for histogram in data.histograms],
        "n_histograms": data.n_histograms,
        "trend": data.trend,
        "trend_chart": charts.trend(data.trend, data.baseline.run_id if data.baseline else None),
        "trend_verdicts": list(dict.fromkeys(point.verdict for point in data.trend if point.comparable)),
        "others": any(not point.comparable for point in data.trend),
        "slice_lines": [(line, places.of(line.slice)) for line in data.slices],
        "n_slices": data.n_slices,
        "failures": data.failures,
    }


def _galleries(worst: Sequence[Card], falls: Sequence[Card], places: Places) -> dict[str, Any]:
    entries = [
        {"card": card, "index": index, "class": places.of_class(card.shown.focus.name), "also": card.shown.also}
        for index, card in enumerate([*falls, *worst])
    ]
    return {"falls": entries[: len(falls)], "worst": entries[len(falls) :]}


def _accounting(data: ReportData) -> dict[str, Any]:
    row, verdict, baseline = data.past.row, data.verdict, data.baseline
    facts = [
        ("Records", f"{_count(row['records'])} = {_count(row['scored'])} scored + {_count(row['failed'])} failed"),
        ("Shards", _count(row["shards"])),
        ("Status", row["status"]),
        ("Samples that share an id", _count(row["duplicate_ids"])),
        ("Run", data.past.run_id),
        ("Model", row["model"]),
        ("Model fingerprint", row["model_fingerprint"]),
        ("Transform", row.get("transform")),
        ("Transform fingerprint", row.get("transform_fingerprint")),
        ("Config fingerprint", row["config_fingerprint"]),
        ("Digest of the rows", row["digest"]),
        ("Finished", _time(row["finished"])),
        ("Seconds, samples a second", f"{_number(row['seconds'])}, {_number(row['samples_per_second'])}"),
        ("Runner", row["runner"]),
        ("Versions", _versions(row["versions"])),
    ]
    if baseline is not None:
        facts += [("Baseline", baseline.run_id), ("Baseline's model", baseline.row["model"])]
    if verdict is not None:
        compared = verdict_words.compared(verdict) or "the same in both runs"
        facts += [("Samples compared", compared), ("Decided", _time(verdict.decided))]
    config = json.dumps(_parsed(row["config"]), indent=1, ensure_ascii=False)
    return {"facts": [(key, value or "\N{EN DASH}") for key, value in facts], "config": _config(config)}


def _config(text: str) -> str:
    shown = "\n".join(_visible(line, LONGEST_CONFIG) for line in text[:LONGEST_CONFIG].split("\n"))
    return shown if len(text) <= LONGEST_CONFIG else f"{shown}\n... ({len(text):,} characters)"


def _parsed(text: str | None) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _versions(text: str | None) -> str:
    found = _parsed(text)
    return ", ".join(f"{key} {value}" for key, value in found.items()) if isinstance(found, dict) else ""


@cache
def _text(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _dumps(value: object, **_: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _scale(data: ReportData) -> tuple[float, float, float]:
    """Limits of the interval charts, and of the difference charts."""
    every = [*(line.dice for line in data.lines), *(line.dice for line in data.slices)]
    ends = [v for d in every for v in (d.value, d.low, d.high, d.baseline, d.baseline_low, d.baseline_high)]
    values = [value for value in ends if value is not None]
    moves = [abs(v) for d in every for v in (d.difference, d.paired_low, d.paired_high) if v is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return low, high, max(moves, default=1.0)


def _environment(scale: tuple[float, float, float]) -> jinja2.Environment:
    low, high, limit = scale
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "name": lambda text: _visible(text, LONGEST_NAME),
        "short": lambda text: _visible(text, LONGEST_CHIP),
        "message": lambda text: _visible(text, LONGEST_MESSAGE),
        "number": _number,
        "signed": lambda value: _typeset(numbers.signed(value)),
        "count": _count,
        "time": _time,
        "limit": verdict_words.limit,
        "figures": lambda check: [_typeset(each) for each in verdict_words.figures(check)],
        "warns": verdict_words.warns,
        "class_of": verdict_words.class_of,
        "rule": verdict_words.rule,
        "state": lambda state: _STATES.get(state, state),
        "css": charts.style_of,
        "mark": charts.mark,
        "ranges": lambda dice: charts.ranges(dice, low, high),
        "bar": lambda dice: charts.difference(dice, limit),
        "bars": _bars,
    }
    return environment


def _visible(text: object, longest: int) -> str:
    """As it can be seen, and not much longer where much of it is written as escapes."""
    shown = visible_text.visible(str(text), longest)
    return shown if len(shown) <= 2 * longest else f"{shown[: 2 * longest]}..."


def _bars(histogram: Histogram) -> Markup:
    label = f"Distribution of Dice of {_visible(histogram.class_name, LONGEST_NAME)}"
    return charts.histogram(histogram.now, histogram.before, label)


def _number(value: float | None) -> str:
    return _typeset(numbers.metric(value))


def _typeset(text: str) -> str:
    return "\N{EN DASH}" if text == numbers.NO_VALUE else text.replace("-", "\N{MINUS SIGN}")


def _count(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:,}"


def _time(value: datetime | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:%Y-%m-%d %H:%M} UTC"
