"""Which columns of a query DuckDB makes text of: those of types that Arrow, Python or Parquet would change.

As Arrow, UHUGEINT's largest is -1, a time loses its zone, and BIT, BIGNUM, VARIANT and GEOMETRY are DuckDB's own bytes.
"""

from typing import Any

import duckdb

EXACT = frozenset({
    "boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "hugeint",
    "float", "double", "decimal", "varchar", "blob", "uuid", "enum", "null", "interval", "date", "time", "time_ns",
    "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone",
})  # fmt: skip
"""Ids of the types whose values stay what they are; a type that is not among them is text, whatever it is."""
_NESTED = ("list", "array", "struct", "tuple", "map", "union")


def exact(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows and names; what is of no exact type is the text that DuckDB casts it to, in nested types too."""
    kinds = list(relation.types)
    if all(map(_is_exact, kinds)):
        return relation
    try:
        return _project(relation, [None if _is_exact(kind) else _target(kind) for kind in kinds])
    except duckdb.Error:  # a nested type that has no such cast
        return _project(relation, [None if _is_exact(kind) else "VARCHAR" for kind in kinds])


def _project(relation: duckdb.DuckDBPyRelation, targets: list[str | None]) -> duckdb.DuckDBPyRelation:
    """The columns by their places, because two may have one name."""
    columns = zip(relation.columns, targets, strict=True)
    return relation.project(
        ", ".join(
            f"#{place}{'' if target is None else f'::{target}'} AS {_quoted(name)}"
            for place, (name, target) in enumerate(columns, start=1)
        )
    )


def _is_exact(kind: Any) -> bool:  # noqa: ANN401 - DuckDB's type has no public name in every version
    if kind.id in _NESTED:
        return all(_is_exact(part) for _, part in _parts(kind))
    return kind.id in EXACT


def _parts(kind: Any) -> list[tuple[str, Any]]:  # noqa: ANN401
    """Names and types of what a nested type is made of; the size of an array and the tag of a union are none of it."""
    children: list[tuple[str, Any]] = kind.children
    if kind.id == "union":
        return children[1:]
    return children[:1] if kind.id == "array" else children


def _target(kind: Any) -> str:  # noqa: ANN401
    """The type to cast to, in SQL."""
    if kind.id not in _NESTED:
        return str(kind) if kind.id in EXACT else "VARCHAR"
    parts = [(name, _target(part)) for name, part in _parts(kind)]
    if kind.id in ("list", "array"):
        size = kind.children[1][1] if kind.id == "array" else ""
        return f"{parts[0][1]}[{size}]"
    named = kind.id in ("struct", "union")
    inside = ", ".join(f"{_quoted(name)} {target}" if named else target for name, target in parts)
    return f"{kind.id.upper()}({inside})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
