"""Claims of run ids: which date an id stands under is settled once, before anything else of the run is written.

`<output>/runs/_claims/<run_id>.json` is created if it is not there, so that of two processes that begin an id on both
sides of midnight UTC one decides and the other follows. No reader of tables matches it.
"""

import json
import uuid
from contextlib import suppress
from datetime import UTC, datetime

from ...schemas.errors import TablesError
from ..storage import exclusive_files, filesystems, json_seals
from . import analysis_files, run_files

_DATE = "eval_date"


def path(output: str, run_id: str) -> str:
    """Where the claim of a run id is."""
    return f"{output.rstrip('/')}/runs/_claims/{run_id}.json"


def claim(output: str, run_id: str, now: datetime, table: str) -> str:
    """The date that a run id stands under from now on: that of its files or its claim, else today's, UTC.

    Args:
        output: folder of the tables.
        run_id: of a run or an analysis; both of one id have one date.
        now: with a time zone.
        table: that is to be written first. It is seen before the claim whether that can be.

    Raises:
        TablesError: if the id stands under several dates, or under another one than was claimed.
        StorageError: if the output cannot be written.
    """
    standing = run_files.find_eval_date(output, run_id) or _date_of_analysis(output, run_id)
    claimed = read(output, run_id)
    while claimed is None:
        date = standing or f"{now.astimezone(UTC):%Y-%m-%d}"
        filesystems.check_writable(f"{output.rstrip('/')}/{table}/eval_date={date}")
        claimed = date if _create(output, run_id, date) else read(output, run_id)
    if standing not in (None, claimed):
        msg = (
            f"run {run_id!r} was claimed for {claimed} in {path(output, run_id)}, but its files are under {standing}: "
            "delete the claim if they are right, else delete them; or use another --run-id"
        )
        raise TablesError(msg)
    return claimed


def claim_new(output: str, now: datetime, table: str) -> tuple[str, str]:
    """A run id that nobody has claimed before, and its date."""
    date = f"{now.astimezone(UTC):%Y-%m-%d}"
    filesystems.check_writable(f"{output.rstrip('/')}/{table}/eval_date={date}")
    while True:
        run_id = run_files.new_run_id(now)
        if _create(output, run_id, date):
            return run_id, date


def read(output: str, run_id: str) -> str | None:
    """The date that an id was claimed for, None if it was not.

    Raises:
        TablesError: if the claim is damaged.
    """
    where = path(output, run_id)
    try:
        with filesystems.reading(where) as file:
            data = file.read()
    except FileNotFoundError:
        return None
    with suppress(ValueError, TypeError, KeyError):
        found = json.loads(json_seals.checked(data))
        if found["run_id"] == run_id:
            return datetime.strptime(found[_DATE], "%Y-%m-%d").strftime("%Y-%m-%d")
    msg = f"expected the date of run {run_id!r} in {where}, but it is damaged; delete it if nothing of the run is there"
    raise TablesError(msg)


def _create(output: str, run_id: str, date: str) -> bool:
    """Claim an id; the key is this attempt's alone, so that of two that draw one id one wins."""
    claim = {"run_id": run_id, _DATE: date, "key": uuid.uuid4().hex}
    return exclusive_files.create(path(output, run_id), json_seals.sealed(json.dumps(claim)))


def _date_of_analysis(output: str, run_id: str) -> str | None:
    analysis = analysis_files.find(output, run_id)
    return None if analysis is None else analysis.eval_date
