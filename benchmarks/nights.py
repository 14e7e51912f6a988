"""Nights of two models on the same samples, drawn from what is said of each kind, and judged by the gate's own code.

A sample is easy or hard for both models (Dice from a beta distribution, skewed to the left), and each model errs on it
in its own way, with heavier tails than the normal distribution (Student's t with 5 degrees of freedom). A class is
absent from a quarter of the samples, unless the kind says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dicebeam.components.gate import checks as gate
from dicebeam.components.gate import estimates
from dicebeam.components.gate.checks import Compared
from dicebeam.components.gate.estimates import Estimates
from dicebeam.components.samples.sample_blocks import SampleBlock
from dicebeam.components.statistics import ratios
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.components.summary import slice_rows, slice_state
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings, Totals
from dicebeam.schemas.config.gate import CheckConfig, GateConfig
from dicebeam.schemas.records import SampleSums

CLASSES = ClassSettings((0, 1, 2), ("a", "b", "c"), (0, 1, 2))
ABSENT, AREA, EASY = 0.25, 20_000, (8.0, 2.0)
MEAN = EASY[0] / sum(EASY)
_TAILS = 5
"""Degrees of freedom of the errors."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """Dice of both models, `[n, C]` each, where each class is true, and where the first has false alarms."""

    before: Array
    now: Array
    there: NDArray[np.bool_]
    alarms_before: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Scenario:
    """Nights of one kind.

    size: of what is unusual, as `kind` has it. clusters: different ones, 0 for none; by_cluster: whether the gate knows
    of them. checks: the classes that are checked.
    """

    name: str
    kind: "Kind"
    samples: int
    margin: float = 0.02
    spread: float = 0.05
    size: float = 0.0
    clusters: int = 0
    by_cluster: bool = False
    checks: tuple[str, ...] = ("*", "foreground")


Kind = Callable[[np.random.Generator, Scenario], Drawn]


def cluster_of(scenario: Scenario) -> NDArray[np.int64]:
    """The cluster of each sample, or the sample itself."""
    places = np.arange(scenario.samples)
    return places % scenario.clusters if scenario.clusters else places


def no_change(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """Equal models. Samples of a cluster share half of the variance of their differences."""
    shape = (scenario.samples, len(CLASSES.ids))
    easy = rng.beta(*EASY, shape)
    dice = []
    for _ in range(2):
        errors = rng.standard_t(_TAILS, shape) / np.sqrt(_TAILS / (_TAILS - 2))
        if scenario.clusters:
            shared = rng.standard_normal((scenario.clusters, shape[1]))[cluster_of(scenario)]
            errors = (errors + shared) / np.sqrt(2)
        dice.append(np.clip(easy + errors * scenario.spread / np.sqrt(2), 0, 1))
    return Drawn(*dice, rng.random(shape) >= ABSENT)


def drop(rng: np.random.Generator, scenario: Scenario, classes: slice = slice(None)) -> Drawn:
    """Every Dice of the second model is smaller by the same part, so that means fall by `size`."""
    drawn = no_change(rng, scenario)
    drawn.now[:, classes] *= 1 - scenario.size / MEAN
    return drawn


def drop_of_one_class(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """The same in one class of three."""
    return drop(rng, scenario, slice(0, 1))


def misses(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """The second model misses so many samples whole that means fall by `size`."""
    drawn = no_change(rng, scenario)
    drawn.now[rng.random(drawn.now.shape) < scenario.size / MEAN] = 0
    return drawn


def half_misses(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """Half of the fall is by misses, half by all other samples."""
    drawn = no_change(rng, scenario)
    drawn.now[:] *= 1 - scenario.size / 2 / MEAN
    drawn.now[rng.random(drawn.now.shape) < scenario.size / 2 / MEAN] = 0
    return drawn


def catastrophes(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """The first model misses the part `size` of the samples, and is as much better on the others: means are equal."""
    drawn = no_change(rng, scenario)
    drawn.now[:] *= 1 - scenario.size
    drawn.before[rng.random(drawn.before.shape) < scenario.size] = 0
    return drawn


def rare_class(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """Equal models; the last class is in `size` samples, or clusters, alone."""
    drawn = no_change(rng, scenario)
    drawn.there[:, -1] = cluster_of(scenario) < scenario.size
    return drawn


def vanishing_alarms(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """The last class is in no mask, and its false alarms vanish; the others fall by `size`."""
    drawn = drop(rng, scenario)
    drawn.there[:, -1] = False
    alarms = np.zeros_like(drawn.there)
    alarms[:, -1] = rng.random(len(alarms)) < 1 / 4
    return Drawn(drawn.before, drawn.now, drawn.there, alarms)


def gain_and_loss(rng: np.random.Generator, scenario: Scenario) -> Drawn:
    """The first class falls by `size`, and the second rises by as much."""
    drawn = drop_of_one_class(rng, scenario)
    drawn.before[:, 1] *= 1 - scenario.size / MEAN
    return drawn


def run_of(dice: Array, there: NDArray[np.bool_], scenario: Scenario, alarms: NDArray[np.bool_] | None) -> Estimates:
    """What the gate knows of a run with these scores: as many pixels are predicted as there are."""
    actual = np.where(there, AREA, 0)
    hit = np.round(dice * actual).astype(np.int64)
    predicted = actual if alarms is None else actual + np.where(alarms, AREA, 0)
    predicted = np.where(there & (hit == 0), 0, predicted)
    zeros, whole = np.zeros(dice.shape), np.full(len(dice), 4 * AREA)
    sums = SampleSums(hit, predicted, actual, zeros, zeros, zeros, whole, whole * 0)
    units = cluster_of(scenario) if scenario.by_cluster else np.arange(len(dice))
    settings = BootstrapSettings(by_cluster=scenario.by_cluster)
    totals = slice_state.totals(SampleBlock(_hashes(tuple(units.tolist())), sums), settings)
    return _estimates(totals)


def _estimates(totals: Totals) -> Estimates:
    """What `estimates.of_tables` gives of the tables of a slice, without writing and reading them."""
    each, drawn = slice_rows.sums_of(totals), totals.replicates
    of_class = slice_rows.class_statistics(drawn)
    places = CLASSES.foreground
    replicates = {i: {name: values[:, i] for name, values in of_class.items()} for i in CLASSES.ids}
    together = slice_rows.foreground_statistics(drawn, each, places)
    means = slice_rows.class_statistics(each)
    clusters = totals.units() if len(totals.clusters.hashes) else dict.fromkeys(ratios.SAMPLES)
    rows = [
        {
            "class_id": i,
            "class_name": CLASSES.names[i],
            **{f"n_{state}": totals.states[i, code] for code, state in enumerate(ratios.STATES)},
            **{name: float(means[name][i]) for name in ("dice_mean", "iou_mean", "soft_dice_mean")},
            **dict(zip(("true_positives", "false_positives", "false_negatives"), totals.pixels[i], strict=False)),
            **{f"n_clusters_{kind}": None if counts is None else counts[i] for kind, counts in clusters.items()},
        }
        for i in CLASSES.ids
    ]
    return {("all", group.class_id): group for group in estimates.of_rows(rows, places, {**replicates, None: together})}


@cache
def _hashes(units: tuple[int, ...]) -> NDArray[np.uint64]:
    return id_hashes(str(i).encode() for i in units)


def night(seed: int, scenario: Scenario) -> str:
    """The verdict of one night."""
    rng = np.random.default_rng([seed, scenario.samples])
    drawn = scenario.kind(rng, scenario)
    before = run_of(drawn.before, drawn.there, scenario, drawn.alarms_before)
    now = run_of(drawn.now, drawn.there, scenario, None)
    checks = tuple(
        CheckConfig(metric="dice_mean", max_drop=scenario.margin, **{"class": name}) for name in scenario.checks
    )
    found = gate.decide(GateConfig(checks=checks, min_samples=2), Compared(now, before, {}, {}))
    return gate.overall(found, valid=True)
