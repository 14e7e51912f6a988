"""Runs a fuzz target: a bounded, always equal run with the tests, or for as long as the environment says.

DICEBEAM_FUZZ_SECONDS  seconds for all targets together, by their shares; without it each has its few executions
DICEBEAM_FUZZ_SEED     seed of the first execution, 0 unless given; the next ones count up
DICEBEAM_FUZZ_FINDS    folder for inputs that break a law, `.fuzz` unless given

A find says its seed: with that seed it is the first execution. The input of an execution that kills the process is in
the file TARGET.running.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS = float(os.environ.get("DICEBEAM_FUZZ_SECONDS", "0"))
FIRST_SEED = int(os.environ.get("DICEBEAM_FUZZ_SEED", "0"))
FINDS = Path(os.environ.get("DICEBEAM_FUZZ_FINDS", ".fuzz"))


@dataclass(frozen=True, slots=True)
class Target:
    """executions: in a bounded run. share: of the seconds of a long one."""

    name: str
    executions: int
    share: float

    def seeds(self) -> Iterator[int]:
        """Seeds until the target has had its executions or its time."""
        began, seed = time.monotonic(), FIRST_SEED
        while (time.monotonic() - began < SECONDS * self.share) if SECONDS else seed < FIRST_SEED + self.executions:
            yield seed
            seed += 1
        print(f"{self.name}: {seed - FIRST_SEED:,} executions")


def fuzz(target: Target, make: Callable[[random.Random], bytes], check: Callable[[bytes, random.Random], None]) -> None:
    """Make inputs and check that each has an allowed outcome.

    Args:
        target: how many, or how long.
        make: an input from a random generator; the same for the same generator.
        check: raises where a law is broken; any error that it lets through is a find.

    Raises:
        AssertionError: for the first find, with its seed and the file that its input was saved to.
    """
    for seed in target.seeds():
        rng = random.Random(f"{target.name} {seed}")
        data = make(rng)
        if SECONDS:
            save(f"{target.name}.running", data)
        try:
            check(data, rng)
        except Exception as error:
            path = save(f"{target.name}-{seed}.bin", data)
            msg = f"{target.name}, seed {seed}, input in {path}: {type(error).__name__}: {error}"
            raise AssertionError(msg) from error


def save(name: str, data: bytes) -> Path:
    """Keep an input in the folder of finds."""
    FINDS.mkdir(parents=True, exist_ok=True)
    path = FINDS / name
    path.write_bytes(data)
    return path
