"""Runs with a transform before the model: the numbers, what fails, what makes another run, pages and buckets."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dicebeam.components.decoding import decode_record
from dicebeam.components.model import fingerprints, local_copies, predictor
from dicebeam.components.model.predictor import Predictor
from dicebeam.components.model.scorer import Scorer
from dicebeam.components.runs import runs_row
from dicebeam.components.runtime import private_folder
from dicebeam.pipeline import cli
from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.nightly import report_models, verdict
from dicebeam.pipeline.plans import evaluation_plan, summary_plan
from dicebeam.pipeline.preflight import findings
from dicebeam.schemas import records
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import SampleError, StorageError, TablesError
from dicebeam.schemas.records import Batch, Lineage, Progress
from dicebeam.schemas.shards import Shard
from tests.real_data.test_real_data import CAMVID
from tests.support import builders, rewriting, run_rows
from tests.support.evaluating import evaluate, table
from tests.support.transforming import KEY, SIDE, network, record, save_baked, save_bare

IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32)
COUNTS = ["true_positives", "false_positives", "false_negatives", "pixels", "ignored_pixels"]
SOFT = ["soft_intersection", "soft_predicted", "soft_predicted_sq"]
RECORDS = [record(index) for index in range(13)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def settings(folder: Path, made_transform: str) -> dict[str, Any]:
    """A config of the bare model, with the transform before it."""
    shards(folder, 6, 7)
    bias = tf.TensorSpec([None, 3], tf.float32)
    return {
        "examples": f"{folder}/data-2/*",
        "model": save_bare(folder / "bare", network, image=IMAGES, bias=bias),
        "output": f"{folder}/out",
        "classes": ["a", "b", "c"],
        "ignore_label": 255,
        "batch_size": 4,
        "slices": ["site"],
        "bootstrap": {"replicates": 50},
        "input": {"transform": made_transform},
    }


def shards(folder: Path, *sizes: int) -> str:
    """The records in as many shards; gives their glob."""
    records = iter(RECORDS)
    for part, size in enumerate(sizes):
        builders.write_shard(folder / f"data-{len(sizes)}/part-{part}", [next(records) for _ in range(size)])
    return f"{folder}/data-{len(sizes)}/*"


def changed(data: bytes, **features: Any) -> bytes:
    """A record with other values; None leaves a feature out."""
    example = tf.train.Example.FromString(data)
    for name, value in features.items():
        key = name.replace("__", "/")
        if value is None:
            example.features.feature.pop(key, None)
        else:
            one = tf.train.Example.FromString(builders.example_of({key: value}))
            example.features.feature[key].CopyFrom(one.features.feature[key])
    return example.SerializeToString()


@pytest.fixture(scope="module")
def first(settings: dict[str, Any]) -> Any:
    return evaluate(settings, "first")


# numbers


def test_a_model_with_the_transform_in_it_gives_the_same_rows(settings, folder, made_transform, first):
    baked = {**settings, "model": save_baked(folder / "baked", made_transform), "input": {"kind": "example"}}
    other = evaluate(baked, "baked")
    rows = table(first, "samples")
    pd.testing.assert_frame_equal(table(other, "samples"), rows, check_exact=True)
    assert len(rows) == 3 * len(RECORDS)
    assert rows.true_positives.nunique() > 5
    two, one = (past.row for past in run_rows.finished_runs(settings["output"])[:2])
    same = ("config_fingerprint", "digest", "data_fingerprint")
    assert [one[name] for name in same] == [two[name] for name in same]
    assert (two["transform"], two["transform_fingerprint"]) == (None, None)
    assert one["transform"] == made_transform
    assert one["transform_fingerprint"] == fingerprints.transform_fingerprint(made_transform)


def test_the_counts_do_not_depend_on_the_shards(settings, folder, first):
    other = evaluate({**settings, "examples": shards(folder, 1, 5, 0, 7), "output": f"{folder}/sharded"})
    ours, theirs = (table(run, "samples").sort_values(["sample_id", "class_id"]) for run in (first, other))
    np.testing.assert_array_equal(ours[COUNTS], theirs[COUNTS])
    np.testing.assert_allclose(ours[SOFT], theirs[SOFT], rtol=1e-6)
    assert table(first, "runs").digest[0] == table(other, "runs").digest[0]


def test_images_of_several_sizes_have_the_counts_of_numpy(tmp_path, made_transform):
    rng = np.random.default_rng(5)
    sizes = [(4, 6), (6, 4), (4, 6), (8, 8), (6, 4), (4, 6)]
    images = [rng.permutation(3 * h * w).reshape(h, w, 3).astype(np.uint8) for h, w in sizes]  # no two are equal
    masks = [rng.integers(0, 3, size).astype(np.uint8) for size in sizes]
    records = [builders.sample(*pair, f"{i}.png") for i, pair in enumerate(zip(images, masks, strict=True))]
    builders.write_shard(tmp_path / "data/part-0", records)
    model = save_bare(tmp_path / "m", lambda image: {"p": tf.nn.softmax(image)}, image=IMAGES)
    config = {
        "examples": f"{tmp_path}/data/*",
        "model": model,
        "output": f"{tmp_path}/out",
        "classes": ["a", "b", "c"],
        "input": {"transform": made_transform, "feed": {"image": "unit"}},
    }
    rows = table(evaluate(config), "samples").set_index(["sample_id", "class_id"])
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        predicted = image.argmax(-1)
        for class_id in range(3):
            found = rows.loc[(f"{index}.png", class_id)]
            assert found.true_positives == np.sum((predicted == class_id) & (mask == class_id))
            assert found.false_positives == np.sum((predicted == class_id) & (mask != class_id))


def test_real_images_have_the_counts_of_the_model_that_parses_them_itself(real_data, tmp_path, made_transform):
    config = {
        "examples": f"{real_data}/camvid/tfrecord/val-00000*.tfrecord",
        "output": str(tmp_path),
        "classes": CAMVID,
        "ignore_label": 11,
    }
    models = f"{real_data}/camvid/models"
    baked = {"model": f"{models}/v1_examples", "input": {"kind": "example"}}
    bare = {"model": f"{models}/v1", "input": {"transform": made_transform, "feed": {"images": "unit"}}}
    theirs, ours = (table(evaluate({**config, **more}), "samples") for more in (baked, bare))
    assert len(ours) == 26 * 11
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


# failures


def test_what_the_transform_cannot_take_fails_alone(settings, tmp_path):
    png = tf.train.Example.FromString(RECORDS[1]).features.feature[KEY].bytes_list.value[0]
    bad = {
        1: (changed(RECORDS[1], image__encoded=png[:-30]), "model", "^the transform failed: Invalid PNG data"),
        2: (
            changed(RECORDS[2], gain=None),
            "decode",
            "^expected the feature 'gain', .* missing .* The transform reads",
        ),
        3: (
            changed(RECORDS[3], gain=[1.0, 2.0]),
            "model",
            "^the transform failed: .*gain.*Values size: 2 but output s",
        ),
        5: (changed(RECORDS[5], boosts="high"), "model", "^the transform failed: .*boosts.*Data types don't match"),
    }
    nothing = dict.fromkeys(("boosts", "lift__at", "lift__by", "rows__values"))  # which is empty, and no failure
    records = [bad[index][0] if index in bad else changed(data, **nothing) for index, data in enumerate(RECORDS[:8])]
    builders.write_shard(tmp_path / "data/part-0", records)
    bare = {**settings, "examples": f"{tmp_path}/data/*", "output": f"{tmp_path}/out", "max_failed_fraction": 0.5}
    run = evaluate(bare)
    failures = table(run, "failures").set_index("record")
    assert sorted(failures.index) == sorted(bad)
    for index, (_, stage, message) in bad.items():
        assert failures.stage[index] == stage
        assert failures.message.str.contains(message)[index], failures.message[index]
    assert sorted(set(table(run, "samples").record)) == [0, 4, 6, 7]


# another transform


@pytest.fixture(scope="module")
def other(folder: Path, made_transform: str, settings: dict[str, Any]) -> Config:
    """A run `other`, whose transform has other raw metadata and a path relative to the folder."""
    path = shutil.copytree(made_transform, folder / "other")
    with (path / "metadata/schema.pbtxt").open("a") as file:
        file.write("# another\n")
    checks = {"min_samples": 2, "checks": [{"metric": "dice_mean", "class": "a", "max_drop": 0.9}]}
    config = Config.model_validate({**settings, "input": {"transform": "other"}, "gate": checks})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        evaluate(config, "other")
    return config


def past_run(config: Config) -> Any:
    return next(past for past in run_rows.finished_runs(config.output) if past.run_id == "other")


@pytest.mark.usefixtures("other")
def test_a_run_does_not_go_on_with_another_transform(settings, folder, first):
    assert evaluate(settings, "first").run == first.run
    with pytest.raises(
        TablesError, match=r"run 'first' was begun with another transform: it had the fingerprint \w{12}"
    ):
        evaluate({**settings, "input": {"transform": f"{folder}/other"}}, "first")


@pytest.mark.usefixtures("first")
def test_another_transform_is_to_the_gate_what_another_model_is(folder, other, made_transform):
    found = verdict.decide(other, "other", "first")
    assert (found.verdict.verdict, found.verdict.baseline_run_id) == ("PASS", "first")
    (reason,) = found.verdict.reasons
    assert reason.startswith(f"the transform is another one: {made_transform} (")
    assert f" -> {folder}/other (" in reason
    assert reason.endswith("; the model is the same")


def test_a_summary_keeps_what_only_the_row_knows(folder, other):
    made = summary_plan.make_plan(other, "other", [])
    assert made.tables.tables.transform == f"{folder}/other"
    assert made.run.transform_fingerprint == fingerprints.transform_fingerprint(f"{folder}/other")


def test_rows_that_were_written_before_there_were_transforms_are_read(other, tmp_path):
    shutil.copytree(f"{other.output}/runs", tmp_path / "runs")
    for file in (tmp_path / "runs").rglob("part-0.parquet"):
        rewriting.rewrite(file, pq.ParquetFile(file).read().drop_columns(["transform", "transform_fingerprint"]))
    found = run_rows.finished_runs(str(tmp_path))
    assert {past.row["transform"] for past in found} == {None}
    assert runs_row.read(found[0].run)["transform_fingerprint"] is None


# pages and preflight


def test_masks_are_predicted_again_as_they_were_counted(settings):
    made = evaluation_plan.make_plan(Config.model_validate(settings), None, [])
    score, read = made.graph.score, made.graph.read.decode
    sample = decode_record.decode(records.Record(Lineage("s", 0, 0), RECORDS[4], 0), read)
    sums = Scorer(score).score(Batch(Shard("s", 1), 0, (sample,), (), Progress(1, 9, 0, done=True))).sums
    predicted = Predictor(score).predict(sample)
    counted = ~predictor.ignored(sample, read.labels)
    for class_id in range(3):
        now = predicted.of(class_id) & counted
        assert int(np.sum(predictor.truth(sample, class_id) & now)) == sums.true_positives[0, class_id]
    broken = decode_record.decode(records.Record(Lineage("s", 0, 0), changed(RECORDS[4], gain=[1.0]), 0), read)
    with pytest.raises(SampleError, match=r"the model failed: .*gain"):
        Predictor(score).predict(broken)


def test_a_page_predicts_with_the_transform_of_the_run_alone(folder, other):
    past = past_run(other)
    found = report_models.predictor(past, report_models.config_of(past, other))  # not where its path is relative to
    assert isinstance(found.model, Predictor)
    assert found.decode.required == ("gain", KEY)
    metadata = folder / "other/metadata/schema.pbtxt"
    text = metadata.read_text()
    metadata.write_text("")
    assert report_models.predictor(past, other).model == "other files are in the transform's folder now"
    metadata.write_text(text)
    (folder / "other/transform_fn").rename(folder / "other/away")
    assert "the transform before it, is not there any more" in str(report_models.predictor(past, other).model)
    (folder / "other/away").rename(folder / "other/transform_fn")


def problems(settings: dict[str, Any]) -> list[str]:
    found = findings.findings(Config.model_validate(settings), [])
    return [str(finding) for finding in found if finding.level == "problem"]


def test_preflight_looks_at_the_transform(settings, tmp_path):
    assert problems(settings) == []
    (nowhere,) = problems({**settings, "input": {"transform": str(tmp_path)}})
    assert "expected the folder transform_fn/" in nowhere
    builders.write_shard(tmp_path / "data/part-0", [changed(RECORDS[0], gain=None)])
    (missing,) = problems({**settings, "examples": f"{tmp_path}/data/*"})
    assert "expected the feature 'gain'" in missing


def test_a_transform_in_a_bucket_is_copied_once(made_transform, remote, tmp_path, monkeypatch):
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: str(temp))
    files = [path for path in Path(made_transform).rglob("*") if path.is_file()]
    remote.update({f"gs://b/t/{path.relative_to(made_transform)}": path.read_bytes() for path in files})
    remote["gs://b/t/transform_tmp/x"] = b"left over"
    fingerprint = fingerprints.transform_fingerprint("gs://b/t")
    assert fingerprint == fingerprints.transform_fingerprint(made_transform)
    (place,) = {local_copies.load("gs://b/t", fingerprint, local_copies.TRANSFORM, str) for _ in range(2)}
    assert sorted(path.name for path in Path(place).iterdir()) == ["metadata", "transform_fn"]
    assert fingerprints.transform_fingerprint(place) == fingerprint
    with pytest.raises(
        StorageError, match=r"transform gs://b/t: expected the one that the run was planned with, of .*"
    ):
        local_copies.load("gs://b/t", "another", local_copies.TRANSFORM, str)


# the config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"transform": "t", "kind": "image"}, "kind: a transform takes serialized tf.Examples, .* but it is 'image'"),
        ({"transform": "t", "kind": "encoded"}, "kind: a transform takes serialized tf.Examples, .* it is 'encoded'"),
        ({"transform": "t", "name": "x"}, "name: leave it out; the transform alone decides what the signature takes"),
        ({"transform": "t", "size": [4, 4], "scale": "none"}, "size, scale: leave it out"),
        ({"feed": {"image": "x"}}, "feed: .* but there is no transform"),
        ({"transform": ""}, "at least 1 character"),
    ],
)
def test_a_config_that_cannot_be_meant(settings, given, message):
    with pytest.raises(ValueError, match=message):
        Config.model_validate({**settings, "input": given})


def test_the_kind_need_not_be_said_and_a_dump_is_read_again(settings):
    config = Config.model_validate(settings)
    assert config.input.kind == "example"
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_what_feeds_what_is_in_the_config_fingerprint_and_the_transform_is_not(settings):
    def fingerprint(**more: Any) -> str:
        return Config.model_validate({**settings, "input": more}).fingerprint

    assert fingerprint(transform="a") == fingerprint(transform="b") == fingerprint(kind="example")
    assert fingerprint(transform="a", feed={"image": "x"}) != fingerprint(transform="a")


def test_the_command_line_says_what_there_is(settings, tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps({**settings, "output": f"{tmp_path}/out"}))
    assert config_file.load(str(path)).input.transform
    with pytest.raises(SystemExit) as stopped:
        cli.main(["evaluate", str(path), "--set", "input.feed.image=unity"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "input.feed asks for 'unity', which the transform does not give; it gives bias: float32 [?, 3]" in said
    assert f"image: float32 [?, {SIDE}, {SIDE}, 3]" in said
