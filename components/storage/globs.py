"""Patterns of paths: one rule for this machine and for buckets.

`*`, `?` and `[...]` stand for characters inside one name, `**` between two slashes for any number of folders, and at
the end for every file at any depth. None of them stands for the dot of a hidden name, unless that is wanted.
"""

import fnmatch
import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from ...schemas.errors import ConfigError

_MAGIC = re.compile(r"[*?\[]")
_ESCAPED = re.compile(r"\[([*?\[])\]")
"""What `glob.escape` makes of a character that means something."""
_DEEP = "**"


class Part(NamedTuple):
    """One name of a pattern.

    text: the name itself where nothing in it stands for something else, else how it begins.
    wanted: of the names that it stands for; None for one name, and for any depth.
    """

    text: str
    wanted: re.Pattern[str] | None
    any_depth: bool
    dotted: bool

    @property
    def is_name(self) -> bool:
        """Whether it stands for one name."""
        return self.wanted is None and not self.any_depth

    def fits(self, name: str) -> bool:
        """Whether a name is one that this stands for."""
        if self.is_name:
            return name == self.text
        if name.startswith(".") and not self.dotted:
            return False
        return self.wanted is None or self.wanted.match(name) is not None


def parts(pattern: str, *, dotted: bool = False) -> tuple[Part, ...]:
    """The names of a pattern, between its slashes.

    Args:
        pattern: a path with `*`, `?`, `[...]` and `**`.
        dotted: whether these stand for hidden names as well. Where a pattern has the dot itself they always do.

    Raises:
        ConfigError: if `**` is not a name of its own, because what it would mean there differs from tool to tool.
    """
    found = [_part(text, dotted) for text in pattern.split("/")]
    mixed = next((text for text in pattern.split("/") if text != _DEEP and _DEEP in _ESCAPED.sub("x", text)), None)
    if mixed is not None:
        msg = f"expected ** alone between two slashes, as in a/**/*.tfrecord, but got {mixed!r} in {pattern!r}"
        raise ConfigError(msg)
    return tuple(part for deep, run in groupby(found, lambda part: part.any_depth) for part in _once(deep, [*run]))


def _once(deep: bool, run: list[Part]) -> list[Part]:  # noqa: FBT001
    return run[:1] if deep else run


def _part(text: str, dotted: bool) -> Part:  # noqa: FBT001
    if text == _DEEP:
        return Part("", None, any_depth=True, dotted=dotted)
    if not _MAGIC.search(_ESCAPED.sub("x", text)):
        return Part(_ESCAPED.sub(r"\1", text), None, any_depth=False, dotted=True)
    wanted = re.compile(fnmatch.translate(text))
    return Part(_MAGIC.split(text)[0], wanted, any_depth=False, dotted=dotted or text.startswith("."))


def beginning(pattern: Sequence[Part]) -> str:
    """What every path that fits begins with."""
    known = next((place for place, part in enumerate(pattern) if not part.is_name), len(pattern))
    return "/".join(part.text for part in pattern[: known + 1])


def fits(pattern: Sequence[Part], names: Sequence[str]) -> bool:
    """Whether the names of a path are those of a pattern."""
    reached = {0}  # how many parts of the pattern the names up to here may be
    for name in names:
        reached = {
            after
            for before in reached
            for place in _skipped(pattern, before)
            if pattern[place].fits(name)
            for after in ((place, place + 1) if pattern[place].any_depth else (place + 1,))
        }
    return len(pattern) in reached


def _skipped(pattern: Sequence[Part], place: int) -> list[int]:
    """The parts that the next name may be of: `**` may be no folder at all."""
    if place >= len(pattern):
        return []
    return [place, place + 1] if pattern[place].any_depth and place + 1 < len(pattern) else [place]
