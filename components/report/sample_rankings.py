"""The worst samples of a run, and those that fell most against its baseline, in bounded memory.

Both runs are read in blocks, and only the best candidates of each ranking are kept. For the falls the baseline is held
as hashes and Dice, 16 + 4 C bytes for each sample of C classes (10 million rows of 20 classes: 48 MB); where that is
more than `MAX_INDEX_BYTES` both are read in several passes, each over the samples whose hash falls into it. So remote
outputs, compacted files and shards that were cut anew need nothing of their own, as a join by file would.

Samples are paired by id, and those whose id is not unique in the baseline by shard and record too. Ids are compared as
64-bit hashes; the rows of the few that are shown are read again and compared in full.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..runs.run_files import Run
from ..samples import sample_scan
from ..samples.sample_scan import ScanBlock

MAX_INDEX_BYTES = 512 << 20
MAX_RANKED = 200
"""Classes that have a ranking of their own; the mean is over all of the foreground."""
_BYTES_A_SAMPLE, _BYTES_A_CLASS = 16, 4

Key = tuple[float, int, int, int]
"""What samples are ranked by: score, pixels that are wrong (more is worse), and hashes, so that no two are equal."""


class Candidate(NamedTuple):
    """A sample of a ranking, with its rows; the smallest key is the worst."""

    key: Key
    rows: pa.Table


@dataclass
class Ranking:
    """The worst `size` samples by a score, smallest first. `class_name` is None for the mean of the foreground."""

    class_name: str | None
    size: int
    found: list[Candidate] = field(default_factory=list)

    def add(self, block: ScanBlock, scores: NDArray[np.float64], errors: NDArray[np.int64]) -> None:
        """Let the samples of a block in; scores that are NaN are no candidates."""
        places = np.flatnonzero(~np.isnan(scores))
        if len(self.found) == self.size and self.size:
            places = places[scores[places] <= self.found[-1].key[0]]
        order = np.lexsort((block.places[places], block.ids[places], -errors[places], scores[places]))
        for i in places[order[: self.size]].tolist():
            key = (float(scores[i]), -int(errors[i]), int(block.ids[i]), int(block.places[i]))
            self.found.append(Candidate(key, block.sample(i)))
        self.found = sorted(self.found, key=lambda candidate: candidate.key)[: self.size]


def worst(run: Run, foreground: Sequence[str], size: int, size_a_class: int) -> list[Ranking]:
    """Samples of the lowest Dice: in the mean of the foreground, and of each of its classes."""
    rankings = _rankings(foreground, size, size_a_class)
    for block in sample_scan.blocks(run):
        _rank(rankings, block, block.dice, foreground)
    return rankings


def falls(run: Run, baseline: Run, foreground: Sequence[str], size: int, size_a_class: int) -> list[Ranking]:
    """Samples whose Dice fell most: in the mean of the foreground, and of each of its classes.

    Scores are changes, below 0. A class that is absent in one run alone counts as 1 there: it was right to find none,
    so a false alarm is a fall from 1 to 0. Samples that only one of the runs has are in no ranking.
    """
    rankings = _rankings(foreground, size, size_a_class)
    samples, classes = sample_scan.count(baseline)
    passes = max(1, -(-samples * (_BYTES_A_SAMPLE + classes * _BYTES_A_CLASS) // MAX_INDEX_BYTES))
    for part in range(passes):
        index = _Index.of(sample_scan.blocks(baseline, ()), foreground, part, passes)
        for block in sample_scan.blocks(run):
            change = _changes(block, index, foreground)
            change[block.ids % np.uint64(passes) != part] = np.nan
            _rank(rankings, block, change, foreground, below=0.0)
    return rankings


def _rankings(foreground: Sequence[str], size: int, size_a_class: int) -> list[Ranking]:
    return [Ranking(None, size), *(Ranking(name, size_a_class) for name in foreground[:MAX_RANKED])]


def _changes(block: ScanBlock, index: "_Index", foreground: Sequence[str]) -> NDArray[np.float64]:
    """Changes of a block's Dice, `[n, C]`; NaN outside the foreground, and where nothing can be compared."""
    place = {name: i for i, name in enumerate(block.names)}
    chosen = [(column, place[name]) for column, name in enumerate(foreground) if name in place]
    theirs, paired = index.find(block)
    theirs = theirs[:, [column for column, _ in chosen]]
    ours = block.dice[:, [own for _, own in chosen]].astype(np.float32)
    change = np.where(np.isnan(ours), 1, ours) - np.where(np.isnan(theirs), 1, theirs)
    change[(np.isnan(ours) & np.isnan(theirs)) | ~paired[:, np.newaxis]] = np.nan
    full = np.full(block.dice.shape, np.nan)
    full[:, [own for _, own in chosen]] = change
    return full


