"""Runs as the gate sees them, made of chosen numbers; and runs on disk, made of chosen Dice."""

from dataclasses import replace

import numpy as np

from dicebeam.components.gate import checks as gate
from dicebeam.components.gate.checks import Compared
from dicebeam.components.gate.estimates import METRICS, Group
from dicebeam.schemas.config.gate import CheckConfig, GateConfig
from dicebeam.schemas.slices import FOREGROUND
from dicebeam.schemas.verdict import NO_BASELINE

REPLICATES = 2000
COMMON = np.random.default_rng(5).standard_normal(REPLICATES)
"""What both runs' replicates share: samples that are hard for both models."""


def group(class_id, name, value=0.8, error=0.0, n=400, seed=0, clusters=None, **more):
    """A group whose every metric has this value, and whose replicates err by `error` beside what the runs share."""
    own = np.random.default_rng([seed, 7]).standard_normal(REPLICATES)
    drawn = value + 0.05 * COMMON + error * (own - own.mean()) / own.std(ddof=1)
    counts = dict.fromkeys(("samples", "defined", "actual", "not_actual", "predicted"), n)
    of_clusters = None if clusters is None else dict.fromkeys(counts, clusters)
    made = Group(class_id, name, dict.fromkeys(METRICS, value), counts, of_clusters, dict.fromkeys(METRICS, drawn))
    return replace(made, **more)


def foreground(*members):
    """The mean of some classes, as `estimates.of_tables` has it."""
    mean = np.mean([list(each.values.values()) for each in members], axis=0)
    drawn = {metric: np.mean([each.replicates[metric] for each in members], axis=0) for metric in METRICS}
    most = max(members, key=lambda each: each.samples["samples"])
    values = dict(zip(METRICS, mean.tolist(), strict=True))
    return Group(None, FOREGROUND, values, most.samples, most.clusters, drawn, members)


def measured(*groups, name="all"):
    return {(name, each.class_id): each for each in groups}


def car(value=0.8, error=0.0, **more):
    return measured(group(1, "car", value, error, **more))


def checks(*given, **more):
    return GateConfig(checks=tuple(CheckConfig(**each) for each in given), **more)


def compared(now, before, of_run=None, of_run_before=None, **more):
    return Compared(now, before, of_run or {}, of_run_before or {}, **more)


def judge(now, before, *given, **more):
    """The verdicts of some checks."""
    return gate.decide(checks(*given, **more), compared(now, before, unlike=NO_BASELINE))


def judge_one(now, before, **check):
    (found,) = judge(now, before, {"metric": "dice_mean", "class": "car", **check})
    return found
