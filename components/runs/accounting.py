"""The accounting of a run or an analysis: whether every record is there, and whether so many failures are allowed."""

from collections.abc import Iterable, Mapping
from typing import Any

from ...schemas.accounting import Committed, RunTotals
from ...schemas.errors import AccountingError
from ..statistics import tolerance
from . import shard_ranges

DONE, OVER_BUDGET, CUT_SHORT = "done", "over_failure_budget", "shard_cut_short"
NOTHING_SCORED, NOTHING_ANALYZED = "nothing_scored", "nothing_analyzed"


def status(totals: RunTotals, max_failed_fraction: float, *, nothing: str = NOTHING_SCORED) -> str:
    """How a finished run stands: failed records over the budget, or nothing scored at all, are no success.

    A shard that could not be read to its end has lost nobody knows how many records, so it is within no budget
    but that of 1, which accepts everything.
    """
    if tolerance.fraction_beyond(totals.failed, totals.records, max_failed_fraction):
        return OVER_BUDGET
    if totals.cut_short and max_failed_fraction < 1:
        return CUT_SHORT
    return DONE if totals.scored else nothing


def why_invalid(row: Mapping[str, Any], max_failed_fraction: float | None = None) -> str:
    """What keeps a finished run or analysis from being valid, by its `runs` or `datasets` row."""
    records = f"{row['records']:,} records"
    budget = "" if max_failed_fraction is None else f", max_failed_fraction is {max_failed_fraction}"
    return {
        NOTHING_SCORED: f"none of {records} was scored",
        NOTHING_ANALYZED: f"none of {records} could be analyzed",
        CUT_SHORT: "a shard could not be read to its end, and nobody knows how many records that lost",
    }.get(row["status"], f"{row['failed']:,} of {records} failed{budget}")


def check(totals: RunTotals, shards: int, *, found: str = "the sample files hold") -> None:
    """Hold that records = scored + failed, and that every shard that was found is there whole.

    Args:
        totals: of all units.
        shards: that were found when the run was planned.
        found: whose totals they are, in words.

    Raises:
        AccountingError: if it does not hold; the run is not marked as done.
    """
    if totals.seams:
        msg = (
            f"expected whole shards, but a range of bytes of one is missing, or there twice: {found} {totals}; "
            "`dicebeam summarize` says which of a run's"
        )
        raise AccountingError(msg)
    if totals.shards != shards or totals.records != totals.scored + totals.failed:
        msg = f"expected {shards} shards and records = scored + failed, but {found} {totals}"
        raise AccountingError(msg)


def add_totals(totals: Iterable[RunTotals]) -> RunTotals:
    """The accounting of all their units."""
    total = RunTotals()
    for part in totals:
        total = RunTotals(*(getattr(total, f) + getattr(part, f) for f in RunTotals.__dataclass_fields__))
    return total


def totals_of(committed: Committed) -> RunTotals:
    """The accounting of one unit. A shard counts where its first range does, and its ranges by how they meet."""
    first, seam = shard_ranges.begins(committed), shard_ranges.seam(committed)
    cut_short = int(committed.cut_short)
    return RunTotals(int(first), committed.records, committed.scored, committed.failed, cut_short, seam)
