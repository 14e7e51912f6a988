"""An output folder with many old nights, cheaply: one night is evaluated, and its tables are written again.

Each copy has an id, a date, times and a model of its own, its verdict and its blessing, and what `analyze` leaves:
every reader takes it for a night that was.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from dicebeam.components.runs.run_files import Place, Run
from dicebeam.components.storage import parquet_files
from dicebeam.components.verdict import verdict_files
from dicebeam.schemas import tables
from dicebeam.schemas.verdict import PASS, GateVerdict

NIGHTS_A_DAY = 4
_OF_A_TIME = ("started", "finished")


def add(output: str, template: str, count: int, tell: Callable[[str], None] = lambda _: None) -> None:
    """Add `count` nights before a night that is there, NIGHTS_A_DAY on each day, the last of them on the day before."""
    row = next(Path(output).glob(f"runs/*/run_id={template}/*.parquet"))
    place = Place(output, row.parts[-3].partition("=")[2], template)
    kept = {name: _files(place.folder(name)) for name in tables.TABLES if name != "blessings"}  # that is decided anew
    verdict = verdict_files.read(Run(output, place.eval_date, template, "", ""))
    if verdict is None:
        raise ValueError(f"expected that run {template!r} was gated")
    with mock.patch("os.fsync"):  # a disk that is waited for would make this slow, and no reader sees a difference
        for number in range(count):
            days, earlier = divmod(count - 1 - number, NIGHTS_A_DAY)
            _add_one(place, kept, verdict, number, timedelta(days=1 + days, minutes=earlier))
            if number % 500 == 499:
                tell(f"{number + 1:,} old runs")


def run_id(number: int) -> str:
    """Of an old night, the first being 0."""
    return f"night-{number:06}"


def _files(folder: str) -> dict[str, pa.Table]:
    return {path.name: pq.read_table(path, partitioning=None) for path in Path(folder).glob("*.parquet")}


def _add_one(
    template: Place, kept: dict[str, dict[str, pa.Table]], verdict: GateVerdict, number: int, before: timedelta
) -> None:
    name, day = run_id(number), str(date.fromisoformat(template.eval_date) - before)
    run = Run(template.output, day, name, "", "")
    for table, files in kept.items():
        folder = Path(run.folder(table))
        folder.mkdir(parents=True)
        for file, rows in files.items():
            changed = _of_another_night(rows, table, before, f"{number:064x}")
            metadata = {**(rows.schema.metadata or {}), b"dicebeam.run_id": name.encode()}
            schema = changed.schema.with_metadata(metadata)
            with (folder / file).open("wb") as out, parquet_files.writer(out, schema) as writer:
                writer.write_table(changed.replace_schema_metadata(metadata))
    decided: datetime = verdict.decided - before
    again = replace(verdict, verdict=PASS, run_id=name, eval_date=day, decided=decided)
    verdict_files.write(run, again)


def _of_another_night(rows: pa.Table, table: str, before: timedelta, model: str) -> pa.Table:
    if table not in ("runs", "datasets"):
        return rows
    (row,) = rows.to_pylist()
    row |= {column: row[column] - before for column in _OF_A_TIME}
    row |= {"model_fingerprint": model} if table == "runs" else {}
    return pa.Table.from_pylist([row], schema=rows.schema)
