"""`analyze` against NumPy and Pillow over the same records, on several shardings, runners and modes."""

import contextlib
import io
import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dicebeam.components.reading import tfrecord
from dicebeam.components.runs import accounting, analysis_files, run_tables
from dicebeam.pipeline import cli
from dicebeam.pipeline.plans import analysis_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from tests.support import builders
from tests.support.evaluating import evaluate

CLASSES = ["background", "car", "person", "ghost"]
QUANTILES = {"p01": 1, "p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99}
COUNT = 23


def png(array, palette=False):
    image = Image.fromarray(array)
    if palette:
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def pictures():
    """Images of many sizes, masks of class ids 0 to 2 with ignored pixels, every other one with a palette."""
    rng = np.random.default_rng(9)
    for number in range(COUNT):
        size = int(rng.integers(3, 20)), int(rng.integers(3, 20))
        mask = rng.choice(np.array([0, 0, 0, 1, 2, 255], np.uint8), size)
        mask[mask == 2] = 2 if number % 3 else 0
        yield rng.integers(0, 256, (*size, 3), np.uint8), mask, {"site": "AB"[number % 2], "age": 30 + number}


def records():
    found = []
    for number, (image, mask, more) in enumerate(pictures()):
        found.append(builders.sample(png(image), png(mask, palette=number % 2 == 0), f"s{number:02}", **more))
    return found


def write(folder, shards, bad=True):
    """Record i is in shard i modulo `shards`; in the last a record with a wrong mask and a damaged one follow."""
    parts = [b""] * shards
    for number, record in enumerate(records()):
        parts[number % shards] += tfrecord.frame(record)
    if bad:
        wrong = builders.sample(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 77), "wrong")
        damaged = bytearray(tfrecord.frame(builders.sample(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), "x")))
        damaged[-1] ^= 1
        parts[-1] += tfrecord.frame(wrong) + bytes(damaged)
    folder.mkdir()
    for number, data in enumerate(parts):
        (folder / f"part-{number}").write_bytes(data)
    return f"{folder}/part-*"


def expected():
    """Every statistic, from the pixels themselves in float64."""
    found = list(pictures())
    masks = [mask for _, mask, _ in found]
    everything = np.concatenate([mask.ravel() for mask in masks])
    counted = np.count_nonzero(everything != 255)
    channels = []
    for number in range(3):
        pixels = np.concatenate([image[..., number].ravel() for image, _, _ in found]).astype(np.float64)
        steps = np.quantile(pixels, [q / 100 for q in QUANTILES.values()], method="inverted_cdf")
        numbers = [pixels.mean(), pixels.std(), pixels.min(), *steps, pixels.max()]
        channels.append([number, COUNT, pixels.size, *numbers])
    classes = []
    for class_id, name in enumerate(CLASSES):
        n, samples = int((everything == class_id).sum()), sum(bool((mask == class_id).any()) for mask in masks)
        classes.append([class_id, name, n, samples, n / counted, samples / COUNT])
    slices = {"all": masks} | {f"site={site}": [m for _, m, more in found if more["site"] == site] for site in "AB"}
    for low, high in ((-np.inf, 40), (40, np.inf)):
        name = f"age=[{low:g},{high:g})"
        slices[name] = [m for _, m, more in found if low <= more["age"] < high]
    sizes = {}
    for image, _, _ in found:
        sizes[image.shape] = sizes.get(image.shape, 0) + 1
    counts = {
        name: [len(own), sum(m.size for m in own), sum(int((m == 255).sum()) for m in own)]
        for name, own in slices.items()
    }
    return channels, classes, counts, sizes


def settings(examples, output, **more):
    return Config.model_validate(
        {
            "examples": examples, "model": "no/such/model", "output": str(output), "classes": CLASSES,
            "ignore_label": 255, "slices": ["site", {"feature": "age", "edges": [40]}],
            "max_failed_fraction": 0.1, **more,
        }
    )  # fmt: skip


