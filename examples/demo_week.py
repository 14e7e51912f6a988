"""A week of nights on the demo, in about a minute: a history for every query of docs/guide/sql.md.

    dicebeam demo demo
    python -m examples.demo_week demo

prints each command of the week, and what it came to. The config is `demo/week.yaml`: the demo's, with `blessed` as
baseline and with checks of the data.

- Monday has nothing to be compared with (exit code 4); somebody looks at it and blesses it by hand.
- On Tuesday the worse model is tried, and regresses (1). On Wednesday the first one is back, and passes (0).
- On Thursday the images are three tenths brighter: the data drifted (5).
- On Friday a shard comes late, with a record that is no tf.Example and an image that was there before (5).
- Saturday is killed before its tables are written.
- On Sunday the worse model is tried again (1).

All runs have the date of today, and one process runs them all, so that TensorFlow is loaded once.
"""

import argparse
import contextlib
import io
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from dicebeam.components.reading import tfrecord
from dicebeam.pipeline import cli
from examples import brighter

DRIFT = [{"metric": "channel_mean", "max_shift": 0.1}, {"metric": "class_pixels", "max_ratio": 1.5}]

QUERY = "SELECT run_id, verdict, baseline_run_id, n_not_passed FROM gate_history ORDER BY decided"


def run(demo: Path, tell: Callable[[str], None]) -> Iterator[tuple[list[str], int]]:
    """Run the week in the folder of a demo that has no reports yet; gives each command and its exit code."""
    config = prepare(demo)
    for arguments in commands(demo, config):
        tell(f"$ {shlex.join(['dicebeam', *arguments])}")
        code, verdict = _command(arguments)
        tell(verdict or f"exit code {code}")
        if "saturday" in arguments:
            kill(demo, "saturday")
        yield arguments, code


def commands(demo: Path, config: Path) -> Iterator[list[str]]:
    """The arguments of every command, from Monday to Sunday."""
    worse = ["--set", f"model={demo}/models/v2"]
    bright = ["--set", f"examples={demo}/bright/*.tfrecord"]
    late = ["--set", f"examples=[{demo}/data/*.tfrecord, {demo}/late/*.tfrecord]"]
    yield ["nightly", f"{config}", "--run-id", "monday"]
    yield ["gate", f"{config}", "--bless", "monday"]
    yield ["nightly", f"{config}", "--run-id", "tuesday", *worse]
    yield ["nightly", f"{config}", "--run-id", "wednesday"]
    yield ["nightly", f"{config}", "--run-id", "thursday", *bright]
    yield ["nightly", f"{config}", "--run-id", "friday", *late]
    yield ["evaluate", f"{config}", "--run-id", "saturday"]
    yield ["nightly", f"{config}", "--run-id", "sunday", *worse]


def prepare(demo: Path) -> Path:
    """Write the week's config, the brighter images and the late shard; returns the config's path."""
    config = yaml.safe_load((demo / "config.yaml").read_text(encoding="utf-8"))
    config["gate"] = {**config["gate"], "baseline": "blessed", "drift": DRIFT}
    week = demo / "week.yaml"
    week.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    brighter.copy(demo / "data", demo / "bright", 1.3)
    with min((demo / "data").glob("*.tfrecord")).open("rb") as file:
        again = next(tfrecord.records(file, "shard")).data
    (demo / "late").mkdir()
    (demo / "late" / "val-late.tfrecord").write_bytes(tfrecord.frame(again) + tfrecord.frame(b"no tf.Example"))
    return week


def kill(demo: Path, run_id: str) -> None:
    """Leave of a run what one that was killed leaves: samples, and no row in `runs`."""
    for folder in demo.glob(f"reports/*/*/run_id={run_id}"):
        if folder.parent.parent.name != "samples":
            shutil.rmtree(folder)


def _command(arguments: list[str]) -> tuple[int, str]:
    """Run a command of dicebeam in this process; returns its exit code and the line with the verdict, if any."""
    out, code = io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            cli.main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, next((line for line in out.getvalue().splitlines() if line.startswith("gate: ")), "")


def main() -> None:
    """Run the week and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="the folder that `dicebeam demo` has made")
    demo = parser.parse_args().demo
    for _ in run(demo, print):
        pass
    print("\nNow ask it:", shlex.join(["dicebeam", "query", f"{demo}/reports", QUERY]))


if __name__ == "__main__":
    main()
