"""How often the gate raises a false alarm, and how often it finds a true drop: nights simulated through its own code.

Each night two models are scored on the same n samples: pixel counts are made, summed by the bootstrap of the tables,
and judged as `dicebeam gate` does. A sample is easy or hard for both models (Dice from a beta distribution, skewed to
the left), and each model errs on it in its own way, with heavier tails than the normal distribution (Student's t with 5
degrees of freedom). `--spread` is the standard deviation of the paired differences of one class; for two models on
CamVid it lies between 0.02 and 0.12. A class is absent from a quarter of the samples. A true drop scales every Dice of
the second model, so its mean falls by just that. The checks are those of three classes and of the foreground.

    python -m benchmarks.gate [--nights 2000] [--margin 0.02] [--spread 0.05] [--samples 25,50,100,200,400,800]
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from dicebeam.components.gate import checks as gate
from dicebeam.components.gate import estimates
from dicebeam.components.gate.checks import Compared
from dicebeam.components.gate.estimates import Estimates
from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.components.summary import slice_rows, slice_state
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from dicebeam.schemas.config.gate import CheckConfig, GateConfig
from dicebeam.schemas.records import SampleSums
from dicebeam.schemas.verdict import INCONCLUSIVE, PASS, REGRESSED

CLASSES = ClassSettings((0, 1, 2), ("a", "b", "c"), (0, 1, 2))
ABSENT, AREA, EASY = 0.25, 20_000, (8.0, 2.0)
_TAILS = 5
"""Degrees of freedom of the errors."""


@dataclass(frozen=True)
class Scenario:
    """Nights of one kind.

    drop: of the mean Dice, in every class or in the first alone. clusters: samples of a cluster share half of the
    variance of their differences; 0 for none. by_cluster: whether the gate knows of them.
    """

    name: str
    samples: int
    drop: float = 0.0
    margin: float = 0.02
    spread: float = 0.05
    one_class: bool = False
    clusters: int = 0
    by_cluster: bool = False


def scores(rng: np.random.Generator, scenario: Scenario) -> Iterator[np.ndarray]:
    """Dice of both models, `[n, C]` each."""
    shape = (scenario.samples, len(CLASSES.ids))
    easy = rng.beta(*EASY, shape)
    for model in range(2):
        errors = rng.standard_t(_TAILS, shape) / np.sqrt(_TAILS / (_TAILS - 2))
        if scenario.clusters:
            shared = rng.standard_normal((scenario.clusters, shape[1]))[np.arange(shape[0]) % scenario.clusters]
            errors = (errors + shared) / np.sqrt(2)
        dice = np.clip(easy + errors * scenario.spread / np.sqrt(2), 0, 1)
        fall = np.zeros(shape[1])
        if model:
            fall[: 1 if scenario.one_class else None] = scenario.drop / (EASY[0] / sum(EASY))
        yield dice * (1 - fall)


def run_of(dice: np.ndarray, there: np.ndarray, scenario: Scenario) -> Estimates:
    """What the gate knows of a run with these scores: as many pixels are predicted as there are."""
    actual = np.where(there, AREA, 0)
    hit = np.round(dice * actual).astype(np.int64)
    zeros = np.zeros(dice.shape)
    whole = np.full(len(dice), 4 * AREA)
    sums = SampleSums(hit, actual, actual, zeros, zeros, zeros, whole, whole * 0)
    units = np.arange(len(dice)) % scenario.clusters if scenario.by_cluster else np.arange(len(dice))
    settings = BootstrapSettings(by_cluster=scenario.by_cluster)
    totals = slice_state.totals(SampleBlock(id_hashes(str(i).encode() for i in units), sums), settings)
    rows = slice_rows.slice_tables("all", totals, CLASSES, keep_replicates=True)
    return estimates.of_tables(rows.classes, rows.slices, rows.replicates, CLASSES.ids)


def night(seed: int, scenario: Scenario) -> str:
    """The verdict of one night."""
    rng = np.random.default_rng([seed, scenario.samples])
    there = rng.random((scenario.samples, len(CLASSES.ids))) >= ABSENT
    before, now = (run_of(dice, there, scenario) for dice in scores(rng, scenario))
    checks = tuple(
        CheckConfig(metric="dice_mean", max_drop=scenario.margin, **{"class": name}) for name in ("*", "foreground")
    )
    found = gate.decide(GateConfig(checks=checks, min_samples=2), Compared(now, before, {}, {}))
    return gate.overall(found, valid=True)


def rates(pool: ProcessPoolExecutor, scenario: Scenario, nights: int) -> Counter[str]:
    """How many nights had each verdict."""
    return Counter(pool.map(partial(night, scenario=scenario), range(nights), chunksize=50))


def scenarios(margin: float, spread: float, sizes: list[int]) -> Iterator[Scenario]:
    """What is simulated, in order."""
    same = {"margin": margin, "spread": spread}
    for n in sizes:
        yield Scenario("no change", n, **same)
    yield Scenario("no change, margin 0", 200, 0.0, 0.0, spread)
    for n in sizes:
        yield Scenario("drop of 2 margins", n, 2 * margin, **same)
    yield Scenario("drop of 2 margins in 1 class of 3", 200, 2 * margin, one_class=True, **same)
    for times in (0.5, 1.0, 1.5):
        yield Scenario(f"drop of {times:g} margin{'s' * (times > 1)}", 200, times * margin, **same)
    yield Scenario("no change, margin 0, 20 clusters not told", 200, 0.0, 0.0, spread, clusters=20)
    yield Scenario("no change, margin 0, 20 clusters", 200, 0.0, 0.0, spread, clusters=20, by_cluster=True)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=2000)
    parser.add_argument("--margin", type=float, default=0.02)
    parser.add_argument("--spread", type=float, default=0.05)
    parser.add_argument("--samples", default="25,50,100,200,400,800")
    args = parser.parse_args()
    sizes = [int(n) for n in args.samples.split(",")]
    print(f"{args.nights:,} nights each, margin {args.margin}, spread of paired differences {args.spread}")
    print(f"{'':<42} {'n':>5} {REGRESSED:>10} {INCONCLUSIVE:>13} {PASS:>7}")
    with ProcessPoolExecutor() as pool:
        for scenario in scenarios(args.margin, args.spread, sizes):
            found = rates(pool, scenario, args.nights)
            parts = [f"{found[verdict] / args.nights:.1%}" for verdict in (REGRESSED, INCONCLUSIVE, PASS)]
            print(f"{scenario.name:<42} {scenario.samples:>5} {parts[0]:>10} {parts[1]:>13} {parts[2]:>7}", flush=True)


if __name__ == "__main__":
    main()
