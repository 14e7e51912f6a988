"""Real segmentation data: each count as a plain loop on this machine has it, and as the truth beside the records.

Bit for bit in the first; in the second but for near ties of the model's probabilities, as `tests/support/plain.py`
explains.
Skipped, with the reason, where the data set is not beside the checkout.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.support import builders, plain
from tests.support.evaluating import evaluate, table

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
HIPPOCAMPUS = ["background", "anterior", "posterior"]
VOID = 11
VOID_IS_NO_CLASS = {"mask_values": {**{i: i for i in range(VOID)}, VOID: None}}
VOID_IS_IGNORED = {"ignore_label": VOID}


def camvid(root: Path, tmp_path: Path, model: str, split: str = "test", **more: Any) -> dict[str, Any]:
    return {
        "examples": f"{root}/camvid/tfrecord/{split}-*.tfrecord",
        "model": f"{root}/camvid/models/{model}",
        "output": str(tmp_path),
        "classes": CAMVID,
        **(more or VOID_IS_IGNORED),
    }


class Case(NamedTuple):
    """A model, how it is called, and the truth; `network` has the same weights and gives the near ties."""

    network: str
    model: str
    config: dict[str, Any]
    truth: str
    split: str = "test"
    kind: str = "image"
    signature: str = "serving_default"
    output: str | None = None
    logits: bool = False

    def loop(self, root: Path) -> plain.Model:
        return plain.Model(
            root / "camvid/models" / self.model, self.kind, self.signature, self.output, logits=self.logits
        )


ENCODED, EXAMPLE = {"input": {"kind": "encoded"}}, {"input": {"kind": "example"}}
LOGITS = {"input": {"signature": "serving_logits"}, "output_kind": "softmax_logits"}
EXAMPLES = {"input": {"signature": "serving_examples", "kind": "example"}}
CASES = {
    "v1": Case("v1", "v1", {}, "v1__test__ignore11"),
    "void_as_no_class": Case("v1", "v1", VOID_IS_NO_CLASS, "v1__test"),
    "validation_split": Case("v1", "v1", {}, "v1__val__ignore11", split="val"),
    "collapsed_model": Case("v2", "v2", {}, "v2__test__ignore11"),
    "subtle_regression": Case("v3_noisy", "v3_noisy", {}, "v3_noisy__test__ignore11"),
    "encoded_images": Case("v1", "v1_png", ENCODED, "v1_png__test__ignore11", kind="encoded"),
    "serialized_examples": Case("v1", "v1_examples", EXAMPLE, "v1_examples__test__ignore11", kind="example"),
    "one_of_two_outputs": Case(
        "v1", "v1_multi", {"output_name": "probabilities"}, "v1__test__ignore11", output="probabilities"
    ),
    "logits_signature": Case("v1", "v1_multi", LOGITS, "v1__test__ignore11", signature="serving_logits", logits=True),
    "examples_signature": Case(
        "v1", "v1_multi", EXAMPLES, "v1_examples__test__ignore11", kind="example", signature="serving_examples"
    ),
}


def near_ties(root: Path, network: str, split: str = "test", ignored: int | None = VOID) -> pd.DataFrame:
    """Counts of all samples by the loop, with where they may differ on another machine."""
    shards = tuple(sorted((root / "camvid/tfrecord").glob(f"{split}-*.tfrecord")))
    return plain.counts(plain.predict(plain.Model(root / "camvid/models" / network), shards), len(CAMVID), ignored)


def first_shard(root: Path, case: Case) -> pd.DataFrame:
    """Counts of one shard by the loop, over the signature that the case calls."""
    shard = root / f"camvid/tfrecord/{case.split}-00000-of-00004.tfrecord"
    return plain.counts(plain.predict(case.loop(root), (shard,)), len(CAMVID), VOID)


def assert_sums_are_those_of(truth: pd.DataFrame, samples: pd.DataFrame) -> None:
    ours = samples.set_index(plain.KEY).sort_index()
    assert list(ours.index) == list(truth.index)
    np.testing.assert_allclose(ours.dice, plain.dice(plain.of_table(samples)), rtol=1e-12)  # NaN equals NaN here
    np.testing.assert_allclose(ours.soft_intersection, truth.soft_intersection, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.soft_predicted, truth.soft_pred_sum, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.soft_predicted_sq, truth.soft_pred_sq_sum, rtol=1e-4, atol=1e-6)


OFTEN = ("v1", "void_as_no_class", "one_of_two_outputs")
"""One of each kind; the others take as long and are run by make test-long."""


@pytest.mark.parametrize(
    "name", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.long) for name in CASES]
)
def test_camvid_counts_are_exact(name: str, real_data: Path, tmp_path: Path) -> None:
    case = CASES[name]
    more = case.config if case.config is VOID_IS_NO_CLASS else {**case.config, **VOID_IS_IGNORED}
    outcome = evaluate(camvid(real_data, tmp_path, case.model, case.split, **more))
    assert outcome.valid
    samples = table(outcome, "samples")
    found, truth = plain.of_table(samples), plain.of_truth(real_data / f"camvid/truth/{case.truth}.csv")
    ignored = more.get("ignore_label")
    here = near_ties(real_data, case.network, case.split, ignored)
    plain.assert_same(found, here if case.model == case.network else first_shard(real_data, case))
    plain.assert_moved_at_near_ties(found, truth, here)
    assert_sums_are_those_of(truth, samples)


@pytest.mark.long
@pytest.mark.parametrize("model", ["v1", "v2"])
def test_hippocampus_counts_are_exact_from_logits(model: str, real_data: Path, tmp_path: Path) -> None:
    root = real_data / "hippocampus"
    config = {
        "examples": f"{root}/tfrecord/test-*.tfrecord",
        "model": f"{root}/models/{model}",
        "output": str(tmp_path),
        "classes": HIPPOCAMPUS,
        "output_kind": "softmax_logits",
        "batch_size": 64,
    }
    outcome = evaluate(config)
    samples = table(outcome, "samples")
    assert outcome.row["scored"] == 3307
    loop = plain.Model(root / "models" / model, logits=True, batch=64)
    here = plain.counts(plain.predict(loop, tuple(sorted((root / "tfrecord").glob("test-*.tfrecord")))), 3)
    found, truth = plain.of_table(samples), plain.of_truth(root / f"truth/{model}__test.csv")
    plain.assert_same(found, here)
    plain.assert_moved_at_near_ties(found, truth, here)
    assert_sums_are_those_of(truth, samples)
    assert (samples.dice.isna() == (samples.state == "absent")).all()


@pytest.mark.long
def test_class_id_output_gives_the_same_counts(real_data: Path, tmp_path: Path) -> None:
    more = {"output_name": "class_ids", "output_kind": "class_ids", **VOID_IS_IGNORED}
    samples = table(evaluate(camvid(real_data, tmp_path, "v1_multi", **more)), "samples")
    found, truth = plain.of_table(samples), plain.of_truth(real_data / "camvid/truth/v1__test__ignore11.csv")
    case = Case("v1", "v1_multi", {}, "", output="class_ids")
    plain.assert_same(found, first_shard(real_data, case))
    plain.assert_moved_at_near_ties(found, truth, near_ties(real_data, "v1"))
    np.testing.assert_array_equal(samples.soft_predicted, samples.true_positives + samples.false_positives)


def grouped(found: pd.DataFrame, sequences: "pd.Series[str]") -> pd.DataFrame:
    """What `groups__*.csv` has, from counts of samples: of all, and of each sequence."""
    rows = found.reset_index().merge(sequences, left_on="sample_id", right_index=True)
    rows["dice"] = plain.dice(rows)
    every = pd.concat([rows.assign(slice="all"), rows.assign(slice="meta/sequence=" + rows["meta/sequence"])])
    groups = every.groupby(["slice", "class_id"])
    sums = groups[["tp", "pred_pixels", "true_pixels"]].sum()
    return sums.assign(
        samples=groups.size(),
        both_empty=groups.dice.apply(lambda each: each.isna().sum()),
        mean_hard_dice=groups.dice.mean(),
        pooled_dice=2 * sums.tp / (sums.pred_pixels + sums.true_pixels),
    )


def test_slices_equal_the_grouped_truth(real_data: Path, tmp_path: Path) -> None:
    """`grouped` gives the groups of the truth, and of the loop's counts those of the pipeline."""
    root = real_data / "camvid/truth"
    sequences = pd.read_csv(root / "samples__test.csv").set_index("sample_id")["meta/sequence"]
    groups = pd.read_csv(root / "groups__v1__test__ignore11.csv")
    groups["slice"] = [
        "all" if by == "(all)" else f"{by}={value}" for by, value in zip(groups.group_by, groups.value, strict=True)
    ]
    groups = groups.set_index(["slice", "class_id"]).sort_index()
    ours = grouped(plain.of_truth(root / "v1__test__ignore11.csv"), sequences)
    np.testing.assert_array_equal(ours[["samples", "both_empty", "tp"]], groups[["samples", "both_empty", "tp"]])
    np.testing.assert_allclose(
        ours[["mean_hard_dice", "pooled_dice"]], groups[["mean_hard_dice", "pooled_dice"]], rtol=1e-12
    )

    outcome = evaluate(camvid(real_data, tmp_path, "v1", slices=["meta/sequence"], **VOID_IS_IGNORED))
    classes = outcome.classes.to_pandas().set_index(["slice", "class_id"]).sort_index()
    here = grouped(near_ties(real_data, "v1"), sequences)
    assert list(classes.index) == list(here.index)
    assert len(classes) == 33
    np.testing.assert_array_equal(
        classes[["n_samples", "n_absent", "true_positives"]], here[["samples", "both_empty", "tp"]]
    )
    np.testing.assert_allclose(classes.dice_mean, here.mean_hard_dice, rtol=1e-12)
    np.testing.assert_allclose(classes.dice_pooled, here.pooled_dice, rtol=1e-12)


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
