"""Values of Arrow's columns in Python, also those that Python or pyarrow has no object for.

A date before year 1 or after 9999 is the text that DuckDB has for it, `0044-03-15 (BC)`, and so is `infinity`. Times of
day, which may be 24:00:00, nanoseconds and intervals are text as in ISO 8601.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

_EPOCH = date(1970, 1, 1).toordinal()
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400
"""The calendar repeats itself after so many days, which are so many years."""
_DAY_SECONDS = 86_400
_A_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INFINITE_DAYS, _INFINITE_TIME = 2**31 - 1, 2**63 - 1


def values(column: pa.Array) -> list[Any]:
    """Every value of a column; lists, dicts and tuples for what is nested."""
    if not _any_part(column.type, _is_text):
        try:
            return list(column.to_pylist())
        except (OverflowError, ValueError):  # a date that Python has no year for
            pass
    return [_value(scalar) for scalar in column]


def _any_part(kind: pa.DataType, is_so: Callable[[pa.DataType], bool]) -> bool:
    """Whether a type, or one that it is made of, is so."""
    return is_so(kind) or any(_any_part(kind.field(i).type, is_so) for i in range(kind.num_fields))


def _is_text(kind: pa.DataType) -> bool:
    """Whether pyarrow would lose digits or a type, so that values are made here."""
    exact = pa.types.is_timestamp(kind) and kind.unit != "ns"
    return not exact and (pa.types.is_time(kind) or pa.types.is_timestamp(kind) or kind == pa.month_day_nano_interval())


def _value(scalar: Any) -> Any:  # noqa: ANN401, PLR0911 - one line for each kind
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_map(kind):
        return [tuple(_value(part) for part in entry.values()) for entry in scalar.values]
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _value(part) for i, part in enumerate(scalar.values())}
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        return [_value(part) for part in scalar.values]
    if pa.types.is_union(kind) or pa.types.is_dictionary(kind):
        return _value(scalar.value)
    if pa.types.is_date32(kind):
        return date_of(scalar.value)
    if pa.types.is_timestamp(kind):
        return timestamp_of(scalar.value, kind.unit, kind.tz)
    if pa.types.is_time(kind):
        seconds, part = divmod(scalar.value, _A_SECOND[kind.unit])
        return _clock(seconds, part, kind.unit)
    found = scalar.as_py()
    return _interval(found) if isinstance(found, pa.MonthDayNano) else found


def date_of(days: int) -> date | str:
    """The date so many days after 1970-01-01."""
    if abs(days) == _INFINITE_DAYS:
        return "infinity" if days > 0 else "-infinity"
    cycles, rest = divmod(days + _EPOCH - 1, _CYCLE_DAYS)
    day = date.fromordinal(rest + 1)
    year = day.year + cycles * _CYCLE_YEARS
    if date.min.year <= year <= date.max.year:
        return day.replace(year=year)
    of_era, era = (year, "") if year > 0 else (1 - year, " (BC)")
    return f"{of_era:04d}-{day:%m-%d}{era}"


def timestamp_of(ticks: int, unit: str, zone: str | None) -> datetime | str:
    """The time so many ticks after 1970-01-01, in UTC where it has a zone; text where Python has no such time."""
    if abs(ticks) == _INFINITE_TIME:
        return "infinity" if ticks > 0 else "-infinity"
    seconds, part = divmod(ticks, _A_SECOND[unit])
    days, of_day = divmod(seconds, _DAY_SECONDS)
    day = date_of(days)
    if isinstance(day, str):
        clock = _clock(of_day, part, unit)
        return f"{day} {clock.rstrip('0') if '.' in clock else clock}{'+00' if zone else ''}"
    nanos = part * (_A_SECOND["ns"] // _A_SECOND[unit])
    if nanos % 1000:
        return f"{day}T{_clock(of_day, part, unit)}"
    found = datetime(day.year, day.month, day.day, tzinfo=UTC if zone else None)
    return found + timedelta(seconds=of_day, microseconds=nanos // 1000)


def _clock(seconds: int, part: int, unit: str) -> str:
    """A time of day as Python writes it, with nine digits where six are not enough."""
    minutes, second = divmod(seconds, 60)
    nanos = part * (_A_SECOND["ns"] // _A_SECOND[unit])
    digits = "" if not nanos else f".{nanos // 1000:06d}" if nanos % 1000 == 0 else f".{nanos:09d}"
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{digits}"


def _interval(found: Any) -> str:  # noqa: ANN401 - pyarrow's MonthDayNano
    seconds = Decimal(found.nanoseconds).scaleb(-9).normalize()
    return f"P{found.months}M{found.days}DT{seconds:f}S"