def _rank(
    rankings: Sequence[Ranking],
    block: ScanBlock,
    scores: NDArray[np.float64],
    foreground: Sequence[str],
    below: float = np.inf,
) -> None:
    place = {name: i for i, name in enumerate(block.names)}
    chosen = [place[name] for name in foreground if name in place]
    for ranking in rankings:
        if ranking.class_name is None:
            own, errors = _mean(scores[:, chosen]), block.errors[:, chosen].sum(axis=1)
        elif ranking.class_name in place:
            own, errors = scores[:, place[ranking.class_name]], block.errors[:, place[ranking.class_name]]
        else:
            continue
        ranking.add(block, np.where(own < below, own, np.nan), errors)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the rows over what is defined, NaN for none."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=1)
    means: NDArray[np.float64] = np.where(defined, values, 0).sum(axis=1) / np.where(counts, counts, np.nan)
    return means


@dataclass(frozen=True, slots=True)
class _Index:
    """Dice of the baseline's samples `[n, F]` by the hashes of their ids, sorted; `repeated` are not unique."""

    ids: NDArray[np.uint64]
    dice: NDArray[np.float32]
    repeated: NDArray[np.uint64]
    places: NDArray[np.uint64]
    dice_of_places: NDArray[np.float32]

    @classmethod
    def of(cls, blocks: Iterable[ScanBlock], names: Sequence[str], part: int, passes: int) -> "_Index":
        ids, places, dice = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)], [np.empty((0, len(names)), np.float32)]
        for block in blocks:
            chosen = block.ids % np.uint64(passes) == part
            values = np.full((len(block), len(names)), np.nan, np.float32)
            place = {name: i for i, name in enumerate(block.names)}
            for column, name in enumerate(names):
                if name in place:
                    values[:, column] = block.dice[:, place[name]]
            ids.append(block.ids[chosen])
            places.append(block.places[chosen])
            dice.append(values[chosen])
        keys, values = np.concatenate(ids), np.concatenate(dice)
        order = np.argsort(keys)
        again = keys[order][1:] == keys[order][:-1]
        repeated = np.unique(keys[order][1:][again])
        several = np.flatnonzero(np.isin(keys, repeated))
        by_place = np.concatenate(places)[several]
        rank = np.argsort(by_place)
        return cls(keys[order], values[order], repeated, by_place[rank], values[several][rank])

    def find(self, block: ScanBlock) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The baseline's Dice for each sample of a block, NaN where it has none, and whether it has the sample."""
        found = np.full((len(block), self.dice.shape[1]), np.nan, np.float32)
        several = np.isin(block.ids, self.repeated)
        at, there = _lookup(self.ids, block.ids)
        at_place, there_too = _lookup(self.places, block.places)
        alone, among = there & ~several, there_too & several
        found[alone] = self.dice[at[alone]]
        found[among] = self.dice_of_places[at_place[among]]
        return found, alone | among


def _lookup(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    if not len(keys):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return at, keys[at] == wanted


def rows_of(run: Run, sample_ids: Iterable[str]) -> Iterator[pa.Table]:
    """The rows of some samples of a run, by their ids in full; a table for each sample that there is."""
    wanted = pa.array(sorted(set(sample_ids)), pa.string())
    if not len(wanted):
        return
    for block in sample_scan.blocks(run):
        hits = np.flatnonzero(pc.is_in(block.rows["sample_id"], wanted).to_numpy()) // len(block.names)
        yield from (block.sample(i) for i in np.unique(hits).tolist())
