"""The rows of a query as CSV, JSON or Parquet: exact, and a batch at a time.

CSV: a header, NULL is an empty field and an empty text is `""`. JSON: an array of objects, one a line. Both write
numbers with every digit, times as in ISO 8601, bytes as hexadecimal digits. Dates and times outside of the years 1 to
9999 are DuckDB's text, as in `infinity` and `0044-03-15 (BC)`. NaN and infinities, which JSON has no numbers for, are
the texts NaN, Infinity and -Infinity there.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from ...schemas.errors import ConfigError
from ..storage import filesystems, parquet_files
from . import arrow_values

Format = Literal["table", "csv", "json", "parquet"]
EXACT_DIGITS = 15
"""A decimal number of so many digits is the same number when it has been a double."""

_QUOTED = re.compile('[",\r\n]')


def chosen_format(given: str | None, out: str | None) -> Format:
    """The format that is asked for, else that of the file's name, else a table.

    Raises:
        ConfigError: if there is no such format, or it cannot go where it is to go.
    """
    wanted = given or (Path(out).suffix.removeprefix(".") if out else "table")
    known = get_args(Format)
    if wanted not in known or (out and wanted == "table"):
        msg = f"expected --format {', '.join(known if not out else known[1:])}, but got {wanted!r}"
        raise ConfigError(msg)
    if wanted == "parquet" and not out:
        raise ConfigError("a Parquet file is not for a terminal: say where it goes, with --out FILE")
    return next(name for name in known if name == wanted)


def check_place(out: str, output: str) -> None:
    """Hold that a file does not come to lie between the tables, where it could replace or become one.

    Raises:
        ConfigError: if it would, or if there is something that is no file.
    """
    place = Path(filesystems.absolute(out)).resolve()
    if place.is_relative_to(Path(filesystems.absolute(output)).resolve()):
        msg = f"--out {out} is inside {output}, which is read only: write the file elsewhere"
        raise ConfigError(msg)
    if place.exists() and not place.is_file():
        msg = f"expected the name of a file, but {out} is there and is none"
        raise ConfigError(msg)


def _check_names(names: list[str]) -> None:
    """Hold that no column is lost because another one has its name; a CSV has both."""
    for name in names:
        if names.count(name) > 1:
            msg = f"expected a name for each column, but there are several {name!r}: name them with AS"
            raise ConfigError(msg)


def write_file(reader: pa.RecordBatchReader, out: str, kind: Format) -> int:
    """Write every row to a file, over an earlier one when it is whole; returns the number of rows."""
    with filesystems.committing(filesystems.absolute(out)) as file:
        if kind == "parquet":
            return _parquet(reader, file)
        return write_text(reader, lambda text: file.write(text.encode()), kind)


def write_text(reader: pa.RecordBatchReader, write: Callable[[str], object], kind: Format) -> int:
    """Write every row as CSV or JSON, a batch a call; returns the number of rows."""
    lines = {"csv": _csv, "json": _json}[kind]
    if kind == "json":
        _check_names(reader.schema.names)
    count = 0

    def batches() -> Iterator[list[list[Any]]]:
        nonlocal count
        for batch in reader:
            count += batch.num_rows
            yield _plain_rows(batch)

    for text in lines(reader.schema.names, batches()):
        write(text)
    return count


def _csv(names: list[str], batches: Iterable[list[list[Any]]]) -> Iterator[str]:
    yield _csv_line(names)
    for rows in batches:
        yield "".join(_csv_line(row) for row in rows)


def _csv_line(row: list[Any]) -> str:
    line = ",".join("" if value is None else _csv_field(value) for value in row)
    return (line or '""') + "\n"  # readers skip a line with nothing on it


def _csv_field(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if not text or _QUOTED.search(text) else text


def _json(names: list[str], batches: Iterable[list[list[Any]]]) -> Iterator[str]:
    yield "["
    before = "\n"
    for rows in batches:
        objects = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]
        yield "".join((before, ",\n".join(objects)) if objects else ())
        before = ",\n" if objects else before
    yield "\n]\n"


def _plain_rows(batch: pa.RecordBatch) -> list[list[Any]]:
    columns = [[_plain(value) for value in arrow_values.values(column)] for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:  # noqa: PLR0911, ANN401 - one line for each kind of value that DuckDB has
    """A value as JSON has it, with nothing rounded."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return _plain_decimal(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else str(value)


def _plain_decimal(value: Decimal) -> int | float | str:
    if value == value.to_integral_value():
        return int(value)
    return float(value) if len(value.as_tuple().digits) <= EXACT_DIGITS else str(value)


def _parquet(reader: pa.RecordBatchReader, file: Any) -> int:  # noqa: ANN401
    _check_names(reader.schema.names)
    count = 0
    try:
        with parquet_files.writer(file, reader.schema) as writer:
            for group in parquet_files.in_groups(pa.Table.from_batches([batch]) for batch in reader):
                writer.write_table(group)
                count += group.num_rows
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        what = "type" if isinstance(error, pa.ArrowNotImplementedError) else "value"
        msg = f"Parquet has no such {what}; cast the column, as in CAST(x AS VARCHAR): {error}"
        raise ConfigError(msg) from error
    return count
