"""Thirty nights of a team that gates its models with `dicebeam nightly`, in about a minute.

    python -m examples.thirty_nights FOLDER

makes thirty small models and a data set in FOLDER, runs `dicebeam nightly` on each in order, and prints what became of
them. FOLDER then holds the config, the tables and verdicts (`reports`), and what each night printed (`logs`).

What to look for:

- Night 1 has nothing to be compared with (exit code 4). Somebody looks at it and blesses it by hand.
- Night 6 has no model (2) and leaves no run; night 9 has corrupt shards (5), night 22 another class list (5). None of
  them becomes a baseline: the night after is compared with the last blessed one again.
- Night 13's model is better on some images and worse on others (3): too few images to say what that comes to.
- Night 17 regresses (1). Night 18 is compared with night 16, not with the bad one.
- The drift: every other night is a little worse than the one before, each by less than the margin, so it passes, and is
  the next one's baseline. Nothing that compares with last night sees this. The last column says what a baseline that
  stays, night 1, would have said: REGRESSED from night 13 on. With `blessed` alone it is the absolute limit, `min`,
  that ends the drift, in night 26, when more than four margins are lost.
- Night 28's model is a new one, and all is well again.

All nights have the date of today, and one process runs them all, so that TensorFlow is loaded once.
"""

import argparse
import contextlib
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicebeam.pipeline import cli
from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.nightly import verdict as gating
from dicebeam.schemas.verdict import GateVerdict
from examples import night_data

FIRST = "night-01"

QUERIES = {
    "The drift, in one query: each night against the first one": """\
SELECT run_id, round(value, 4) AS dice, round(value - first(value) OVER (ORDER BY run_id), 4) AS since_first,
  run_verdict
FROM verdicts WHERE metric = 'dice_mean' AND class_name = 'foreground' AND slice = 'all' AND limit_name = 'max_drop'
ORDER BY run_id""",
    "The nights that did not pass": """\
SELECT run_id, verdict, baseline_run_id AS baseline, n_not_passed || ' of ' || n_checks AS checks_not_passed
FROM gate_history WHERE verdict <> 'PASS' ORDER BY run_id""",
}

_CONFIG = {
    "batch_size": 80,
    "classes": list(night_data.CLASSES),
    "slices": ["light"],
    "gate": {
        "baseline": "blessed",
        "checks": [
            {"metric": "dice_mean", "class": "foreground", "max_drop": 0.01},
            {"metric": "dice_mean", "class": "foreground", "min": 0.9},
            {"metric": "dice_mean", "class": "*", "max_drop": 0.02},
            {"metric": "dice_mean", "class": "foreground", "slice": "light=*", "max_drop": 0.05},
            {"metric": "missed_rate", "class": "*", "max_rise": 0.05},
        ],
    },
}


@dataclass(frozen=True)
class Night:
    """One night: its model, and what is different."""

    number: int
    what: str
    shyness: float
    mood: float = 0.0
    data: str = "data"
    model: bool = True
    more_classes: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """`night-01`, so that ids sort as nights do."""
        return f"night-{self.number:02}"


@dataclass(frozen=True)
class Became:
    """What became of a night; no verdict where no run was left. fixed: the verdict had night 1 stayed the baseline."""

    night: Night
    exit_code: int
    verdict: GateVerdict | None = None
    fixed: str | None = None


def nights() -> Iterator[Night]:
    """All thirty, in order: a model that gets shier each night, and what else happens."""
    for number in range(1, 31):
        drift = -0.5 + 0.07 * (number - 1)
        special = {
            1: Night(number, "first night; then blessed by hand", drift),
            6: Night(number, "no model", drift, model=False),
            9: Night(number, "corrupt shards", drift, data="corrupt"),
            13: Night(number, "model of many minds", drift, mood=-1.6),
            17: Night(number, "a true regression", drift + 1.5),
            22: Night(number, "another class list", drift, more_classes=("ring",)),
            28: Night(number, "a new model", -0.5),
            29: Night(number, "drift", -0.43),
            30: Night(number, "drift", -0.36),
        }
        yield special.get(number, Night(number, "drift", drift))