def analyze(config, *flags, run_id="r1"):
    with analysis_plan.planned(config, run_id, flags) as plan:
        run.finish(plan)
        temporary = Path(plan.graph.transform.temporary)
        assert temporary.is_dir()
    assert not temporary.exists()
    return plan.run


def rows(place, table):
    return [list(row.values()) for row in run_tables.read(place, table).to_pylist()]


def check(place):
    channels, classes, slices, sizes = expected()
    for ours, theirs in zip(rows(place, "dataset_channels"), channels, strict=True):
        assert ours[:3] == theirs[:3]
        assert ours[5:] == theirs[5:]  # of values that occur, exactly
        np.testing.assert_allclose(ours[3:5], theirs[3:5], rtol=1e-12)
    assert rows(place, "dataset_classes") == classes
    assert {name: numbers for name, *numbers in rows(place, "dataset_slices")} == slices
    found = {(height, width, channels): n for _, height, width, channels, n in rows(place, "dataset_sizes")}
    assert found == sizes
    failures = run_tables.read(place, "dataset_failures").to_pylist()
    assert [(f["stage"], f["sample_id"]) for f in failures] == [("mask", "wrong"), ("read", None)]
    assert "the mask holds 77; expected class ids 0 to 3" in failures[0]["message"]
    (row,) = run_tables.read(place, "datasets").to_pylist()
    assert (row["records"], row["analyzed"], row["failed"], row["status"]) == (COUNT + 2, COUNT, 2, "done")
    return row


def normalized(folder, batch):
    """What the graph gives for images of one size, as the library's own loader has it."""
    loaded = tf.saved_model.load(f"{folder}/transform_fn")
    inputs = {
        "image/encoded": tf.constant([png(image) for image in batch]),
        "dicebeam/block": tf.constant([b""] * len(batch)),
    }
    return loaded.transform_fn(inputs)["image"].to_tensor().numpy()


def config_file(folder, examples, **more):
    path = folder / "config.json"
    path.write_text(settings(examples, folder / "out", **more).model_dump_json(exclude={"gate", "bootstrap"}))
    return str(path)


def code(arguments):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    return end.value.code


@pytest.fixture(scope="module")
def commanded(tmp_path_factory):
    """A folder in which the command has analyzed one shard, and what it has printed."""
    folder, printed = tmp_path_factory.mktemp("analyze"), io.StringIO()
    config = config_file(folder, write(folder / "data", 1))
    with contextlib.redirect_stdout(printed):
        assert code(["analyze", config, "--run-id", "r1"]) == 0
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def one(commanded):
    return analysis_files.find(f"{commanded[0]}/out", "r1")


def test_one_shard(one):
    assert check(one)["shards"] == 1


def test_the_graph_brings_every_channel_to_mean_0_and_deviation_1(one):
    channels, _, _, _ = expected()
    mean, std = (np.array([row[place] for row in channels]) for place in (3, 4))
    batch = np.random.default_rng(1).integers(0, 256, (2, 5, 7, 3), np.uint8)
    (row,) = run_tables.read(one, "datasets").to_pylist()
    found = normalized(row["transform"], batch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (batch - mean) / std, rtol=1e-5, atol=1e-6)


def grey(images):
    flat = images[..., 0]
    return {"p": tf.nn.softmax(tf.stack([flat, flat, -flat, flat], -1))}


def test_threads_and_ranges_of_shards_beside_an_evaluation_of_the_same_id(tmp_path):
    model = builders.save_model(tmp_path / "model", grey, builders.images_spec())
    config = settings(write(tmp_path / "data", 2), tmp_path / "out", shard_split_bytes=2000, model=model)
    outcome = evaluate(config, "both")
    place = analyze(config, "--direct_running_mode=multi_threading", "--direct_num_workers=2", run_id="both")
    row = check(place)
    assert (row["shards"], row["runner"]) == (2, "FnApiRunner multi_threading x2")
    assert row["data_fingerprint"] == outcome.row["data_fingerprint"]
    assert place.eval_date == outcome.run.eval_date


