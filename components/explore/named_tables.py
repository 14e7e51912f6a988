"""Which tables and views a statement is about, by DuckDB's own parser: those alone are opened."""

import re

import duckdb


def named(sql: str, every: set[str]) -> set[str]:
    """The tables and views that a statement names, out of all that there can be.

    Where the parser cannot tell without the tables (a PIVOT, a join with USING), they are those whose names are words
    of the statement, and all where none is: a table more costs time, and a table less would cost the answer.
    """
    with duckdb.connect() as parser:
        parser.execute("SET enable_external_access = false")  # it binds functions, and some read files
        parser.execute("SET python_enable_replacements = false")
        try:
            return {name.lower() for name in parser.get_table_names(sql)} & every
        except duckdb.Error:
            words = {word.lower() for word in re.findall(r"\w+", sql)}
            return words & every or every
