"""How often the 95 % intervals of `classes` and `slices` hold the true value, for data sets drawn from what is known.

    python -m benchmarks.coverage [--sets 2000] [--only TEXT]

`objects`: sizes are log-normal; Dice of an object is Beta(9, 1) for large and worse for small ones, so that Dice is
skewed and goes with size, and some objects are missed whole. Clustered: 30 patients of 10 samples each, who share their
difficulty. `near 1`: Dice is Beta(200, 2), and some objects are missed. `foreground`: the mean of three classes, of
which the last is in `k` samples alone. True values are those of a population of two million. Beside dicebeam's interval
stands the plain percentile one of the same replicates.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dicebeam.components.statistics import bootstrap
from dicebeam.components.summary import slice_intervals
from dicebeam.components.summary.slice_rows import class_statistics, foreground_statistics, in_mean
from dicebeam.components.summary.slice_state import STATISTICS

REPLICATES, POPULATION, PATIENT = 1000, 2_000_000, 10
SHOWN = ("dice_mean", "dice_pooled")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class DataSets:
    """Sets of n samples; units are the samples, or the patients, that are resampled."""

    name: str
    n: int
    draw: Callable[[np.random.Generator, int], Array]
    patients: int = 0
    by_patient: bool = False


def sums(dice: Array, size: Array, rng: np.random.Generator, there: NDArray[np.bool_]) -> Array:
    """What the tables sum of each sample, `[n, C, STATISTICS]`, for a Dice of about this much."""
    tp = np.rint(size * dice)
    fp = np.rint((size - tp) * rng.random(size.shape)) * (dice > 0)
    fn = size - tp
    exact = 2 * tp / (2 * tp + fp + fn)
    one = np.ones(size.shape)
    columns = {
        "defined": one, "dice": exact, "iou": exact / (2 - exact), "soft_dice": exact,
        "true_positives": tp, "false_positives": fp, "false_negatives": fn, "actual": one, "missed": tp == 0,
    }  # fmt: skip
    return np.stack([columns[name] * there if name != "samples" else one for name in STATISTICS], axis=-1)


def objects(rng: np.random.Generator, n: int, missed: float, patients: int = 0) -> Array:
    """One class in every sample, `[n, 1, STATISTICS]`."""
    size = np.exp(rng.normal(7, 1, (n, 1))).astype(np.int64) + 20.0
    hard = np.repeat(rng.exponential(1, patients * n // (patients * PATIENT)), PATIENT)[:, None] if patients else 1.0
    dice = rng.beta(9, 1 + 200 / size * hard) * (rng.random((n, 1)) >= missed)
    return sums(dice, size, rng, np.ones((n, 1), bool))


def near_one(rng: np.random.Generator, n: int, missed: float) -> Array:
    """Objects of one size, almost perfect, some missed."""
    dice = rng.beta(200, 2, (n, 1)) * (rng.random((n, 1)) >= missed)
    return sums(dice, np.full((n, 1), 100_000.0), rng, np.ones((n, 1), bool))


def of_three_classes(rng: np.random.Generator, n: int, rare: int) -> Array:
    """Three classes, the last in `rare` samples of a set; in the population in all of them, as its mean is the same."""
    dice = rng.beta(9, 1.3, (n, 3)) * (rng.random((n, 3)) >= 0.02)
    there = np.ones((n, 3), bool)
    if n < POPULATION:
        there[rare:, -1] = False
    return sums(dice, np.full((n, 3), 100_000.0), rng, there)


def statistics(values: Array, replicates: Array, units: int) -> Iterator[tuple[str, float, float, float, Array]]:
    """Name, value, limits and replicates of what is shown of a set."""
    each = class_statistics(values), class_statistics(replicates)
    count = np.array([[values[c, STATISTICS.index("defined")] for c in range(len(values))]] * 5).astype(np.int64)
    behind = dict(
        zip(("samples", "defined", "actual", "not_actual", "predicted"), np.minimum(count, units), strict=True)
    )
    if len(values) == 1:
        limits = slice_intervals.of_classes(*each, behind)
        for name in SHOWN:
            yield (
                name,
                float(each[0][name][0]),
                *(float(limits[f"{name}_{end}"][0]) for end in ("low", "high")),
                each[1][name][:, 0],
            )
        return
    places = tuple(range(len(values)))
    together = foreground_statistics(values, values, places), foreground_statistics(replicates, values, places)
    limits = slice_intervals.of_foreground(together, each, behind, places, in_mean(values, places))
    for name in SHOWN:
        yield (
            name,
            float(together[0][name]),
            *(float(limits[f"{name}_{end}"]) for end in ("low", "high")),
            together[1][name],
        )


def truth(kind: DataSets, rng: np.random.Generator) -> dict[str, float]:
    """The values of a population."""
    population = kind.draw(rng, POPULATION).sum(axis=0)
    if len(population) == 1:
        return {name: float(class_statistics(population)[name][0]) for name in SHOWN}
    places = tuple(range(len(population)))
    return {name: float(foreground_statistics(population, population, places)[name]) for name in SHOWN}


def coverage(kind: DataSets, count: int, rng: np.random.Generator) -> Array:
    """Part of the sets whose interval, and whose percentile interval, hold the true value, `[2, SHOWN]`."""
    true, found = truth(kind, rng), []
    units = kind.patients if kind.by_patient else kind.n
    for _ in range(count):
        values = kind.draw(rng, kind.n)
        ids = np.repeat(rng.integers(0, 2**63, units, np.uint64), kind.n // units)
        flat = values.reshape(kind.n, -1)
        drawn = bootstrap.replicate_sums(ids, flat, REPLICATES, seed=0).reshape(REPLICATES, *values.shape[1:])
        held = []
        for name, _value, low, high, of_name in statistics(values.sum(axis=0), drawn, units):
            plain_low, plain_high = np.nanquantile(of_name, [0.025, 0.975])
            held.append([low <= true[name] <= high, plain_low <= true[name] <= plain_high])
        found.append(np.array(held).T)
    return np.mean(found, axis=0)


def kinds() -> Iterator[DataSets]:
    """What is drawn, in order."""
    for missed in (0.03, 0.0):
        for n in (10, 30, 50, 100, 300, 1000):
            yield DataSets(f"objects, {missed:.0%} missed", n, partial(objects, missed=missed))
    for missed in (0.03, 0.01, 0.0):
        for n in (10, 30, 50, 100, 300, 1000):
            yield DataSets(f"near 1, {missed:.0%} missed", n, partial(near_one, missed=missed))
    for by_patient in (True, False):
        name = "objects of 30 patients" + (", by cluster" if by_patient else "")
        yield DataSets(name, 300, partial(objects, missed=0.03, patients=30), 30, by_patient)
    for n, rare in ((30, 30), (100, 100), (200, 30), (200, 10), (200, 5)):
        yield DataSets(f"foreground, a class in {rare}", n, partial(of_three_classes, rare=rare))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000, help="simulated data sets")
    parser.add_argument("--only", default="", help="kinds whose line has this text")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{args.sets} data sets, {REPLICATES} replicates: part of the 95 % intervals that hold the true value")
    print(f"{'':36}{'dicebeam':>20}{'plain percentile':>20}")
    print(f"{'':30}{'n':>6}" + f"{'mean':>10}{'pooled':>10}" * 2)
    for kind in kinds():
        if args.only in kind.name:
            found = coverage(kind, args.sets, rng).ravel()
            print(f"{kind.name:30}{kind.n:>6}" + "".join(f"{rate:10.3f}" for rate in found), flush=True)


if __name__ == "__main__":
    main()
