"""The files of a verdict: the `verdicts` table, JSON, JUnit XML, Markdown, and the blessing, which comes last."""

from dataclasses import asdict

import pyarrow as pa

from ...schemas import tables
from ...schemas.decision import GATE
from ...schemas.errors import DamagedError
from ...schemas.verdict import PASS, GateVerdict
from ..runs import run_files
from ..runs.run_files import Run
from ..storage import filesystems, json_seals
from ..wording import visible_text
from . import blessing, verdict_junit, verdict_markdown

JSON, JUNIT, MARKDOWN, PAGE = "verdict.json", "junit.xml", "summary.md", "report.html"
TABLE_FILE = "part-0.parquet"


def write(run: Run, verdict: GateVerdict) -> dict[str, str]:
    """Write every file of a run's verdict, over earlier ones; returns what -> path.

    The page of an earlier verdict is removed first: it would show another verdict than the files beside it.

    A run that does not pass is not blessed any more, unless a person has blessed it: that holds against any verdict
    but INVALID, so that judging the same run again undoes nobody's decision. A blessing is withdrawn before anything
    is written, and given when everything is.

    Raises:
        StorageError: if something cannot be written; the run is not blessed by this verdict then.
        TablesError: if the log of blessings is damaged.
    """
    passed = verdict.verdict == PASS
    blessing.delete(run, blessing.BLESSED)
    last = None if passed else blessing.hold(run, verdict.verdict, verdict.decided)
    blessing.delete(run, PAGE)
    written = {
        "verdicts": run_files.write_table(table(verdict), run, "verdicts", TABLE_FILE),
        "junit": blessing.write_file(run, JUNIT, verdict_junit.text(verdict).encode()),
        "summary": blessing.write_file(run, MARKDOWN, verdict_markdown.text(verdict).encode()),
        "verdict": blessing.write_file(run, JSON, json_seals.sealed(verdict.to_json())),
    }
    mark = blessing.grant(run, GATE, verdict.decided, PASS) if passed else blessing.mark(run, last)
    return {**written, "blessing": mark}


def earlier_page(run: Run) -> str | None:
    """The page of a run's earlier verdict, which `write` removes; None where there is none."""
    path = blessing.path(run, PAGE)
    return path if filesystems.exists(path) else None


def table(verdict: GateVerdict) -> pa.Table:
    """The rows of `verdicts`, one for each check, those of the data after the others."""
    of_the_run = {
        "run_verdict": verdict.verdict,
        "baseline_run_id": verdict.baseline_run_id,
        "decided": verdict.decided,
    }
    rows = [{**_storable(asdict(check)), **of_the_run} for check in (*verdict.checks, *verdict.drift)]
    return pa.Table.from_pylist(rows, schema=tables.VERDICTS)


def _storable(values: dict[str, object]) -> dict[str, object]:
    """Names of files that are not UTF-8 as Parquet can hold them."""
    return {name: visible_text.storable(value) if isinstance(value, str) else value for name, value in values.items()}


def read(run: Run) -> GateVerdict | None:
    """The verdict of a run, None if it has not been gated.

    Raises:
        DamagedError: if the file is no verdict, or not as it was written.
    """
    path = blessing.path(run, JSON)
    if not filesystems.exists(path):
        return None
    with filesystems.reading(path) as file:
        data = file.read()
    try:
        return GateVerdict.from_json(json_seals.checked(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"expected a verdict in {path}, but got {type(error).__name__}: {error}; gate the run again"
        raise DamagedError(msg) from error
