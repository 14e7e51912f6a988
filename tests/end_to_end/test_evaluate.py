"""The whole pipeline against plain NumPy on the same data, under several shardings, batch sizes and runner modes."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dicebeam.components.reading import tfrecord
from dicebeam.pipeline.runner import run
from dicebeam.schemas import records
from dicebeam.schemas.errors import ConfigError, ModelError, StorageError, TablesError
from tests.support import builders
from tests.support.evaluating import evaluate, table

CLASSES = ["ground", "leaf", "stem"]
IGNORE = 9
WEIGHTS = np.random.default_rng(1).normal(0, 2, (3, 3)).astype(np.float32)  # no round numbers: they make ties
BIAS = np.array([0.3, -0.2, 0.1], np.float32)
COUNTS = ["true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels"]
KEY = ["sample_id", "class_id"]


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a record was made of, before any encoding."""

    name: str
    site: str | None
    image: np.ndarray
    mask: np.ndarray


def scenes(count: int, seed: int = 3) -> list[Scene]:
    """Images of two sizes, sites of which one is missing at times, and masks with ignored pixels."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        height, width = [(24, 20), (17, 31)][rng.integers(2)]
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        mask = rng.choice([0, 0, 1, IGNORE] if i % 3 else [0, 1, 2, 2], (height, width)).astype(np.uint8)
        made.append(Scene(f"scene-{i:03d}.png", [None, "north", "south"][rng.integers(3)], image, mask))
    return made


def record(scene: Scene) -> bytes:
    return builders.sample(scene.image, scene.mask, scene.name, **({} if scene.site is None else {"site": scene.site}))


def write(folder: Path, made: list[Scene], shards: int, suffix: str = "") -> str:
    for i in range(shards):
        name = folder / f"part-{i}-of-{shards}.tfrecord{suffix}"
        builders.write_shard(name, [record(scene) for scene in made[i::shards]])
    return f"{folder}/part-*"


def oracle(made: list[Scene]) -> pd.DataFrame:
    """One row per sample and class in float64, by masks and loops; no TensorFlow, no formula of ours."""
    rows = []
    for scene in made:
        logits = (scene.image / 255.0) @ WEIGHTS.astype(np.float64) + BIAS
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        probs = odds / odds.sum(-1, keepdims=True)
        counts = scene.mask != IGNORE
        chosen = probs.argmax(-1)
        for class_id in range(len(CLASSES)):
            predicted = set(zip(*np.nonzero(counts & (chosen == class_id)), strict=True))
            actual = set(zip(*np.nonzero(counts & (scene.mask == class_id)), strict=True))
            p, y = probs[..., class_id][counts], (scene.mask == class_id)[counts]
            both, either = len(predicted & actual), len(predicted) + len(actual)
            rows.append(
                {
                    "sample_id": scene.name,
                    "class_id": class_id,
                    "true_positives": both,
                    "false_positives": len(predicted - actual),
                    "false_negatives": len(actual - predicted),
                    "pixels": scene.mask.size,
                    "ignored_pixels": int(np.sum(~counts)),
                    "soft_intersection": float(np.sum(y * p)),
                    "soft_predicted": float(np.sum(p)),
                    "soft_predicted_sq": float(np.sum(p * p)),
                    "dice": 2 * both / either if either else np.nan,
                    "site": scene.site,
                }
            )
    return pd.DataFrame(rows)


def linear(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"probabilities": tf.nn.softmax(images @ WEIGHTS + BIAS)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return builders.save_model(tmp_path_factory.mktemp("model") / "linear", linear, builders.images_spec())


@pytest.fixture(scope="module")
def made() -> list[Scene]:
    return scenes(45)


def config(examples: str, model: str, output: Path, **more: Any) -> dict[str, Any]:
    base = {"examples": examples, "model": model, "output": str(output), "classes": CLASSES, "ignore_label": IGNORE}
    return {**base, "slices": ["site"], "batch_size": 4, **more}


def assert_equals_oracle(samples: pd.DataFrame, expected: pd.DataFrame) -> None:
    ours, theirs = samples.sort_values(KEY).reset_index(), expected.sort_values(KEY).reset_index()
    assert ours[KEY].to_numpy().tolist() == theirs[KEY].to_numpy().tolist()
    pd.testing.assert_frame_equal(ours[COUNTS], theirs[COUNTS], check_dtype=True)
    np.testing.assert_allclose(ours.dice, theirs.dice, rtol=1e-14)
    for column in ("soft_intersection", "soft_predicted", "soft_predicted_sq"):
        np.testing.assert_allclose(ours[column], theirs[column], rtol=2e-6, err_msg=column)
    assert ours.site.fillna("none").tolist() == theirs.site.fillna("none").tolist()


@pytest.mark.parametrize(("shards", "batch_size", "suffix"), [(1, 16, ""), (3, 1, ""), (3, 7, ".gz"), (8, 64, "")])
def test_every_count_equals_numpy(
    shards: int, batch_size: int, suffix: str, made: list[Scene], model: str, tmp_path: Path
) -> None:
    examples = write(tmp_path / "data", made, shards, suffix)
    outcome = evaluate(config(examples, model, tmp_path / "out", batch_size=batch_size))
    assert len(list(Path(outcome.run.folder("samples")).iterdir())) == shards
    assert (outcome.row["shards"], outcome.row["records"], outcome.row["scored"]) == (shards, 45, 45)
    assert_equals_oracle(table(outcome, "samples"), oracle(made))


def test_classes_equal_a_groupby_over_the_oracle(made: list[Scene], model: str, tmp_path: Path) -> None:
    outcome = evaluate(config(write(tmp_path / "data", made, 3), model, tmp_path / "out"))
    expected = oracle(made)
    everything = expected.assign(slice="all")
    by_site = expected.assign(slice="site=" + expected.site.fillna("NULL"))
    groups = pd.concat([everything, by_site]).groupby(["slice", "class_id"])
    classes = outcome.classes.to_pandas().set_index(["slice", "class_id"]).sort_index()
    assert set(classes.index.get_level_values("slice")) == {"all", "site=north", "site=south", "site=NULL"}
    np.testing.assert_allclose(classes.dice_mean, groups.dice.mean(), rtol=1e-12)
    np.testing.assert_allclose(classes.dice_std, groups.dice.std(), rtol=1e-9)
    assert classes.true_positives.tolist() == groups.true_positives.sum().tolist()
    pooled = groups[COUNTS].sum()
    dice = 2 * pooled.true_positives / (2 * pooled.true_positives + pooled.false_positives + pooled.false_negatives)
    np.testing.assert_allclose(classes.dice_pooled, dice, rtol=1e-14)


def test_the_slices_table_is_the_mean_of_the_foreground_classes(made: list[Scene], model: str, tmp_path: Path) -> None:
    outcome = evaluate(config(write(tmp_path / "data", made, 2), model, tmp_path / "out"))
    means = outcome.classes.to_pandas().query("slice == 'site=north'").dice_mean
    row = outcome.slices.to_pandas().set_index("slice").loc["site=north"]
    assert row.dice_mean == pytest.approx(means.mean(), rel=1e-14)


MODES = {
    "multi_threading": ["--direct_num_workers=2", "--direct_running_mode=multi_threading"],
    "multi_processing": ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
}


@pytest.mark.parametrize("mode", MODES)
def test_runner_modes_give_the_same_rows(mode: str, made: list[Scene], model: str, tmp_path: Path) -> None:
    examples = write(tmp_path / "data", made, 5)
    expected = evaluate(config(examples, model, tmp_path / "out"))
    outcome = evaluate(config(examples, model, tmp_path / "out"), flags=MODES[mode])
    assert mode in outcome.row["runner"]
    assert outcome.row["digest"] == expected.row["digest"]
    ours, theirs = (table(o, "samples").sort_values(KEY, ignore_index=True) for o in (outcome, expected))
    pd.testing.assert_frame_equal(ours.drop(columns=_soft(ours)), theirs.drop(columns=_soft(theirs)))
    np.testing.assert_allclose(ours[_soft(ours)], theirs[_soft(theirs)], rtol=1e-9)


def _soft(frame: pd.DataFrame) -> list[str]:
    return [column for column in frame.columns if column.startswith("soft_")]


def _breakages() -> Iterator[tuple[str, bytes, str]]:
    image, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)
    yield "unmapped", builders.sample(image, mask + 7, "unmapped"), r"the mask holds 7; expected class ids 0 to 2"
    yield "other size", builders.sample(image, mask[:4], "other size"), r"the image is 8 x 8 but its mask is 4 x 8"
    yield "no image", builders.sample(b"hello", mask, "no image"), r"expected a PNG, JPEG, BMP or GIF"
    yield "no mask", builders.example(image__encoded=builders.png(image)), r"'image/segmentation/class/encoded'"
    yield "no example", b"what?", r"is not a tf.Example"


def test_bad_records_become_failures_and_their_neighbours_are_scored(
    made: list[Scene], model: str, tmp_path: Path
) -> None:
    good = [record(scene) for scene in made[:10]]
    bad = [data for _, data, _ in _breakages()]
    mixed = [data for pair in zip(good, bad, strict=False) for data in pair] + good[len(bad) :]
    builders.write_shard(tmp_path / "data" / "part-0", mixed)
    outcome = evaluate(config(f"{tmp_path}/data/part-*", model, tmp_path / "out"))
    assert (outcome.row["records"], outcome.row["scored"], outcome.row["failed"]) == (15, 10, 5)
    assert not outcome.valid
    assert_equals_oracle(table(outcome, "samples"), oracle(made[:10]))
    failures = table(outcome, "failures").sort_values("record")
    assert failures.record.tolist() == [1, 3, 5, 7, 9]
    for (_, _, message), written in zip(_breakages(), failures.message, strict=True):
        assert pd.Series([written]).str.contains(message, regex=True).all(), written


def test_failures_within_the_budget_leave_a_valid_run(made: list[Scene], model: str, tmp_path: Path) -> None:
    builders.write_shard(tmp_path / "data" / "part-0", [*(record(s) for s in made[:9]), b"what?"])
    outcome = evaluate(config(f"{tmp_path}/data/*", model, tmp_path / "out", max_failed_fraction=0.1))
    assert (outcome.valid, outcome.row["failed"], outcome.row["status"]) == (True, 1, "done")


def test_damaged_bytes_fail_their_record_alone(made: list[Scene], model: str, tmp_path: Path) -> None:
    path = builders.write_shard(tmp_path / "data" / "part-0", [record(s) for s in made[:4]])
    data = bytearray(path.read_bytes())
    second = 12 + len(record(made[0])) + 4
    data[second + 12 + 50] ^= 0xFF
    path.write_bytes(bytes(data))
    outcome = evaluate(config(str(path), model, tmp_path / "out"))
    failure = table(outcome, "failures").iloc[0]
    assert (failure.record, failure.byte_offset, failure.error) == (1, second, "data_checksum")
    assert_equals_oracle(table(outcome, "samples"), oracle([made[0], *made[2:4]]))


def test_a_shard_cut_short_is_within_no_budget(made: list[Scene], model: str, tmp_path: Path) -> None:
    """Nobody knows how many records it has lost."""
    path = builders.write_shard(tmp_path / "data" / "part-0", [record(s) for s in made])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    outcome = evaluate(config(str(path), model, tmp_path / "out", max_failed_fraction=0.5))
    assert outcome.row["failed"] == 1
    assert (outcome.valid, outcome.row["status"]) == (False, "shard_cut_short")
    accepting = evaluate(config(str(path), model, tmp_path / "out", max_failed_fraction=1.0))
    assert accepting.valid


def test_storage_that_fails_fails_the_run_and_commits_nothing_of_the_shard(
    made: list[Scene], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = write(tmp_path / "data", made, 3)
    original = tfrecord.records

    def failing(file: Any, shard: str, **known: Any) -> Iterator[records.Record]:
        for i, found in enumerate(original(file, shard, **known)):
            if i == 7 and "part-1-" in shard:
                raise OSError("503 Service Unavailable")
            yield found

    monkeypatch.setattr(tfrecord, "records", failing)
    settings = config(examples, model, tmp_path / "out", max_failed_fraction=0.9)
    with pytest.raises(StorageError, match=r"part-1-of-3.tfrecord cannot be read: 503 .* again with the same --run-id"):
        evaluate(settings, "r1")
    assert not list((tmp_path / "out").rglob("part-1-*"))
    monkeypatch.undo()
    assert_equals_oracle(table(evaluate(settings, "r1"), "samples"), oracle(made))


def test_a_foreground_class_without_a_channel_is_a_config_error(made: list[Scene], tmp_path: Path) -> None:
    red = builders.save_model(tmp_path / "m", lambda images: {"p": images[..., :1]}, builders.images_spec())
    settings = config(write(tmp_path / "data", made, 1), red, tmp_path / "out", output_kind="sigmoid")
    settings |= {"classes": ["ground", "leaf"], "foreground": ["ground"], "mask_values": {0: 0, 1: 1, 2: 1}}
    with pytest.raises(ConfigError, match=r"foreground: \['ground'\] has no channel in the model's output"):
        evaluate(settings)


def test_lineage_leads_back_to_the_record(made: list[Scene], model: str, tmp_path: Path) -> None:
    outcome = evaluate(config(write(tmp_path / "data", made, 4), model, tmp_path / "out"))
    row = table(outcome, "samples").iloc[-1]
    with Path(row.shard).open("rb") as file:
        file.seek(row.byte_offset)
        again = next(tfrecord.records(file, row.shard))
    assert again.data == record(next(s for s in made if s.name == row.sample_id))


def test_rows_are_in_record_order(made: list[Scene], model: str, tmp_path: Path) -> None:
    """Although two sizes alternate and each fills its own batches."""
    outcome = evaluate(config(write(tmp_path / "data", made, 1), model, tmp_path / "out", batch_size=8))
    records = table(outcome, "samples").record
    assert records.is_monotonic_increasing
    assert records.nunique() == 45


def test_an_interrupted_run_goes_on_with_the_missing_shards(made: list[Scene], model: str, tmp_path: Path) -> None:
    settings = config(write(tmp_path / "data", made, 4), model, tmp_path / "out")
    whole = evaluate(settings, "nightly")
    before = table(whole, "samples")
    files = sorted(Path(whole.run.folder("samples")).iterdir())
    kept = {file: file.stat().st_mtime_ns for file in files[1:]}
    files[0].unlink()
    (Path(whole.run.folder("runs")) / "part-0.parquet").unlink()
    again = evaluate(settings, "nightly")
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == kept
    assert files[0].exists()
    pd.testing.assert_frame_equal(table(again, "samples"), before)
    pd.testing.assert_frame_equal(again.classes.to_pandas(), whole.classes.to_pandas())
    assert again.row["digest"] == whole.row["digest"]


def test_a_run_id_of_another_config_is_refused(made: list[Scene], model: str, tmp_path: Path) -> None:
    settings = config(write(tmp_path / "data", made, 2), model, tmp_path / "out")
    evaluate(settings, "nightly")
    with pytest.raises(TablesError, match=r"run 'nightly' was begun with another config: threshold: 0.5 -> 0.4 \(see"):
        evaluate({**settings, "threshold": 0.4}, "nightly")


def test_a_run_id_of_another_model_is_refused(made: list[Scene], model: str, tmp_path: Path) -> None:
    settings = config(write(tmp_path / "data", made, 2), model, tmp_path / "out")
    evaluate(settings, "nightly")
    other = builders.save_model(tmp_path / "other", lambda images: linear(-images), builders.images_spec())
    with pytest.raises(TablesError, match=r"run 'nightly' was begun with another model"):
        evaluate({**settings, "model": other}, "nightly")


def test_a_run_id_with_fewer_examples_is_refused(made: list[Scene], model: str, tmp_path: Path) -> None:
    settings = config(write(tmp_path / "data", made, 3), model, tmp_path / "out")
    evaluate(settings, "nightly")
    with pytest.raises(TablesError, match=r"was begun with 3 shards, of which `examples` does not match 2 any more"):
        evaluate({**settings, "examples": f"{tmp_path}/data/part-0*"}, "nightly")


def test_the_runs_row_says_what_was_run(made: list[Scene], model: str, tmp_path: Path) -> None:
    row = evaluate(config(write(tmp_path / "data", made, 2), model, tmp_path / "out"), "r1").row
    assert json.loads(row["config"])["classes"] == CLASSES
    assert json.loads(row["versions"])["tensorflow"] == tf.__version__
    assert row["model"] == model
    assert len(row["config_fingerprint"]) == len(row["model_fingerprint"]) == 64
    assert row["runner"] == "FnApiRunner in_memory x1"
    assert row["started"] < row["finished"]
    assert row["samples_per_second"] == pytest.approx(45 / row["seconds"])


def test_an_empty_shard_is_a_shard_without_records(made: list[Scene], model: str, tmp_path: Path) -> None:
    write(tmp_path / "data", made[:5], 1)
    (tmp_path / "data" / "part-empty").touch()
    outcome = evaluate(config(f"{tmp_path}/data/part-*", model, tmp_path / "out"))
    assert (outcome.row["shards"], outcome.row["records"], outcome.valid) == (2, 5, True)


def test_a_run_that_scored_nothing_is_not_valid(model: str, tmp_path: Path) -> None:
    builders.write_shard(tmp_path / "data" / "part-0", [])
    outcome = evaluate(config(f"{tmp_path}/data/*", model, tmp_path / "out"))
    assert (outcome.row["status"], outcome.valid) == ("nothing_scored", False)


def test_no_matching_examples_are_a_config_error(model: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file matches '.*/nothing-\*'"):
        evaluate(config(f"{tmp_path}/nothing-*", model, tmp_path / "out"))


@pytest.mark.parametrize(
    "flags",
    [[], pytest.param(MODES["multi_processing"], marks=pytest.mark.long)],
    ids=["in_memory", "multi_processing"],
)
def test_a_model_error_comes_back_as_one(flags: list[str], made: list[Scene], tmp_path: Path) -> None:
    logits = builders.save_model(
        tmp_path / "logits", lambda images: {"logits": images @ WEIGHTS * 9}, builders.images_spec()
    )
    settings = config(write(tmp_path / "data", made, 2), logits, tmp_path / "out")
    with pytest.raises(ModelError, match=r"the values run from .* set output_kind: softmax_logits$"):
        evaluate(settings, flags=flags)
    assert not list((tmp_path / "out").glob("runs/**/*.parquet"))


def test_the_tfds_preset_and_a_mapping_read_the_same(made: list[Scene], model: str, tmp_path: Path) -> None:
    small = [scene for scene in made if scene.mask.max() < IGNORE][:6]
    for name, keys in (("tfds", ("image", "segmentation_mask", "file_name")), ("mine", ("a", "b", "c"))):
        records = [
            builders.example_of(dict(zip(keys, (builders.png(s.image), builders.png(s.mask), s.name), strict=True)))
            for s in small
        ]
        builders.write_shard(tmp_path / name / "part-0", records)
    mapping = {"image": "a", "mask": "b", "sample_id": "c"}
    frames = [
        table(evaluate(config(f"{tmp_path}/{n}/*", model, tmp_path / "out", features=f, slices=[])), "samples")
        for n, f in (("tfds", "tfds"), ("mine", mapping))
    ]
    pd.testing.assert_frame_equal(*(frame.drop(columns=["shard", "byte_offset"]) for frame in frames))


def test_raw_tensors_give_the_counts_of_their_png(made: list[Scene], model: str, tmp_path: Path) -> None:
    raw = [
        builders.example_of(
            {
                "pixels": scene.image.tobytes(),
                "shape": list(scene.image.shape),
                "ids": [int(v) for v in scene.mask.ravel()],
                "ids/shape": list(scene.mask.shape),
                "name": scene.name,
                **({"site": scene.site} if scene.site else {}),
            }
        )
        for scene in made
    ]
    builders.write_shard(tmp_path / "data" / "part-0", raw)
    features = {
        "image": {"key": "pixels", "shape": "shape", "dtype": "uint8"},
        "mask": {"key": "ids", "shape": "ids/shape", "dtype": "uint8"},
        "sample_id": "name",
    }
    outcome = evaluate(config(f"{tmp_path}/data/*", model, tmp_path / "out", features=features))
    assert_equals_oracle(table(outcome, "samples"), oracle(made))


def test_one_sigmoid_channel_scores_class_one_alone(tmp_path: Path) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2] = 255
    mask = np.zeros((4, 4), np.uint8)
    mask[:, :2] = 255
    builders.write_shard(tmp_path / "data" / "a", [builders.sample(image, mask)])
    red = builders.save_model(tmp_path / "m", lambda images: {"p": images[..., 0]}, builders.images_spec())
    outcome = evaluate(
        {
            "examples": f"{tmp_path}/data/a",
            "model": red,
            "output": str(tmp_path / "out"),
            "classes": ["background", "thing"],
            "output_kind": "sigmoid",
            "mask_values": {0: 0, 255: 1},
        }
    )
    row = table(outcome, "samples").iloc[0]
    assert len(table(outcome, "samples")) == 1
    assert (row.class_id, row.true_positives, row.false_positives, row.false_negatives) == (1, 4, 4, 4)
    assert outcome.slices.to_pandas().dice_mean.tolist() == [0.5]


def test_multi_label_masks_score_each_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 5, 3), np.uint8)
    mask = rng.integers(0, 2, (6, 5, 3), np.uint8)
    data = builders.example_of({"image": builders.png(image), "mask": mask.tobytes()})
    builders.write_shard(tmp_path / "data" / "a", [data])
    same = builders.save_model(tmp_path / "m", lambda images: {"p": images}, builders.images_spec())
    outcome = evaluate(
        {
            "examples": f"{tmp_path}/data/a",
            "model": same,
            "output": str(tmp_path / "out"),
            "classes": CLASSES,
            "output_kind": "sigmoid",
            "features": {"image": "image", "mask": {"key": "mask", "shape": [6, 5, 3], "dtype": "uint8"}},
        }
    )
    predicted = image / 255.0 > 0.5
    samples = table(outcome, "samples").set_index("class_id")
    for class_id in range(3):
        assert samples.true_positives[class_id] == np.sum(predicted[..., class_id] & (mask[..., class_id] == 1))
        assert samples.false_positives[class_id] == np.sum(predicted[..., class_id] & (mask[..., class_id] == 0))


def test_an_interrupt_in_a_worker_of_this_process_stays_one(
    made: list[Scene], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dicebeam.components.model.scorer.Scorer.score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(config(write(tmp_path / "data", made, 2), model, tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_worker_errors_keep_type_and_message() -> None:
    text = 'Traceback...\ndicebeam.schemas.errors.ModelError: model m: it failed [while running "X"]\n'
    known = run.raised_by_worker(RuntimeError(text))
    assert isinstance(known, ModelError)
    assert str(known).startswith("model m: it failed")
    assert run.raised_by_worker(RuntimeError("something else")) is None
