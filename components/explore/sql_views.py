"""The views of schemas/views.sql: what each is called, says of its rows, and is made of."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ... import schemas

_VIEW = re.compile(
    r"^-- (?P<name>\w+): (?P<rows>.*)\n(?:--.*\n)*(?P<statement>CREATE OR REPLACE VIEW (?P=name) AS\n(?:.*\n)*?.*;)$",
    re.MULTILINE,
)

_ASKS_WHAT_IS_THERE = re.compile(r"\b(duckdb_\w+|pg_\w+|information_schema|sqlite_master|show)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class View:
    """A view: its name, what a row of it is, and the statement that makes it."""

    name: str
    rows: str
    statement: str

    def needs(self, names: set[str]) -> set[str]:
        """Which of some tables and views it is made of."""
        return {name for name in names - {self.name} if re.search(rf"\b(?:FROM|JOIN) {name}\b", self.statement)}


@cache
def views() -> tuple[View, ...]:
    """Every view, those that another is made of before it."""
    text = resources.files(schemas).joinpath("views.sql").read_text(encoding="utf-8")
    return tuple(View(found["name"], found["rows"], found["statement"]) for found in _VIEW.finditer(text))


def possible(tables: set[str], every_table: set[str]) -> list[View]:
    """The views whose tables are there, in the order in which they can be made."""
    there, missing = [], every_table - tables
    for view in views():
        if view.needs(missing):
            missing.add(view.name)
        else:
            there.append(view)
    return there


def asks_what_is_there(sql: str) -> bool:
    """Whether a statement may be about the tables and views as such."""
    return bool(_ASKS_WHAT_IS_THERE.search(sql))


def with_their_tables(names: set[str], every: set[str]) -> set[str]:
    """Some tables and views, and what these views are made of."""
    found = set(names)
    for view in reversed(views()):
        if view.name in found:
            found |= view.needs(every)
    return found
