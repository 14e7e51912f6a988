"""The sample files of a finished run held against its `runs` row: none of them is lost, and none is another's.

Its failures are held against the row as well.

The row's file says in its metadata how many units there were and what the hashes of their names add up to, so that one
listing tells; compacting keeps the units. The row of an earlier version counts shards alone.
"""

import hashlib
from collections.abc import Collection

from ...schemas import repairs
from ...schemas.errors import DamagedError
from . import run_files, shard_ranges
from .run_tables import FinishedRun

_MODULUS = 1 << 128


def units(names: Collection[str]) -> str:
    """How many units there are, and the sum of the hashes of their names modulo 2^128, in whatever order they come."""
    return f"{len(names)}:{sum(map(_hash, names)) % _MODULUS:032x}"


def check(past: FinishedRun, *, may_be_gone: bool = False) -> None:
    """Hold the names of a run's sample files against what was there when its row was written.

    Args:
        past: the run.
        may_be_gone: whether it may have no sample files at all, as an old run whose tables alone were kept.

    Raises:
        DamagedError: if files were lost, or others have come.
    """
    there = run_files.list_samples(past.run).holders
    if not there and may_be_gone:
        return
    count, found = (past.row["shards"], len(_shards(there))) if past.units is None else (past.units, units(there))
    if count in (None, found):
        return
    what = "shards" if past.units is None else "units"
    numbers = f"{str(count).partition(':')[0]} {what}, but there are those of {str(found).partition(':')[0]}"
    folder = past.run.folder("samples")
    stranger = _stranger(there, past.units)
    named = f"{folder}/{there[stranger]} is another's: delete it" if stranger else "delete those of no shard of the run"
    repair = repairs.known(f"{folder}/x").repair.removeprefix("delete it, and ")
    msg = f"expected the sample files of {numbers}, in {folder}; {named}, and where some are lost {repair}"
    raise DamagedError(msg)


def check_failures(past: FinishedRun, rows: int) -> None:
    """Hold the rows of a run's failures against those that its row counts; that of an earlier version is believed.

    Raises:
        DamagedError: if there are more or less.
    """
    if past.units is not None and rows != past.row["failed"]:
        msg = (
            f"expected {past.row['failed']} rows in {past.run.folder('failures')}, as the row of run {past.run_id!r} "
            f"says, but there are {rows}; evaluate again with --run-id {past.run_id}, which scores what is lost anew"
        )
        raise DamagedError(msg)


def _shards(names: Collection[str]) -> set[str]:
    spans = (shard_ranges.of_name(name) for name in names)
    return {span[0] for span in spans if span is not None}


def _stranger(names: Collection[str], expected: str | None) -> str | None:
    """The one name without which the others are what is expected, if there is one."""
    if expected is None:
        return None
    count, _, digits = expected.partition(":")
    more = (sum(map(_hash, names)) - int(digits, 16)) % _MODULUS
    return next((name for name in names if len(names) == int(count) + 1 and _hash(name) == more), None)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest())
