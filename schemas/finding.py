"""What a look before the start has found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is as it should be, may be wrong, or would end the run.

    where: path, config key or flag. todo: what fixes it; empty where nothing is to be done.
    """

    level: Level
    what: str
    where: str
    todo: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{self.level}: {self.what}, {self.where}" + (f"; {self.todo}" if self.todo else "")


def problem(what: str, where: str, todo: str) -> Finding:
    """What would end the run, or lose what it is for."""
    return Finding("problem", what, where, todo)


def warning(what: str, where: str, todo: str) -> Finding:
    """What may be meant so."""
    return Finding("warning", what, where, todo)


def fine(what: str, where: str) -> Finding:
    """What was looked at and is as it should be."""
    return Finding("ok", what, where)
