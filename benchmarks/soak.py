"""A long evaluation with bad records, killed on its way, and held to exact accounting at its end.

    python -m benchmarks.soak

Generates small images in a temporary (or a given) folder, 1 % of the records bad in several ways, starts
`dicebeam evaluate` under one run id, kills it with SIGKILL at several shares of its shards, runs it to its end, and
compares what the tables hold with what was generated, record by record.
"""

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import processes
from dicebeam.pipeline.commands import library_output

library_output.load_tensorflow(verbose=False)

import numpy as np  # noqa: E402 - only now, so that TensorFlow's notices stay away

from benchmarks import synthetic  # noqa: E402
from dicebeam.components.explore import query  # noqa: E402
from dicebeam.components.reading import tfrecord  # noqa: E402

RUN_ID = "soak"
SIZE = 32
BAD_ONE_IN = 100
KEPT = 64
"""Different good records; making 100,000 would take longer than evaluating them."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Data:
    """What was generated: glob, number of records, and where the bad ones are."""

    examples: str
    records: int
    bad: frozenset[Place]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One process: seconds, peak resident bytes, and whether it was killed."""

    seconds: float
    peak_bytes: int
    killed: bool


def make_data(folder: Path, records: int, shards: int) -> Data:
    """Shards of good records, every hundredth replaced by a bad one; each kind of damage in turn."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    good = [synthetic.example(rng, i, SIZE) for i in range(KEPT)]
    damages = itertools.cycle(_bad_frames(good))
    bad: set[Place] = set()
    for shard in range(shards):
        path = folder / f"part-{shard:05d}-of-{shards:05d}.tfrecord"
        with path.open("wb") as file:
            for index, number in enumerate(range(shard, records, shards)):
                is_bad = rng.integers(BAD_ONE_IN) == 0
                file.write(next(damages) if is_bad else tfrecord.frame(good[number % KEPT]))
                if is_bad:
                    bad.add((str(path), index))
    return Data(f"{folder}/*.tfrecord", records, frozenset(bad))


def _bad_frames(good: Sequence[bytes]) -> list[bytes]:
    """Frames of records that cannot be scored: wrong checksum, no tf.Example, no image, cut image, wrong mask."""
    framed = bytearray(tfrecord.frame(good[0]))
    framed[40] ^= 1
    image, mask = synthetic.images(np.random.default_rng(8), SIZE)
    wrong = [
        b"no tf.Example at all",
        synthetic.record(b"", mask, "empty"),
        synthetic.record(image[: len(image) // 2], mask, "cut"),
        synthetic.record(image, synthetic.images(np.random.default_rng(8), 2 * SIZE)[1], "size"),
        synthetic.record(image, synthetic.png(np.full((SIZE, SIZE, 1), 77, np.uint8)), "unmapped"),
        synthetic.record(image, b"GIF89a", "mask"),
    ]
    return [bytes(framed), *map(tfrecord.frame, wrong)]


def evaluate(command: Sequence[str], samples: Path, until: int | None) -> Attempt:
    """Run the command to its end, or kill it once `until` sample files stand under their names.

    Raises:
        RuntimeError: if it ends otherwise than with exit code 0.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if until is not None and len(list(samples.glob("*/*/*.parquet"))) >= until:
                process.send_signal(signal.SIGKILL)
                _, status, usage = os.wait4(process.pid, 0)
                break
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, -signal.SIGKILL):
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{errors.read().decode(errors='replace')[-2000:]}")
    return Attempt(time.monotonic() - began, usage.ru_maxrss * 1024, process.returncode != 0)


def check(output: Path, data: Data) -> dict[str, int]:
    """Hold the tables against what was generated; returns how many rows each has.

    Raises:
        AssertionError: naming what does not add up.
    """

    def ask(sql: str) -> list[tuple[Any, ...]]:
        return query.query(str(output), sql).rows

    ((status, records, scored, failed),) = ask("SELECT status, records, scored, failed FROM runs")
    failures = ask("SELECT shard, record FROM failures")
    scores = ask("SELECT shard, record, count(*), count(DISTINCT class_id) FROM samples GROUP BY 1, 2")
    rows = {(shard, record): (n, classes) for shard, record, n, classes in scores}
    n_classes = len(synthetic.CLASSES)
    _hold("status", status, "done")
    _hold("records", (records, scored + failed), (data.records, data.records))
    _hold("failures, each once", Counter(failures), Counter(dict.fromkeys(data.bad, 1)))
    _hold("number of scored", (scored, len(rows)), (data.records - len(data.bad),) * 2)
    _hold("scored that are bad", set(rows) & data.bad, set())
    _hold("rows of a sample", set(rows.values()), {(n_classes, n_classes)})
    strange = [path for path in output.rglob("*.parquet") if path.name.startswith(".")]
    _hold("temporary files that readers see", strange, [])
    return {"samples": scored * n_classes, "failures": failed, "runs": 1}


def _hold(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: expected {str(expected)[:500]}, but got {str(found)[:500]}")


def soak(folder: Path, records: int, shards: int, kills: int) -> list[Attempt]:
    """Generate, evaluate with kills, check, and print what was measured."""
    began = time.monotonic()
    data = make_data(folder / "data", records, shards)
    model = synthetic.save_model(folder / "model")
    print(
        f"made {records:,} records in {shards} shards, {len(data.bad):,} of them bad, {time.monotonic() - began:.0f} s"
    )
    output = folder / "out"
    command = processes.evaluate_command(data.examples, model, str(output), synthetic.CLASSES)
    command += ["--run-id", RUN_ID, "--set", f"max_failed_fraction={3 / BAD_ONE_IN}"]
    attempts = []
    for number in range(kills + 1):
        until = None if number == kills else max(1, shards * (number + 1) // (kills + 1))
        attempts.append(evaluate(command, output / "samples", until))
        done = len(list((output / "samples").glob("*/*/*.parquet")))
        how = "killed" if attempts[-1].killed else "ended"
        print(f"{how} after {attempts[-1].seconds:.0f} s, {attempts[-1].peak_bytes / 1e6:.0f} MB, {done} shards done")
        if attempts[-1].killed:
            _hold("runs rows of an unfinished run", list(output.glob("runs/*/*/*.parquet")), [])
    rows = check(output, data)
    seconds, peak = sum(a.seconds for a in attempts), max(a.peak_bytes for a in attempts)
    counted = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    print(f"accounting is exact: rows {counted}; {seconds:.0f} s in all, peak memory {peak / 1e6:.0f} MB")
    return attempts


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    for name, default in (("records", 100_000), ("shards", 40), ("kills", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path, help="a new folder that is kept; else a temporary one")
    args = parser.parse_args(arguments)
    if args.folder:
        soak(args.folder, args.records, args.shards, args.kills)
        return
    with tempfile.TemporaryDirectory() as folder:
        soak(Path(folder), args.records, args.shards, args.kills)


if __name__ == "__main__":
    main(sys.argv[1:])
