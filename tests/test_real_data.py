"""Real segmentation data against truth that independent NumPy code computed: exact counts, close soft sums.

Skipped, with the reason, where the data set is not beside the checkout.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests import builders
from tests.evaluating import evaluate, table

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
HIPPOCAMPUS = ["background", "anterior", "posterior"]
VOID_IS_NO_CLASS = {"mask_values": {**{i: i for i in range(11)}, 11: None}}
VOID_IS_IGNORED = {"ignore_label": 11}


def camvid(root: Path, tmp_path: Path, model: str, split: str = "test", **more: Any) -> dict[str, Any]:
    return {
        "examples": f"{root}/camvid/tfrecord/{split}-*.tfrecord",
        "model": f"{root}/camvid/models/{model}",
        "output": str(tmp_path),
        "classes": CAMVID,
        **(more or VOID_IS_IGNORED),
    }


def assert_equal_to_truth(samples: pd.DataFrame, truth_file: Path) -> None:
    truth = pd.read_csv(truth_file).set_index(["sample_id", "class_id"]).sort_index()
    ours = samples.set_index(["sample_id", "class_id"]).sort_index()
    assert list(ours.index) == list(truth.index)
    np.testing.assert_array_equal(ours.true_positives, truth.tp)
    np.testing.assert_array_equal(ours.true_positives + ours.false_positives, truth.pred_pixels)
    np.testing.assert_array_equal(ours.true_positives + ours.false_negatives, truth.true_pixels)
    np.testing.assert_array_equal(ours.pixels - ours.ignored_pixels, truth.valid_pixels)
    np.testing.assert_allclose(ours.dice, truth.hard_dice, rtol=1e-12)  # NaN equals NaN here
    np.testing.assert_allclose(ours.soft_intersection, truth.soft_intersection, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.soft_predicted, truth.soft_pred_sum, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.soft_predicted_sq, truth.soft_pred_sq_sum, rtol=1e-4, atol=1e-6)


MULTI = {"output_name": "probabilities", **VOID_IS_IGNORED}
CASES = {
    "v1": ("v1", "test", VOID_IS_IGNORED, "v1__test__ignore11"),
    "void_as_no_class": ("v1", "test", VOID_IS_NO_CLASS, "v1__test"),
    "validation_split": ("v1", "val", VOID_IS_IGNORED, "v1__val__ignore11"),
    "collapsed_model": ("v2", "test", VOID_IS_IGNORED, "v2__test__ignore11"),
    "subtle_regression": ("v3_noisy", "test", VOID_IS_IGNORED, "v3_noisy__test__ignore11"),
    "encoded_images": ("v1_png", "test", {"input": {"kind": "encoded"}, **VOID_IS_IGNORED}, "v1_png__test__ignore11"),
    "serialized_examples": (
        "v1_examples",
        "test",
        {"input": {"kind": "example"}, **VOID_IS_IGNORED},
        "v1_examples__test__ignore11",
    ),
    "one_of_two_outputs": ("v1_multi", "test", MULTI, "v1__test__ignore11"),
    "logits_signature": (
        "v1_multi",
        "test",
        {"input": {"signature": "serving_logits"}, "output_kind": "softmax_logits", **VOID_IS_IGNORED},
        "v1__test__ignore11",
    ),
    "examples_signature": (
        "v1_multi",
        "test",
        {"input": {"signature": "serving_examples", "kind": "example"}, **VOID_IS_IGNORED},
        "v1_examples__test__ignore11",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_camvid_counts_are_exact(case: str, real_data: Path, tmp_path: Path) -> None:
    model, split, more, truth = CASES[case]
    outcome = evaluate(camvid(real_data, tmp_path, model, split, **more))
    assert outcome.valid
    assert_equal_to_truth(table(outcome, "samples"), real_data / "camvid" / "truth" / f"{truth}.csv")


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_hippocampus_counts_are_exact_from_logits(model: str, real_data: Path, tmp_path: Path) -> None:
    config = {
        "examples": f"{real_data}/hippocampus/tfrecord/test-*.tfrecord",
        "model": f"{real_data}/hippocampus/models/{model}",
        "output": str(tmp_path),
        "classes": HIPPOCAMPUS,
        "output_kind": "softmax_logits",
        "batch_size": 64,
    }
    outcome = evaluate(config)
    samples = table(outcome, "samples")
    assert outcome.row["scored"] == 3307
    assert_equal_to_truth(samples, real_data / "hippocampus" / "truth" / f"{model}__test.csv")
    assert (samples.dice.isna() == (samples.state == "absent")).all()


def test_class_id_output_gives_the_same_counts(real_data: Path, tmp_path: Path) -> None:
    more = {"output_name": "class_ids", "output_kind": "class_ids", **VOID_IS_IGNORED}
    samples = table(evaluate(camvid(real_data, tmp_path, "v1_multi", **more)), "samples")
    truth = pd.read_csv(real_data / "camvid" / "truth" / "v1__test__ignore11.csv")
    merged = samples.merge(truth, on=["sample_id", "class_id"])
    assert len(merged) == len(truth) == len(samples)
    np.testing.assert_array_equal(merged.true_positives, merged.tp)
    np.testing.assert_array_equal(merged.soft_predicted, merged.pred_pixels)


def test_slices_equal_the_grouped_truth(real_data: Path, tmp_path: Path) -> None:
    outcome = evaluate(camvid(real_data, tmp_path, "v1", slices=["meta/sequence"], **VOID_IS_IGNORED))
    groups = pd.read_csv(real_data / "camvid" / "truth" / "groups__v1__test__ignore11.csv")
    groups["slice"] = [
        "all" if by == "(all)" else f"{by}={value}" for by, value in zip(groups.group_by, groups.value, strict=True)
    ]
    classes = outcome.classes.to_pandas()
    merged = groups.merge(classes, on=["slice", "class_id"])
    assert len(merged) == len(classes) == 33
    np.testing.assert_array_equal(merged.samples, merged.n_samples)
    np.testing.assert_array_equal(merged.both_empty, merged.n_absent)
    np.testing.assert_array_equal(merged.tp, merged.true_positives)
    np.testing.assert_allclose(merged.mean_hard_dice, merged.dice_mean, rtol=1e-12)
    np.testing.assert_allclose(merged["pooled_dice"], merged["dice_pooled"], rtol=1e-12)


def test_volumes_are_read_whole(real_data: Path, tmp_path: Path) -> None:
    """A model that calls bright voxels class 1 and others background, over raw 3-D tensors."""

    def bright(volumes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"class_ids": tf.cast(volumes[..., 0] > 0.5, tf.int32)}

    spec = tf.TensorSpec([None, None, None, None, 1], tf.float32, name="volumes")
    config = {
        "examples": f"{real_data}/hippocampus/tfrecord3d/*.tfrecord",
        "model": builders.save_model(tmp_path / "model", bright, spec),
        "output": str(tmp_path / "out"),
        "classes": HIPPOCAMPUS,
        "output_kind": "class_ids",
        "features": {
            "image": {"key": "volume/raw", "shape": "volume/shape", "dtype": "float32"},
            "mask": {"key": "label/raw", "shape": "volume/shape", "dtype": "uint8"},
            "sample_id": "volume/id",
        },
    }
    outcome = evaluate(config)
    samples = table(outcome, "samples")
    assert outcome.row["scored"] == 65
    assert_volumes_equal_numpy(samples, sorted((real_data / "hippocampus" / "tfrecord3d").glob("*.tfrecord")))


def assert_volumes_equal_numpy(samples: pd.DataFrame, files: list[Path]) -> None:
    counts = samples.set_index(["sample_id", "class_id"])
    for record in tf.data.TFRecordDataset([str(f) for f in files]):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        volume = np.frombuffer(feature["volume/raw"].bytes_list.value[0], "<f4")
        label = np.frombuffer(feature["label/raw"].bytes_list.value[0], np.uint8)
        row = counts.loc[(feature["volume/id"].bytes_list.value[0].decode(), 1)]
        assert row.true_positives == np.sum((volume > 0.5) & (label == 1))
        assert row.false_positives == np.sum((volume > 0.5) & (label != 1))
        assert row.false_negatives == np.sum((volume <= 0.5) & (label == 1))
