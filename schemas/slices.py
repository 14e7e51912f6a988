"""Names of slices: `site=A/scanner=2` for the values of some features, unique and readable both ways.

A name is feature=value pairs joined by `/`. In values `%`, `/`, `=` and control characters are percent-encoded
(UTF-8), in features `%`, `=` and control characters; a missing value is `NULL`, the text NULL is `%4EULL`. A long
value is cut, and ends in `%~` and a hash of the whole value: still unique, no longer readable to its end.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

import pyarrow as pa

from .errors import TablesError

ALL = "all"
"""The slice that every sample is in."""

FOREGROUND = "foreground"
"""The class name of the mean over the foreground classes, whose class id is NULL."""

ANY = "*"
"""In a check: every class, channel or slice; within a slice's name any part of a value."""

MISSING = "NULL"
MAX_VALUE_LENGTH = 200
"""Characters of a value as it stands in a name; names are keys of a shuffle and cells of many tables."""

_HASH_LENGTH = 32
_CUT = "%~"

Pair = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class SliceTables:
    """The rows of a slice: of `classes`, `slices`, `histograms` and, where they are kept, `replicates`.

    The rows of slices without replicates may be together in one; the name is that of its first slice.
    """

    name: str
    classes: pa.Table
    slices: pa.Table
    histograms: pa.Table
    replicates: pa.Table | None


def encode(pairs: Sequence[Pair]) -> str:
    """The name of the slice of samples that have these values; `all` for no pairs."""
    return "/".join(f"{_escaped(feature, '%=')}={_value(value)}" for feature, value in pairs) or ALL


def decode(name: str) -> tuple[Pair, ...]:
    """The pairs that `encode` made a name of; none for `all`.

    Raises:
        TablesError: if `encode` gives no such name, or if a value was cut.
    """
    if name == ALL:
        return ()
    if _CUT in name:
        msg = f"the slice {name!r} names a long value that is cut; the whole value is in the table `samples`"
        raise TablesError(msg)
    first, *parts = name.split("=")
    middle = [part.partition("/") for part in parts[:-1]]  # a value has no raw "/", so the first one ends it
    features = [first, *(feature for _, _, feature in middle)]
    values = [*(value for value, _, _ in middle), *parts[-1:]]
    pairs = tuple(
        (unquote(feature, errors="replace"), None if value == MISSING else unquote(value, errors="replace"))
        for feature, value in zip(features, values, strict=False)
    )
    if encode(pairs) != name:
        raise TablesError(f"expected the name of a slice, as in site=A/scanner=2, but got {name!r}")
    return pairs


def _value(value: str | None) -> str:
    if value is None:
        return MISSING
    if value == MISSING:
        return "%4EULL"
    escaped = _escaped(value[:MAX_VALUE_LENGTH], "%/=")
    if len(value) <= MAX_VALUE_LENGTH and len(escaped) <= MAX_VALUE_LENGTH:
        return escaped
    digest = hashlib.sha256(value.encode()).hexdigest()[:_HASH_LENGTH]
    return _cut(escaped, MAX_VALUE_LENGTH - len(_CUT) - _HASH_LENGTH) + _CUT + digest


def _cut(escaped: str, length: int) -> str:
    """At most so many characters, none of which is half an escape."""
    kept = escaped[:length]
    return kept[: kept.rindex("%")] if "%" in kept[-2:] else kept


def _escaped(text: str, signs: str) -> str:
    return "".join(_percent(c) if c in signs or unicodedata.category(c) == "Cc" else c for c in text)


def _percent(character: str) -> str:
    return quote(character, safe="")
