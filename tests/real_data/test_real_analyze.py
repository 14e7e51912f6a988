"""`analyze` of real images and volumes, against NumPy over their pixels and truth that other code counted.

Skipped, with the reason, where the data set is not beside the checkout.
"""

import io

import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from dicebeam.components.runs import run_tables
from dicebeam.pipeline.plans import analysis_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from tests.real_data.test_real_data import CAMVID, HIPPOCAMPUS

LEVELS = {"p01": 0.01, "p25": 0.25, "p50": 0.5, "p95": 0.95}


def analyze(**keys):
    with analysis_plan.planned(Config.model_validate(keys), "r1", []) as plan:
        run.finish(plan)
    return plan.run


def examples(pattern):
    files = sorted(tf.io.gfile.glob(pattern))
    for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
        yield tf.train.Example.FromString(record).features.feature


def assert_channel(row, pixels, rtol):
    pixels = pixels.astype(np.float64)
    assert (row["pixels"], row["min"], row["max"]) == (pixels.size, pixels.min(), pixels.max())
    np.testing.assert_allclose([row["mean"], row["std"]], [pixels.mean(), pixels.std()], rtol=1e-9)
    expected = np.quantile(pixels, list(LEVELS.values()), method="inverted_cdf")
    np.testing.assert_allclose([row[name] for name in LEVELS], expected, rtol=rtol)


def test_street_scenes_with_a_void_label(real_data, tmp_path):
    pattern = f"{real_data}/camvid/tfrecord/test-*.tfrecord"
    place = analyze(
        examples=pattern, model="none", output=str(tmp_path), classes=CAMVID, ignore_label=11, slices=["meta/sequence"]
    )
    truth = pd.read_csv(real_data / "camvid/truth/v1__test__ignore11.csv")
    classes = run_tables.read(place, "dataset_classes").to_pandas()
    np.testing.assert_array_equal(classes.pixels, truth.groupby("class_id").true_pixels.sum())
    np.testing.assert_array_equal(classes.samples, (truth.true_pixels > 0).groupby(truth.class_id).sum())
    slices = run_tables.read(place, "dataset_slices").to_pandas().set_index("slice")
    assert slices.n_samples.to_dict() == {"all": 233, "meta/sequence=0001TP": 62, "meta/sequence=Seq05VD": 171}
    assert (slices.pixels - slices.ignored_pixels)["all"] == truth[truth.class_id == 0].valid_pixels.sum()
    encoded = [found["image/encoded"].bytes_list.value[0] for found in examples(pattern)]
    images = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in encoded])
    for row in run_tables.read(place, "dataset_channels").to_pylist():
        assert_channel(row, images[..., row["channel"]].ravel(), 0)


def test_volumes_of_floats(real_data, tmp_path):
    pattern = f"{real_data}/hippocampus/tfrecord3d/test-*.tfrecord"
    keys = {
        "image": {"key": "volume/raw", "shape": "volume/shape", "dtype": "float32"},
        "mask": {"key": "label/raw", "shape": "volume/shape"},
        "sample_id": "volume/id",
    }
    place = analyze(examples=pattern, model="none", output=str(tmp_path), classes=HIPPOCAMPUS, features=keys)
    found = [
        {key: feature[key].bytes_list.value[0] for key in ("volume/raw", "label/raw")} for feature in examples(pattern)
    ]
    (row,) = run_tables.read(place, "dataset_channels").to_pylist()
    assert row["images"] == len(found) == 65
    assert_channel(row, np.concatenate([np.frombuffer(each["volume/raw"], "<f4") for each in found]), 2**-12)
    labels = np.concatenate([np.frombuffer(each["label/raw"], np.uint8) for each in found])
    assert run_tables.read(place, "dataset_classes")["pixels"].to_pylist() == np.bincount(labels).tolist()
    sizes = run_tables.read(place, "dataset_sizes").to_pylist()
    assert sum(size["n_samples"] for size in sizes) == 65
    assert all(size["depth"] is not None and size["channels"] == 1 for size in sizes)
