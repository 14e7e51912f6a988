"""Which samples a page shows, and what the tables say of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ...schemas.records import Lineage
from ..runs.run_files import Run
from ..samples import sample_scan
from ..statistics import slicing
from ..statistics.slicing import SliceSpec
from . import sample_rankings
from .sample_rankings import Candidate, Ranking

OVERALL, A_CLASS = 10, 4
"""Samples taken from the ranking of the foreground's mean, and at most from that of each class."""
SHOWN = 16
_ALSO, _WORTH_SAYING = 2, 0.005

Kind = Literal["worst", "fall"]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """What the tables say of one class of a sample; `before` is what they say of the baseline, None without."""

    class_id: int
    name: str
    state: str
    dice: float | None
    true_positives: int
    false_positives: int
    false_negatives: int
    before: float | None = None
    state_before: str | None = None

    @property
    def change(self) -> float | None:
        """As `sample_rankings.falls` ranks it: a class that is absent in one run alone counts as 1 there."""
        if self.state_before is None or (self.dice is None and self.before is None):
            return None
        return (1.0 if self.dice is None else self.dice) - (1.0 if self.before is None else self.before)


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample that is shown, with the class that it is shown for.

    score: mean Dice of the foreground classes that are defined; before: the same of the baseline.
    also: foreground classes that fell most beside the focus.
    slices: names of every slice that it is in. features: the columns of slice features and their values.
    """

    kind: Kind
    sample_id: str
    lineage: Lineage
    focus: ClassScore
    classes: tuple[ClassScore, ...]
    score: float | None
    before: float | None
    slices: tuple[str, ...]
    features: tuple[tuple[str, str | None], ...]
    also: tuple[ClassScore, ...] = ()


def find(
    kind: Kind, run: Run, baseline: Run | None, foreground: Sequence[str], slices: Sequence[SliceSpec]
) -> tuple[ShownSample, ...]:
    """The samples that a page shows, the worst first: the worst samples, or those that fell most against a baseline.

    Raises:
        TablesError: if a sample file is damaged.
    """
    if kind == "worst":
        rankings = sample_rankings.worst(run, foreground, OVERALL, A_CLASS)
    else:
        rankings = sample_rankings.falls(run, baseline, foreground, OVERALL, A_CLASS) if baseline else []
    chosen = choose(rankings, SHOWN)
    ids = [candidate.rows["sample_id"][0].as_py() for _, candidate in chosen]
    before: dict[str, list[pa.Table]] = {}
    for rows in sample_rankings.rows_of(baseline, ids) if baseline else ():
        before.setdefault(rows["sample_id"][0].as_py(), []).append(rows)
    made = (_shown(kind, name, candidate.rows, before, foreground, slices) for name, candidate in chosen)
    return tuple(sample for sample in made if sample is not None)


def choose(rankings: Sequence[Ranking], limit: int) -> list[tuple[str | None, Candidate]]:
    """The candidates of the first ranking, then of the others in turns, each sample once."""
    found: dict[tuple[int, ...], tuple[str | None, Candidate]] = {}
    for ranking, candidate in _in_turns(rankings):
        if len(found) < limit:
            found.setdefault(candidate.key[2:], (ranking.class_name, candidate))
    return list(found.values())


def _in_turns(rankings: Sequence[Ranking]) -> Iterator[tuple[Ranking, Candidate]]:
    for ranking in rankings[:1]:
        yield from ((ranking, candidate) for candidate in ranking.found)
    for turn in range(max((len(ranking.found) for ranking in rankings[1:]), default=0)):
        yield from ((ranking, ranking.found[turn]) for ranking in rankings[1:] if turn < len(ranking.found))


def _shown(
    kind: Kind,
    class_name: str | None,
    rows: pa.Table,
    before: Mapping[str, Sequence[pa.Table]],
    foreground: Sequence[str],
    slices: Sequence[SliceSpec],
) -> ShownSample | None:
    first = rows.slice(0, 1).to_pylist()[0]
    lineage = Lineage(first["shard"], first["record"], first["byte_offset"])
    theirs = _same_sample(before.get(first["sample_id"], ()), lineage)
    scores = tuple(_score(row, theirs) for row in rows.to_pylist())
    shown = [score for score in scores if score.name in foreground]
    focus = next((score for score in shown if score.name == class_name), None) or _worst(kind, shown)
    if focus is None or (kind == "fall" and focus.state_before is None):
        return None  # the hashes agree, and the ids do not
    columns = sample_scan.slice_columns(rows)
    return ShownSample(
        kind=kind,
        sample_id=first["sample_id"],
        lineage=lineage,
        focus=focus,
        classes=scores,
        score=_mean([score.dice for score in shown]),
        before=_mean([score.before for score in shown]),
        slices=_slices(rows.slice(0, 1), slices),
        features=tuple((name, first[name]) for name in columns),
        also=_others_that_fell(shown, focus),
    )


def _others_that_fell(scores: Sequence[ClassScore], focus: ClassScore) -> tuple[ClassScore, ...]:
    fell = [score for score in scores if score != focus and (score.change or 0.0) < -_WORTH_SAYING]
    return tuple(sorted(fell, key=lambda score: score.change or 0.0)[:_ALSO])


def _same_sample(found: Sequence[pa.Table], lineage: Lineage) -> dict[str, dict[str, Any]]:
    """The baseline's rows of a sample by class; of several that share its id, those of its own place."""
    places = [(rows["shard"][0].as_py(), rows["record"][0].as_py()) for rows in found]
    for rows, place in zip(found, places, strict=True):
        if len(found) == 1 or place == (lineage.shard, lineage.record):
            return {row["class_name"]: row for row in rows.to_pylist()}
    return {}


def _score(row: Mapping[str, Any], before: Mapping[str, Mapping[str, Any]]) -> ClassScore:
    theirs = before.get(row["class_name"], {})
    return ClassScore(
        class_id=row["class_id"],
        name=row["class_name"],
        state=row["state"],
        dice=row["dice"],
        true_positives=row["true_positives"],
        false_positives=row["false_positives"],
        false_negatives=row["false_negatives"],
        before=theirs.get("dice"),
        state_before=theirs.get("state"),
    )


def _worst(kind: Kind, scores: Sequence[ClassScore]) -> ClassScore | None:
    """The class that did most to bring the sample here."""
    if kind == "worst":
        return min((s for s in scores if s.dice is not None), key=lambda s: s.dice or 0.0, default=None)
    return min((s for s in scores if s.change is not None), key=lambda s: s.change or 0.0, default=None)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _slices(first: pa.Table, specs: Sequence[SliceSpec]) -> tuple[str, ...]:
    """Names of the slices of one sample; a spec whose column is not there has none."""
    columns = {name: first[name].combine_chunks() for name in sample_scan.slice_columns(first)}
    usable = [spec for spec in specs if all(part.column in columns for part in spec)]
    return tuple(slicing.groups(spec, columns, 1)[0][0] for spec in ((), *usable))