@pytest.mark.long
def test_worker_processes(tmp_path):
    config = settings(write(tmp_path / "data", 5), tmp_path / "out")
    check(analyze(config, "--direct_running_mode=multi_processing", "--direct_num_workers=2"))


def test_what_is_printed(commanded):
    folder, printed = commanded
    assert "analyzed 23 of 25 records in 1 shards, 2 failed in" in printed
    assert "slices: age=[-inf,40): 10; age=[40,inf): 13; site=A: 12; site=B: 11" in printed
    assert "record 23 (byte " in printed
    assert f"dataset_transform {folder}/out/dataset_transform/eval_date=" in printed


def test_the_tables_can_be_queried_where_there_is_no_run(commanded, capsys):
    assert code(["query", f"{commanded[0]}/out", "SELECT images FROM dataset_channels WHERE channel = 2"]) == 0
    assert "23" in capsys.readouterr().out


def test_an_id_is_analyzed_once(commanded, capsys):
    assert code(["analyze", f"{commanded[0]}/config.json", "--run-id", "r1"]) == 2
    assert "the data of run 'r1' have been analyzed already: its row is in" in capsys.readouterr().err


def test_nothing_that_can_be_analyzed(tmp_path, capsys):
    builders.write_shard(tmp_path / "bad" / "part-0", [b"what?", b"nothing"])
    config = config_file(tmp_path, f"{tmp_path}/bad/*", max_failed_fraction=1)
    assert code(["analyze", config, "--run-id", "nothing"]) == 5
    assert "the analysis is nothing_analyzed: none of 2 records could be analyzed" in capsys.readouterr().err
    place = analysis_files.find(f"{tmp_path}/out", "nothing")
    assert rows(place, "dataset_channels") == []
    assert [row[2:] for row in rows(place, "dataset_classes")] == [[0, 0, None, None]] * 4
    assert (normalized(analysis_files.transform_folder(place), np.full((1, 2, 2, 3), 7, np.uint8)) == 7).all()


def test_why_an_analysis_is_not_valid():
    row = {"status": "over_failure_budget", "failed": 2, "records": 9}
    said = accounting.why_invalid(row, 0.1)
    assert said == "2 of 9 records failed, max_failed_fraction is 0.1"


def normalizing(mean, std):
    def model(images):
        normal = (tf.cast(images, tf.float32) - tf.constant(mean)) / tf.constant(std)
        return grey(normal)

    return model


def test_a_model_behind_the_graph_scores_as_one_that_normalizes_itself(commanded, tmp_path):
    folder, _ = commanded
    place = analysis_files.find(f"{folder}/out", "r1")
    limits = run_tables.read(place, "dataset_channels")
    mean, std = (np.array(limits[name], np.float32) for name in ("mean", "std"))
    alone = builders.save_model(tmp_path / "alone", normalizing(mean, std), builders.images_spec())
    bare = builders.save_model(tmp_path / "bare", grey, builders.images_spec())
    kinds = {
        alone: {"scale": "none"},
        bare: {"transform": analysis_files.transform_folder(place)},
    }
    first, second = (
        evaluate(settings(f"{folder}/data/*", tmp_path / "out", model=model, input=how)) for model, how in kinds.items()
    )
    assert second.row["digest"] == first.row["digest"]
    assert first.row["scored"] == COUNT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "examples=nowhere-*"], "no file matches 'nowhere-*'"),
        (["--run-id", "20261123"], "--run-id: expected a letter"),
        (["--set", "classes=[a]"], "classes"),
    ],
)
def test_what_cannot_work_is_said_in_a_line(tmp_path, capsys, arguments, message):
    config = config_file(tmp_path, write(tmp_path / "data", 1))
    assert code(["analyze", config, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_keras_stays_keras_3_beside_tensorflow_transform():
    assert "tensorflow_transform.keras_lib" in sys.modules
    assert tf.keras.__version__ == keras.__version__
    assert keras.__version__.startswith("3.")
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"  # what worker processes inherit
