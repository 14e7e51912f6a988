"""The log of decisions: which run may be a baseline, in the order in which that was decided.

`<output>/blessings/_log/00000017.json` is the 17th decision. It is created if it is not there, so no two writers have
one number, and nothing is lost. The number is the order; times are only said. The rows of the table `blessings` are
copies for SQL: the log alone decides, and whoever appends writes the copy that the writer before may have left out.

Every `CHECKPOINT`-th entry says how all runs stood before it, so that nobody reads more than that many entries.
"""

import getpass
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pyarrow as pa

from ...schemas import tables
from ...schemas.decision import By, Decision, Entry, Standing
from ...schemas.errors import TablesError
from ..runs import run_files
from ..runs.run_files import Place
from ..storage import exclusive_files, filesystems, json_seals
from ..wording import visible_text

TABLE = "blessings"
CHECKPOINT = 64
_READERS = 16
_NAME = re.compile(r"(\d{8,})\.json")


@dataclass(frozen=True, slots=True)
class Log:
    """The entries that are there: from `first` to `last` without a gap; both are 0 where there are none."""

    output: str
    first: int = 0
    last: int = 0

    @property
    def folder(self) -> str:
        """Where they are."""
        return f"{self.output.rstrip('/')}/{TABLE}/_log"

    def path(self, sequence: int) -> str:
        """Where an entry is."""
        return f"{self.folder}/{sequence:08}.json"


def find(output: str) -> Log:
    """The log of an output folder, by a listing of its copies and one of its entries.

    Raises:
        TablesError: if an entry between two others, or the last one, is gone: an older decision is no replacement.
    """
    log, copied = Log(output), _last_copied(output)  # a copy is written after its entry, so it is looked for before
    names = (file.path.rpartition("/")[2] for file in filesystems.below(log.folder, "*.json"))
    there = {int(match[1]) for match in map(_NAME.fullmatch, names) if match}
    if not there:
        return log
    first, last = min(there), max(there)
    for sequence in range(first, last):  # one may have been created while they were listed
        if sequence not in there and not filesystems.exists(log.path(sequence)):
            raise TablesError(_damaged(log, sequence, "it is gone"))
    if last < copied:
        raise TablesError(_damaged(log, copied, "it is gone, though the table has its row"))
    return Log(output, first, last)


def read(log: Log, sequence: int) -> Entry:
    """An entry.

    Raises:
        TablesError: if it is damaged or gone; names the file.
    """
    path = log.path(sequence)
    try:
        with filesystems.reading(path) as file:
            entry = Entry.from_json(json_seals.checked(file.read()))
    except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
        raise TablesError(_damaged(log, sequence, f"{type(error).__name__}: {error}")) from error
    if entry.decision.sequence != sequence:
        raise TablesError(_damaged(log, sequence, f"it says that it is number {entry.decision.sequence}"))
    return entry


def _damaged(log: Log, sequence: int, what: str) -> str:
    return (
        f"expected decision {sequence} of the log of blessings in {log.path(sequence)}, but {what}. Restore the file "
        "from a backup. Without one, delete it and every file before it in that folder, and bless the run that is to "
        "be the baseline by hand: dicebeam gate CONFIG.yaml --bless RUN_ID"
    )


def standings(log: Log) -> Iterator[Standing]:
    """The last decision on each run, the run that was decided last first; no further back than it is asked for.

    Raises:
        TablesError: if an entry that is needed is damaged.
    """
    seen: set[str] = set()
    for each in _decided(log):
        if each.run_id not in seen:
            seen.add(each.run_id)
            yield each


def _decided(log: Log) -> Iterator[Standing]:
    """Every decision, the last first, back to an entry that says how all runs stood before it."""
    numbers = range(log.last, max(log.first, 1) - 1, -1)
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(numbers), _READERS):
            for entry in pool.map(lambda sequence: read(log, sequence), numbers[start : start + _READERS]):
                yield entry.decision.standing
                if entry.before is not None:
                    yield from entry.before
                    return


def standing_of(log: Log, run_id: str) -> Standing | None:
    """The last decision on a run, None where there is none."""
    return next((each for each in standings(log) if each.run_id == run_id), None)


def append(
    run: Place,
    what: str,
    by: By,
    now: datetime,
    reason: str | None = None,
    unless: Callable[[Standing | None], bool] | None = None,
) -> Decision | None:
    """Append a decision on a run; returns it, or, where nothing was appended, the last one on the run.

    Args:
        run: that is decided on.
        what: BLESSED or WITHDRAWN.
        by: who decides.
        now: with a time zone.
        reason: why.
        unless: whether nothing is to be appended, by the last decision on the run. It is asked again where another
            decision came first, so that nobody decides on what is not so any more.

    Raises:
        TablesError: if an entry that is needed is damaged. StorageError: if it cannot be written.
    """
    log = find(run.output)
    while True:
        if log.last and not filesystems.exists(_copy(last_made := read(log, log.last).decision, run.output)):
            _write_copy(last_made, run.output)
        if unless is not None and unless(last := standing_of(log, run.run_id)):
            return None if last is None else read(log, last.sequence).decision
        sequence = (log.last or _last_copied(run.output)) + 1
        who, why = (None if text is None else visible_text.storable(text) for text in (_who(), reason))
        made = Decision(sequence, run.run_id, run.eval_date, what, by, who, why, now.astimezone(UTC))
        before = tuple(standings(log)) if sequence % CHECKPOINT == 0 else None
        data = json_seals.sealed(Entry(made, before).to_json(uuid.uuid4().hex))
        if exclusive_files.create(log.path(sequence), data):
            _write_copy(made, run.output)
            return made
        log = Log(run.output, log.first or sequence, sequence)


def _copy(made: Decision, output: str) -> str:
    """Where the row of a decision is in the table."""
    return f"{Place(output, made.eval_date, made.run_id).folder(TABLE)}/{_copy_name(made)}"


def _copy_name(made: Decision) -> str:
    return f"{made.sequence:08}.parquet"


def _write_copy(made: Decision, output: str) -> None:
    rows = pa.Table.from_pylist([asdict(made)], schema=tables.BLESSINGS)
    run_files.write_table(rows, Place(output, made.eval_date, made.run_id), TABLE, _copy_name(made))


def _last_copied(output: str) -> int:
    """The highest number in the table, for a log that somebody has emptied: numbers are never given twice."""
    files = filesystems.below(f"{output.rstrip('/')}/{TABLE}", "eval_date=*/run_id=*/*.parquet")
    names = [file.path.rpartition("/")[2].removesuffix(".parquet") for file in files]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _who() -> str | None:
    """User and machine, as far as the system says."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        user = ""
    return "@".join(filter(None, (user, socket.gethostname()))) or None
