"""What a file of the tables is, by its path, and what to do where it is damaged."""

import re
from typing import NamedTuple

from . import datasets

_PLACE = re.compile(r"(?P<output>.*)/(?P<table>[^/]+)/(?P<date>eval_date=[^/]*)/run_id=(?P<run_id>[^/]*)/[^/]+")
_DECIDED = {"gate", "verdicts"}


class Known(NamedTuple):
    """The table of a file and its run, or its analysis; `repair` is what to do where the file is damaged."""

    what: str
    table: str | None
    run_id: str | None
    repair: str


def known(path: str) -> Known:
    """What is known of a file by its path; `a file` of no run where that is none of a table."""
    place = _PLACE.fullmatch(path)
    if place is None:
        return Known("a file", None, None, "write it again")
    table, run_id = place["table"], place["run_id"]
    what = f"the row of run {run_id!r}" if table == "runs" else f"`{table}` of run {run_id!r}"
    return Known(what, table, run_id, _repair(place["output"], table, place["date"], run_id))


def _repair(output: str, table: str, date: str, run_id: str) -> str:
    again = f"evaluate again with --run-id {run_id}: only its shards are scored"
    if table == "samples":
        return f"delete it, and {again}"
    if table == "failures":
        return f"delete it and the file of its shard in {output}/samples/{date}/run_id={run_id}, and {again}"
    if table in _DECIDED:
        return f"to write it anew: dicebeam gate CONFIG.yaml --run-id {run_id}"
    if table == "blessings":
        return "delete it: the log beside it has the decision, and alone decides"
    if table in datasets.FIXED:
        row = f"{output}/datasets/{date}/run_id={run_id}"
        return f"delete {row}, and analyze again: dicebeam analyze CONFIG.yaml --run-id {run_id}"
    return f"to write it anew: dicebeam summarize CONFIG.yaml --run-id {run_id}"


def damaged(path: str, why: str) -> str:
    """What is said of a damaged file: what was expected where, why it is not that, and what to do."""
    of = known(path)
    return f"expected {of.what} in {path}, but it is damaged: {why}; {of.repair}"


def foreign(path: str, run_id: str | None, table: str | None) -> str:
    """What is said of a file that another run has written, or nobody knows which, or that is of another table."""
    of = known(path)
    if run_id is None:
        found = "but it is of no run: its metadata names none"
    elif table in (None, of.table):
        found = f"but it is that of run {run_id!r}"
    else:
        found = f"but it is of `{table}` of run {run_id!r}"
    return f"expected {of.what} in {path}, {found}; {of.repair}"


def lost(folder: str) -> str:
    """What is said of a table of a finished run, or of an analysis, that has no file in its folder."""
    of = known(f"{folder}/x")
    return f"expected {of.what} in {folder}, but there is no file; {of.repair}"


def more(path: str, expected: str) -> str:
    """What is said of a file beside the only one that its table has of a run."""
    return f"expected {known(path).what} in {expected} alone, but there is {path} as well; delete that"
