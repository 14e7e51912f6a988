"""What the page says of the gate's verdict, and of the checks of the data, which have a block of their own."""

from typing import Any

from ...schemas import verdict as verdicts
from ...schemas.verdict import Headline
from ..verdict import verdict_words
from .report_data import ReportData

MAX_DRIFT = 100


def context(data: ReportData) -> dict[str, Any]:
    """The templates' values."""
    verdict = data.verdict
    return {
        "verdict": verdict,
        "verdict_word": verdict.verdict if verdict else "not gated",
        "run_id": data.past.run_id,
        "baseline_id": data.baseline.run_id if data.baseline else "",
        "row": data.past.row,
        "counts": verdict.counts if verdict else {},
        "check_counts": verdicts.counted(verdict.checks) if verdict else {},
        "improved": verdict_words.improvements(verdict) if verdict else 0,
        "reasons": [*_reasons(data), *data.notes],
        "headline": data.headline,
        "main": data.headline[0] if data.headline else Headline("", "", None, None, None, None, None),
        "rule_matters": data.rule_matters,
        "foreground": data.foreground[:20],
        "foreground_says": data.foreground_says,
        "drift": verdict_words.worst_first(verdict.drift)[:MAX_DRIFT] if verdict else [],
        "n_drift": len(verdict.drift) if verdict else 0,
        "drift_says": verdict.drift_says if verdict else None,
    }


def _reasons(data: ReportData) -> list[str]:
    """What the gate says of the run, without what the page says in its own words beside the headline."""
    reasons = data.verdict.reasons if data.verdict else ()
    return [reason for reason in reasons if not (data.rule_matters and "empty-mask rule" in reason)]