def make(folder: Path) -> Path:
    """Write the data, whole and corrupt, the models and the config; returns the config's path.

    Raises:
        FileExistsError: if there is something already.
    """
    night_data.write_shards(folder / "data")
    night_data.write_corrupt_shards(folder / "corrupt")
    for night in nights():
        if night.model:
            path = folder / "models" / night.run_id
            night_data.save_model(path, night.shyness, night.mood, len(night.more_classes))
    config = folder / "config.yaml"
    paths = {"examples": f"{folder}/data/*.tfrecord", "model": f"{folder}/models/latest", "output": f"{folder}/reports"}
    config.write_text(json.dumps({**paths, **_CONFIG}, indent=1), encoding="utf-8")  # JSON is YAML
    (folder / "logs").mkdir()
    return config


def run(folder: Path) -> Iterator[Became]:
    """Run the nights, one after the other, in a folder that is new or empty."""
    config = make(folder)
    for night in nights():
        arguments = [str(config), "--run-id", night.run_id]
        arguments += [part for override in _overrides(folder, night) for part in ("--set", override)]
        exit_code = _command(folder / "logs" / f"{night.run_id}.txt", ["nightly", *arguments])
        files = list(folder.glob(f"reports/gate/*/run_id={night.run_id}/verdict.json"))
        verdict = GateVerdict.from_json(files[0].read_text(encoding="utf-8")) if files else None
        if night.run_id == FIRST:
            _command(folder / "logs" / "blessing.txt", ["gate", str(config), "--bless", FIRST])
        settings = config_file.load(str(config), _overrides(folder, night))
        compared = verdict is not None and night.run_id != FIRST
        fixed = gating.decide(settings, night.run_id, FIRST).verdict.verdict if compared else None  # writes nothing
        yield Became(night, exit_code, verdict, fixed)


def _overrides(folder: Path, night: Night) -> list[str]:
    """What `--set` changes in the config for a night."""
    classes = [f"classes={json.dumps([*night_data.CLASSES, *night.more_classes])}"] if night.more_classes else []
    return [f"model={folder}/models/{night.run_id}", f"examples={folder}/{night.data}/*.tfrecord", *classes]


def _command(log: Path, arguments: list[str]) -> int:
    """Run a command of dicebeam in this process, with what it prints in a file; returns its exit code."""
    with log.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        try:
            cli.main(arguments)
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def row(became: Became) -> str:
    """A line of the table."""
    cells = [f"{became.night.number}", became.night.what, f"{became.exit_code}"]
    if became.verdict is None:
        return _line([*cells, *["-"] * 5])
    headline = became.verdict.headline[0]
    numbers = ["-" if headline.value is None else f"{headline.value:.4f}"]
    numbers += ["-" if headline.difference is None else f"{headline.difference:+.4f}"]
    return _line([*cells, became.verdict.verdict, became.verdict.baseline_run_id or "-", *numbers, became.fixed or "-"])


def _line(cells: Sequence[str]) -> str:
    return "{:>5}  {:<33} {:>4}  {:<13} {:<8} {:>6} {:>10}  {}".format(*cells)


HEAD = _line(["night", "what was done", "exit", "verdict", "baseline", "Dice", "difference", "against night 1"])


def main() -> None:
    """Run the nights and print the table, and what to ask next."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new or empty folder")
    folder = parser.parse_args().folder
    print(HEAD)
    for became in run(folder):
        print(row(became), flush=True)
    for title, sql in QUERIES.items():
        print(f'\n{title}:\n\n{shlex.join(["dicebeam", "query", f"{folder}/reports"])} "{sql}"')
    print(f"\nWhat each night printed: {folder}/logs; its verdict: {folder}/reports/gate/*/run_id=night-*")


if __name__ == "__main__":
    main()
