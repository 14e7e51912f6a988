"""A data set whose second shard a model hangs on for as long as a file is not there, and commands that meet it."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dicebeam.pipeline.config import config_file
from tests.support import builders
from tests.support.evaluating import evaluate, table
from tests.support.paths import ROOT

GUARD_SECONDS = 200
BRIGHT = 255
INTERRUPTED = "dicebeam: interrupted; finished shards are kept; to resume:"


class Case(NamedTuple):
    """A data set of two shards, its config, and the file that lets the model go on."""

    config: Path
    output: Path
    gate: Path

    def begun(self) -> int:
        """How often the model was asked for the second shard."""
        return len(list(self.gate.parent.glob("begun-*")))


def make(tmp_path: Path) -> Case:
    """The data set, its model and its config in a folder."""
    gate = tmp_path / "open"

    def hang(images: tf.Tensor) -> dict[str, tf.Tensor]:
        bright = tf.reduce_max(images) >= 1.0

        def closed(count: tf.Tensor) -> tf.Tensor:
            nothing = tf.strings.substr(tf.strings.as_string(count), 0, 0)  # or the graph would look once
            return bright & (tf.size(tf.io.matching_files(str(gate) + nothing)) == 0)

        def begin() -> tf.Tensor:
            name = tf.strings.join(
                [f"{tmp_path}/begun-", tf.strings.as_string(tf.cast(tf.timestamp() * 1e6, tf.int64))]
            )
            with tf.control_dependencies([tf.io.write_file(name, "")]):
                return tf.constant(0, tf.int64)

        begun = tf.cond(bright, begin, lambda: tf.constant(0, tf.int64))
        waited = tf.while_loop(closed, lambda count: [count + 1], [begun])[0]
        wait = tf.cast(tf.minimum(waited, 0), tf.float32)  # always 0, and not to be left out
        return {"probs": tf.nn.softmax(tf.stack([images[..., 0] + wait, images[..., 1]], -1))}

    for shard, level in enumerate([100, BRIGHT]):
        scenes = [(np.full((4, 4, 3), level - i * 10, np.uint8), np.eye(4, dtype=np.uint8)) for i in range(2)]
        records = [builders.sample(image, mask, f"{shard}-{i}.png") for i, (image, mask) in enumerate(scenes)]
        builders.write_shard(tmp_path / "data" / f"part-{shard}.tfrecord", records)
    config = {
        "examples": f"{tmp_path}/data/*",
        "model": builders.save_model(tmp_path / "model", hang, builders.images_spec()),
        "output": f"{tmp_path}/out",
        "classes": ["a", "b"],
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    return Case(tmp_path / "config.yaml", tmp_path / "out", gate)


class Run:
    """`dicebeam evaluate` as a process of its own, in a session of its own."""

    def __init__(self, case: Case, *arguments: str) -> None:
        command = [sys.executable, "-m", "dicebeam", "evaluate", str(case.config), "--run-id", "night", *arguments]
        self.case = case
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
        )

    def wait_for_the_first_shard(self) -> list[int]:
        """Until the first shard is committed: the workers' process ids."""
        deadline = time.monotonic() + GUARD_SECONDS
        while not self.first_shard_is_there():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return children(self.process.pid)

    def first_shard_is_there(self) -> bool:
        """Whether a shard is committed, by a run that goes on."""
        assert self.process.poll() is None, self.process.communicate()
        return bool(list(self.case.output.glob("samples/*/*/part-*.parquet")))

    def end(self) -> tuple[int, str]:
        """Its exit code and standard error."""
        try:
            _, errors = self.process.communicate(timeout=GUARD_SECONDS)
        finally:
            self.process.kill()
        return self.process.returncode, errors


def children(parent: int) -> list[int]:
    """Process ids, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def check_it_goes_on(case: Case) -> None:
    """With a model that no longer hangs, the run is completed, and its first shard is not scored again."""
    (first,) = case.output.glob("samples/*/*/part-0*.parquet")
    before = first.stat().st_mtime_ns
    assert not list(case.output.glob("runs/*/*/*.parquet"))
    case.gate.touch()
    outcome = evaluate(config_file.load(str(case.config), []), "night")
    assert (outcome.row["records"], outcome.row["scored"], outcome.row["failed"]) == (4, 4, 0)
    assert sorted(set(table(outcome, "samples")["sample_id"])) == ["0-0.png", "0-1.png", "1-0.png", "1-1.png"]
    assert first.stat().st_mtime_ns == before
