"""The failures file of a unit: the unit's sample file gives its name, and only a failures file that is so named counts.

Two attempts at one unit may end differently (one is short of memory, one is not). The name ends in a digest of the
rows, so that each writes a file of its own, and the sample file, which is committed once, says whose failures they are.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...schemas.accounting import SampleFiles
from ...schemas.errors import AccountingError, DamagedError
from ..runtime import prefetch
from ..storage import filesystems, parquet_reading
from . import run_files, runs_row, shard_ranges
from .run_files import Place
from .shard_records import ShardRecord

EMPTY = runs_row.FILE
"""The file without rows of a run without failures."""
_NAME = re.compile(r"(.*-[0-9a-f]{32}(?:\.\d+-\d+)?)\.[0-9a-f]{16}\.parquet")


class Pair(NamedTuple):
    """A sample file, the failures file that it names, and how many failed records it says to be there."""

    samples: str
    failures: str
    failed: int


class Found(NamedTuple):
    """The failures files of a run: those that count, and paths of those that an attempt has left."""

    counting: list[Pair]
    leftovers: list[str]


def name_for(sample_name: str, digest: str) -> str:
    """Name of the failures file of a unit, by the name of its sample file and a digest of 16 hexadecimal digits."""
    return f"{sample_name.removesuffix('.parquet')}.{digest}.parquet"


def named(sample_name: str, records: Sequence[ShardRecord]) -> str | None:
    """Name of the failures file that a sample file names; None if none of its records failed.

    It is that of the sample file itself where that is of several units, or of a version that gave no names.
    """
    if not any(record.failed for record in records):
        return None
    return (records[0].failures if len(records) == 1 else None) or sample_name


def pair(run: Place, path: str, records: Sequence[ShardRecord]) -> Pair | None:
    """A sample file and its failures file; None if none of its records failed."""
    name = named(path.rpartition("/")[2], records)
    return (name and Pair(path, f"{run.folder('failures')}/{name}", sum(record.failed for record in records))) or None


def look(run: Place, samples: SampleFiles) -> Found:
    """The failures files of a run. Only sample files that may name one of them are looked into.

    Raises:
        AccountingError: if there is a file that no version has written.
    """
    files = {file.path.rpartition("/")[2]: file.path for file in filesystems.below(run.folder("failures"), "*.parquet")}
    files.pop(EMPTY, None)
    holders = {name: _holder(name, samples, path) for name, path in files.items()}
    read = run_files.read_all(samples.files[name].path for name in sorted({h for h in holders.values() if h}))
    pairs = [found for path, records in read if (found := pair(run, path, records))]
    counting = [found for found in pairs if found.failures.rpartition("/")[2] in files]
    count = {found.failures for found in counting}
    return Found(counting, [path for path in files.values() if path not in count])


def _holder(name: str, samples: SampleFiles, path: str) -> str | None:
    """Name of the sample file that may name a failures file."""
    if run_files.is_compacted(name):
        return name if name in samples.files else None
    found = _NAME.fullmatch(name)
    unit = f"{found[1]}.parquet" if found else name
    if shard_ranges.of_name(unit) is None:
        raise AccountingError(f"{path} is no file of this run: no sample file names it; move it away")
    return samples.holders.get(unit)


def check(run: Place, samples: SampleFiles, failed: int) -> Found:
    """Hold that every failed record of a run has its row; returns what is there.

    Raises:
        AccountingError: if a sample file and its failures file disagree; the message names them and says what to do.
        DamagedError: if a failures file is damaged.
    """
    found = look(run, samples)
    wrong = disagreements(found.counting)
    if not wrong and sum(each.failed for each in found.counting) != failed:
        read = run_files.read_all(file.path for file in samples.files.values())
        wrong = disagreements([each for path, records in read if (each := pair(run, path, records))])
        if not wrong:
            msg = f"expected {failed} rows in {run.folder('failures')}, but it has those of other sample files; "
            raise AccountingError(f"{msg}another attempt is at work; try again when it is done")
    for each, rows in wrong:
        if rows is None:
            parquet_reading.check(each.failures)  # it says what is damaged
        raise AccountingError(message(each, rows))
    empty = Pair("", f"{run.folder('failures')}/{EMPTY}", 0)
    if disagreements([empty]):
        raise AccountingError(f"expected no rows in {empty.failures}; delete it")
    return found


def disagreements(pairs: Sequence[Pair]) -> list[tuple[Pair, int | None]]:
    """Those whose failures file has other rows than the sample file says, with the rows; None for a damaged file."""
    paths = [each.failures for each in pairs]
    read = prefetch.ordered_map(_rows, paths, threads=run_files.FOOTER_THREADS, ahead=64, name="footers")
    return [(each, rows) for each, rows in zip(pairs, read, strict=True) if rows != each.failed]


def message(wrong: Pair, rows: int | None) -> str:
    """What disagrees, and what to do."""
    there = "it is damaged" if rows is None else f"it has {rows}"
    remedy = "evaluate again with the same --run-id, which scores its unit anew"
    if run_files.is_compacted(wrong.samples):
        remedy = f"delete {wrong.samples} and evaluate again with the same --run-id, which scores its shards anew"
    return f"expected {wrong.failed} rows in {wrong.failures}, as {wrong.samples} says, but {there}; {remedy}"


def discard(wrong: Iterable[tuple[Pair, int | None]]) -> None:
    """Delete sample files that disagree with their failures files, and these, so that their units are scored anew.

    Raises:
        AccountingError: for a file of several units, which is too much to score without being asked.
    """
    for each, rows in wrong:
        if run_files.is_compacted(each.samples):
            raise AccountingError(message(each, rows))
        for path in (each.samples, each.failures):
            filesystems.delete(path)


def _rows(path: str) -> int | None:
    try:
        with parquet_reading.opened(path) as file:
            return file.footer.num_rows
    except FileNotFoundError:
        return 0
    except DamagedError:
        return None
