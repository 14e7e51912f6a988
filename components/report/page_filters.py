"""Classes and slices of a page as numbers, so that its script filters by places and never by text from data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...schemas.slices import ALL, FOREGROUND
from ...schemas.verdict import CheckVerdict
from .gallery import Card
from .report_data import ReportData

MAX_CHOICES = 150
NONE = "none"
"""The place of what is of no class or slice that can be chosen: it is shown where nothing is chosen."""


@dataclass(frozen=True, slots=True)
class Places:
    """Names that can be chosen, in order; `cards` has the places of the slices that each card's sample is in."""

    classes: tuple[str, ...]
    slices: tuple[str, ...]
    cards: tuple[tuple[int, ...], ...]

    def of(self, slice_name: str) -> int | str:
        """The place of a slice."""
        return self.slices.index(slice_name) if slice_name in self.slices else NONE

    def of_class(self, name: str | None) -> int | str:
        """The place of a class."""
        return self.classes.index(name) if name in self.classes else NONE

    def of_check(self, check: CheckVerdict) -> dict[str, int | str]:
        """The places of a check."""
        name = FOREGROUND if check.class_id is None else check.class_name
        return {"class": self.of_class(name), "slice": self.of(check.slice)}


def places(data: ReportData, cards: Sequence[Card]) -> Places:
    """Every class and slice of the page's lines, and of its cards, `all` and the classes of all samples first."""
    checks = data.verdict.checks if data.verdict else ()
    classes = _first([*(line.name for line in data.lines), *(card.shown.focus.name for card in cards)])
    with_foreground = [FOREGROUND] if any(c.class_id is None for c in checks) and FOREGROUND not in classes else []
    of_cards = (name for card in cards for name in card.shown.slices)
    slices = _first([ALL, *(line.slice for line in data.slices), *(line.slice for line in data.lines), *of_cards])
    place = {name: i for i, name in enumerate(slices)}
    return Places(
        (*classes, *with_foreground),
        slices,
        tuple(tuple(place[name] for name in card.shown.slices if name in place) for card in cards),
    )


def _first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))[:MAX_CHOICES]
