"""What is wrong with every record ends a run before it begins; what is wrong with some does not."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dicebeam.components.model import saved_model, scorer
from dicebeam.components.reading import first_records, tfrecord
from dicebeam.components.runtime import gpus
from dicebeam.pipeline import cli
from dicebeam.pipeline.plans import evaluation_plan, trial
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ConfigError, DeviceError, DicebeamError, ModelError, SampleError, StorageError
from dicebeam.schemas.records import Sample
from tests.support import builders
from tests.support.evaluating import evaluate

IMAGE, MASK = np.full((4, 4, 3), 9, np.uint8), np.eye(4, dtype=np.uint8)
CURSED, NO_NUMBER, LOGITS = (np.full((4, 4, 3), value, np.uint8) for value in (255, 254, 253))
GOOD = builders.sample(IMAGE, MASK)
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def moody(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Fails on white images, gives NaN for those that are nearly white, and logits for the next."""

    def are(value: int) -> tf.Tensor:
        return tf.abs(images[..., :1] * 255 - value) < 0.1

    with tf.control_dependencies([tf.debugging.Assert(tf.logical_not(tf.reduce_any(are(255))), ["too bright"])]):
        probs = tf.where(are(254), np.nan, tf.nn.softmax(images[..., :2]))
    return {"p": tf.where(are(253), 7.0, probs)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return builders.save_model(tmp_path_factory.mktemp("model"), moody, builders.images_spec())


@pytest.fixture
def settings(model: str, tmp_path: Path) -> dict[str, Any]:
    files = {"examples": f"{tmp_path}/data/*", "model": model, "output": f"{tmp_path}/out"}
    return {**files, "classes": ["a", "b"], "bootstrap": {"replicates": 0}, "max_failed_fraction": 0.9}


def write(folder: Path, *shards: list[bytes]) -> None:
    for part, records in enumerate(shards):
        builders.write_shard(folder / "data" / f"part-{part:03}", records)


def tried(settings: dict[str, Any], *flags: str) -> list[str]:
    """What a trial says where it does not end the run."""
    said: list[str] = []
    with trial.tried(evaluation_plan.make_plan(Config.model_validate(settings), "r1", flags), said.append):
        pass
    return said


BAD = {
    "features": (builders.example(image__encoded=builders.png(IMAGE)), ConfigError, "expected the feature .*; fix f"),
    "no example": (b"what?", ConfigError, "is not a tf.Example: .*; fix features"),
    "mask": (builders.sample(IMAGE, MASK + 5), ConfigError, "the mask holds 5, 6; .*; fix classes, mask_values"),
    "image": (builders.sample(b"hello", MASK), SampleError, "expected a PNG, .*; fix the records, or features"),
    "sizes": (builders.sample(IMAGE[:2], MASK), SampleError, "the image is 2 x 4 but its mask is 4 x 4"),
    "fails": (builders.sample(CURSED, MASK), ModelError, r"\[too bright\]\. .*hold input.kind, .*inspect \S+mod"),
    "no number": (builders.sample(NO_NUMBER, MASK), ModelError, "NaN or infinite .*look at the model's weights"),
}  # fmt: skip


def some(cases: Iterable[str], short: set[str]) -> list[Any]:
    """All of them, of which `make test` has a few."""
    return [case if case in short else pytest.param(case, marks=pytest.mark.long) for case in cases]


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("count", [1, pytest.param(40, marks=pytest.mark.long)])
def test_what_every_record_has_ends_the_run_with_the_first_reason_and_a_remedy(
    settings: dict[str, Any], tmp_path: Path, case: str, count: int
) -> None:
    record, kind, said = BAD[case]
    write(tmp_path, *[[record]] * count)
    many = "the only one fails" if count == 1 else "all 32 records that were tried, from 32 shards, fail"
    with pytest.raises(DicebeamError, match=rf"but {many}: record 0 of \S+part-000, .*{said}") as raised:
        tried(settings)
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("case", some(BAD, {"features", "fails"}))
def test_a_first_shard_of_bad_records_among_good_ones_ends_nothing(
    settings: dict[str, Any], tmp_path: Path, case: str
) -> None:
    write(tmp_path, [BAD[case][0]] * 50, [GOOD])
    assert tried(settings) == []


@pytest.mark.parametrize("damaged", [b"a shard, says the label", tfrecord.frame(GOOD)[:-9] + b"123456789"])
def test_damaged_shards(settings: dict[str, Any], tmp_path: Path, damaged: bytes) -> None:
    write(tmp_path, [], [])
    (tmp_path / "data" / "part-000").write_bytes(damaged)
    kind = ConfigError if damaged[:1] == b"a" else SampleError
    with pytest.raises(kind, match="but the only one fails"):
        tried(settings)
    write(tmp_path, [GOOD])
    (tmp_path / "data" / "part-000").rename(tmp_path / "data" / "part-001")
    (tmp_path / "data" / "part-000").write_bytes(damaged)
    assert tried(settings) == []


@pytest.mark.parametrize("good_at", [pytest.param(0, marks=pytest.mark.long), 5, 31])
def test_a_data_set_of_few_records_is_tried_whole(settings: dict[str, Any], tmp_path: Path, good_at: int) -> None:
    records = [b"what?"] * 32
    records[good_at] = GOOD
    write(tmp_path, records[:1], records[1:3], [], records[3:])
    assert tried(settings) == []


@pytest.mark.long
def test_most_bad_records_do_not_hide_that_one_shard_of_many_is_good(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, *[[b"what?"] * 9] * 60, [GOOD])
    assert tried(settings) == []


def test_without_any_record_there_is_nothing_to_say(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, [], [])
    assert tried(settings) == []


def test_an_output_that_is_not_what_the_config_says_stays_the_configs_fault(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path, [builders.sample(LOGITS, MASK), GOOD])
    with pytest.raises(ModelError, match="which means probabilities, but the values run from 0 to 7"):
        tried(settings)


@pytest.mark.long
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_and_does_so_whichever_batch_finds_it(settings: dict[str, Any], tmp_path: Path, batch_size: int) -> None:
    write(tmp_path, [GOOD, builders.sample(CURSED, MASK), GOOD, GOOD], [GOOD, GOOD, builders.sample(LOGITS, MASK)])
    assert tried(settings) == []
    with pytest.raises(ModelError, match=r"the values run from 0 to 7 in \S+part-001, records [02] to 2;"):
        evaluate({**settings, "batch_size": batch_size}, "r1")


# once, and for all shards


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    own = saved_model.load
    monkeypatch.setattr(saved_model, "load", lambda settings: (made.append(settings), own(settings))[1])
    return made


def command(settings: dict[str, Any], folder: Path, *more: str, name: str = "evaluate") -> int:
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(SystemExit) as exited:
        cli.main([name, str(folder / "config.json"), "--run-id", "r1", *more])
    return int(exited.value.code or 0)


def test_the_graph_has_the_model_that_was_tried_and_lets_it_go(
    settings: dict[str, Any], tmp_path: Path, loads: list[Any]
) -> None:
    write(tmp_path, *[[GOOD] * 3] * 3)
    assert command(settings, tmp_path) == 0
    assert len(loads) == 1
    assert tried({**settings, "output": f"{tmp_path}/other"}) == []
    assert len(loads) == 2


def test_a_run_that_was_begun_is_not_tried_again(settings: dict[str, Any], tmp_path: Path, loads: list[Any]) -> None:
    write(tmp_path, [GOOD], [b"what?"])
    assert command(settings, tmp_path) == 0
    (failed,) = [path for path in tmp_path.rglob("samples/*/*/*.parquet") if not row_count(path)]
    failed.unlink()  # what is missing now are bad records alone, as after a kill
    loads.clear()
    assert tried(settings) == []
    assert loads == []


def row_count(path: Path) -> int:
    return int(pq.ParquetFile(path).metadata.num_rows)


@pytest.mark.parametrize("name", ["evaluate", "nightly"])
@pytest.mark.parametrize("flags", [[], ["--", *PROCESSES]], ids=["here", "processes"])
def test_the_commands_end_with_one_line_and_nothing_is_written(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, flags: list[str]
) -> None:
    write(tmp_path, [b"what?"] * 3)
    settings["gate"] = {"checks": [{"metric": "dice_mean", "class": "b", "min": 0.1}]}
    assert command(settings, tmp_path, *flags, name=name) == 2
    first, error = capsys.readouterr().err.splitlines()
    assert "run r1: 1 shards" in first
    assert "error: expected records that can be scored, but all 3 records that were tried, from 1 shards, fail" in error
    assert not list((tmp_path / "out").rglob("*.parquet"))


@pytest.mark.long
def test_with_one_good_record_the_budget_decides(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, [builders.sample(CURSED, MASK)] * 3, [GOOD])
    for budget, code in ((0.5, 5), (0.75, 0)):
        assert command({**settings, "max_failed_fraction": budget}, tmp_path) == code


# a machine that cannot try


def fail(error: Exception) -> Callable[..., Any]:
    def failing(*_: Any) -> Any:
        raise error

    return failing


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (tf.errors.InternalError(None, None, "CUDA_ERROR_ILLEGAL_ADDRESS"), "not tried here, .*CUDA_ERROR_ILL"),
        (tf.errors.InvalidArgumentError(None, None, "No OpKernel was registered for 'X'"), "not tried here, .*OpKer"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "a first record does not fit here, .*memory .*OOM"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["here", "processes"])
def test_what_the_device_cannot_do_is_not_the_records_fault(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str, flags: Any
) -> None:
    write(tmp_path, [GOOD] * 2)
    monkeypatch.setattr(scorer.score_function, "score_function", lambda *_: fail(error))
    (line,) = tried(settings, *flags)
    assert line.startswith("warning: ")
    assert re.search(said, line), line


def test_records_that_fail_beside_one_that_does_not_fit_end_nothing(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, [b"what?", GOOD])
    error = tf.errors.ResourceExhaustedError(None, None, "OOM")
    monkeypatch.setattr(scorer.score_function, "score_function", lambda *_: fail(error))
    assert len(tried(settings)) == 1


@pytest.mark.parametrize(
    "error", [ModelError("no such op"), StorageError("disk full"), DeviceError("no"), OSError("x")]
)
def test_a_model_that_only_the_workers_can_load(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(tmp_path, [GOOD])
    monkeypatch.setattr(saved_model, "load", fail(error))
    assert len(tried(settings, *PROCESSES)) == 1
    with pytest.raises(type(error)):
        tried(settings)


@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["here", "processes"])
def test_a_fixed_batch_that_does_not_fit_here(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    write(tmp_path, [GOOD])
    fixed = builders.save_model(tmp_path / "m", moody, builders.images_spec(batch=2))
    error = tf.errors.ResourceExhaustedError(None, None, "OOM")
    monkeypatch.setattr(scorer.score_function, "score_function", lambda *_: fail(error))
    (line,) = tried({**settings, "model": fixed, "batch_size": 2}, *flags)
    assert "not tried here" in line
    assert "out of memory with the signature's batch of 2" in line


def test_a_model_that_hangs(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [GOOD])
    settings["batch_timeout_seconds"] = 0.05
    monkeypatch.setattr(trial.time_limit, "call", fail(TimeoutError()))
    (line,) = tried(settings, *PROCESSES)
    assert line.endswith("no result after 0.05 s")
    with pytest.raises(ModelError, match=r"for .*part-000, records 0 to 0, within batch_timeout_seconds"):
        tried(settings)


@pytest.mark.parametrize(
    ("flags", "done"),
    [
        ([], ["prepared"]),
        (PROCESSES, ["hidden"]),
        (["--runner=PrismRunner"], ["prepared"]),
        (["--runner=DirectRunner"], ["prepared"]),
        (["--runner=FlinkRunner", "--environment_type=EXTERNAL"], ["hidden"]),
        (["--runner=FlinkRunner"], ["prepared"]),
    ],
)
def test_the_gpu_is_left_to_workers_only_where_they_are_surely_elsewhere(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], done: list[str]
) -> None:
    """A process that hides its GPU cannot have it back."""
    write(tmp_path, [b"what?", b"what?"])
    first: list[str] = []
    monkeypatch.setattr(gpus, "prepare", lambda *_: first.append("prepared"))
    monkeypatch.setattr(gpus, "hide", lambda _: first.append("hidden"))
    with pytest.raises(ConfigError):
        tried(settings, *flags)
    assert first == done


# the order


def read(order: Iterator[Any]) -> list[str]:
    return [sample.sample_id for sample in order if isinstance(sample, Sample)]


def test_records_come_in_turn_and_shards_that_cannot_be_read_are_left_out(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    write(tmp_path, *[[builders.sample(IMAGE, MASK, f"{s}{r}") for r in range(1 + s % 3)] for s in range(7)])
    plan = evaluation_plan.make_plan(Config.model_validate(settings), "r1", [])
    (tmp_path / "data" / "part-001").unlink()
    shards, decode = plan.shards, plan.graph.read.decode
    assert read(first_records.in_turn(shards, decode, 3)) == [
        "00",
        "30",
        "60",
        "20",
        "40",
        "50",
        "21",
        "41",
        "51",
        "22",
        "52",
    ]
    with nullcontext(first_records.in_turn(shards, decode, 9)) as lazily:
        assert next(lazily).sample_id == "00"
        (tmp_path / "data" / "part-006").unlink()
        assert "60" not in read(lazily)


def test_where_one_is_scored_no_other_is_looked_at(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, *[[GOOD]] * 3)
    plan = evaluation_plan.make_plan(Config.model_validate(settings), "r1", [])
    for part in (1, 2):
        (tmp_path / "data" / f"part-00{part}").unlink()
    asked: list[int] = []
    found = trial.first_scored(
        plan.shards,
        plan.graph.read.decode,
        lambda batch: (asked.append(len(batch)), SimpleNamespace(failures=()))[1],  # type: ignore[arg-type, return-value]
    )
    assert (asked, found.failures) == ([1], ())
    assert found.scored is not None
    assert found.scored.lineage.shard.endswith("part-000")
