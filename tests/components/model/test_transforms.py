"""Graphs of tensorflow-transform as functions of serialized examples, held against tensorflow-transform's own layer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from dicebeam.components.explore import inspection
from dicebeam.components.model import fingerprints, transforms
from dicebeam.schemas.errors import ModelError
from tests.support import builders, transforming
from tests.support.paths import ROOT
from tests.support.transforming import KEY, record, save_transform

FLOATS = tf.TensorSpec([None], tf.float32)


@pytest.fixture(scope="module")
def made(made_transform: str) -> transforms.Transform:
    return transforms.load(made_transform)


def batch(*records: bytes) -> tf.Tensor:
    return tf.constant(list(records))


def given(folder: Path, function: Any, serialized: tf.Tensor, wanted: str = "y", **takes: tf.TypeSpec) -> tf.Tensor:
    return transforms.function_of(transforms.load(save_transform(folder, function, **takes)), [wanted])(serialized)[
        wanted
    ]


# what tensorflow-transform made


@pytest.mark.parametrize(
    ("wanted", "needed", "required"),
    [
        (["image"], ("gain", KEY), ("gain", KEY)),
        (["bias"], ("boosts", "lift", "rows"), ()),
        (["unit"], (KEY,), (KEY,)),
        (["image", "bias"], ("boosts", "gain", KEY, "lift", "rows"), ("gain", KEY)),
        (["label_id"], ("label",), ("label",)),
    ],
)
def test_what_is_needed_for_transformed_features(made, wanted, needed, required):
    assert made.needed(wanted) == needed
    assert made.required(wanted) == required


def test_the_numbers_are_those_of_its_own_layer(made, made_transform):
    wanted = ["bias", "image", "label_id", "unit"]
    records = [record(i, label=i % 4) for i in range(10, 19)]
    output = tft.TFTransformOutput(made_transform)
    expected = output.transform_features_layer()(tf.io.parse_example(records, output.raw_feature_spec()))
    found = transforms.function_of(made, wanted)(batch(*records))
    assert sorted(found) == wanted
    for name in ("bias", "image", "label_id"):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_array_equal(found["unit"], expected["unit"].to_tensor())
    assert len(np.unique(found["label_id"])) > 2


def test_records_need_not_have_what_is_not_needed(made):
    found = transforms.function_of(made, ["unit"])(
        batch(builders.example_of({KEY: builders.png(np.full((2, 3, 3), 51))}))
    )
    np.testing.assert_allclose(found["unit"], np.full((1, 2, 3, 3), 0.2), rtol=1e-6)


def test_ragged_rows_of_one_length_are_dense_and_others_are_refused(made):
    unit = transforms.function_of(made, ["unit"])
    wide, high = (builders.example_of({KEY: builders.png(np.zeros(shape))}) for shape in ((2, 4, 3), (4, 2, 3)))
    assert unit(batch(wide, wide))["unit"].shape == (2, 2, 4, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"rows of different lengths in .*unit"):
        unit(batch(wide, high))


def test_without_raw_metadata_sparse_and_ragged_features_are_not_guessed(made_transform, tmp_path):
    shutil.copytree(f"{made_transform}/transform_fn", tmp_path / "transform_fn")
    bare = transforms.load(str(tmp_path))
    assert bare.required(["image", "unit"]) == ("gain", KEY)
    with pytest.raises(
        ModelError, match=r"raw feature lift: float32 \[\?, 3\] \(sparse\) .* write it with tft_beam.Wr"
    ):
        bare.required(["bias"])


def test_tf_keras_stays_what_it_is_here_and_in_what_is_started_from_here(made_transform):
    code = (
        f"import json, os, sys; from dicebeam.components.model import transforms; transforms.load({made_transform!r}); "
        "import tensorflow as tf; print(json.dumps([tf.keras.__version__, os.environ.get('TF_USE_LEGACY_KERAS'), "
        "'tensorflow_transform' in sys.modules]))"
    )
    clean = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True, check=True)
    version, variable, imported = json.loads(done.stdout.splitlines()[-1])
    assert (version[0], variable, imported) == ("3", None, False)


def test_inspect_shows_what_it_takes_and_gives(made_transform):
    title, columns, rows = inspection.inspect(made_transform)
    assert title == f"transform {made_transform}"
    assert {len(row) for row in rows} == {len(columns)}
    assert ("raw", "lift: float32 [?, 3] (sparse)", "values of lift/by at lift/at") in rows
    assert ("raw", f"{KEY}: string [?]", "required") in rows
    assert ("transformed", "unit: float32 [?, ?, ?, 3] (ragged)", f"from {KEY}") in rows


# graphs of our own


def test_a_feature_that_passes_through(tmp_path):
    found = given(tmp_path, lambda raw: {"y": raw["x"]}, batch(builders.example(x=[1.5])), x=FLOATS)
    np.testing.assert_array_equal(found, [1.5])


def test_variables_of_a_transform_have_their_values(tmp_path):
    module = tf.Module()
    module.kernel = tf.Variable(tf.reshape(tf.range(6.0), [1, 1, 2, 3]))
    module.transform_fn = tf.function(
        lambda raw: {"y": tf.nn.conv2d(tf.reshape(raw["x"], [-1, 1, 1, 2]), module.kernel, 1, "SAME")},
        input_signature=[{"x": tf.TensorSpec([None, 2], tf.float32)}],
    ).get_concrete_function()
    tf.saved_model.save(module, str(tmp_path / "transform_fn"))
    found = transforms.function_of(transforms.load(str(tmp_path)), ["y"])(batch(builders.example(x=[1.0, 2.0])))
    np.testing.assert_array_equal(found["y"], [[[[6, 9, 12]]]])  # 1 * [0 1 2] + 2 * [3 4 5]


def asserting(raw):
    tf.debugging.assert_less(raw["label"], 2.0, "the label is too large")  # TensorFlow lets the next wait for this one
    tf.debugging.assert_less(raw["x"], 2.0, "x is too large")
    return {"y": raw["x"] + 1, "both": raw["x"] + raw["label"]}


def test_assertions_hold_that_are_about_what_is_needed_and_others_are_not_asked(tmp_path):
    transform = transforms.load(save_transform(tmp_path, asserting, x=FLOATS, label=FLOATS))
    y, both = (transforms.function_of(transform, [name]) for name in ("y", "both"))
    np.testing.assert_array_equal(y(batch(builders.example(x=1.0)))["y"], [2])
    np.testing.assert_array_equal(y(batch(builders.example(x=1.0, label=9.0)))["y"], [2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="x is too large"):
        y(batch(builders.example(x=3.0)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the label is too large"):
        both(batch(builders.example(x=1.0, label=9.0)))


WITH_DEFAULT = """
feature { name: "x" type: FLOAT }
tensor_representation_group { key: "" value { tensor_representation { key: "x" value {
  dense_tensor { column_name: "x" shape { } default_value { float_value: 2.5 } }
} } } }
"""


def test_a_default_of_the_raw_metadata_stands_for_what_is_missing(tmp_path):
    save_transform(tmp_path, lambda raw: {"y": raw["x"] * 2}, x=FLOATS)
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/schema.pbtxt").write_text(WITH_DEFAULT)
    transform = transforms.load(str(tmp_path))
    assert transform.required(["y"]) == ()
    found = transforms.function_of(transform, ["y"])(batch(builders.example(), builders.example(x=1.0)))
    np.testing.assert_array_equal(found["y"], [5, 2])


# folders that will not do


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            'feature { name: "x" type: INT shape { } presence { min_fraction: 1 } }',
            "is int64, but the graph of .* float32",
        ),
        ("feature [", "expected the schema of a transform's raw features in .*schema.pbtxt, but it cannot be read"),
    ],
)
def test_raw_metadata_that_will_not_do(tmp_path, schema, message):
    save_transform(tmp_path, lambda raw: {"y": raw["x"]}, x=FLOATS)
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/schema.pbtxt").write_text(schema)
    with pytest.raises(ModelError, match=message):
        transforms.load(str(tmp_path))


def test_a_folder_without_a_transform(tmp_path):
    with pytest.raises(ModelError, match="a folder with transform_fn/ in it, but that cannot be loaded"):
        transforms.load(str(tmp_path))
    with pytest.raises(ModelError, match=r"expected the folder transform_fn/ of a .* graph, but there is nothing"):
        fingerprints.transform_fingerprint(str(tmp_path))


def test_a_model_is_no_transform(tmp_path):
    builders.save_model(tmp_path / "transform_fn", lambda images: {"y": images}, builders.images_spec())
    with pytest.raises(
        ModelError, match="that tensorflow-transform made for TensorFlow 2, but transform_fn/ is another"
    ):
        transforms.load(str(tmp_path))


def test_a_graph_of_tensorflow_1_says_so(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "transform_fn"))
        signature = tf.compat.v1.saved_model.predict_signature_def({"x": x}, {"y": x + 1})
        builder.add_meta_graph_and_variables(session, ["transform"], {"transform_signature": signature})
        builder.save()
    with pytest.raises(ModelError, match="it was made with force_tf_compat_v1; make it again without"):
        transforms.load(str(tmp_path))


def test_the_fingerprint_is_of_graph_and_raw_metadata_alone(made_transform, tmp_path):
    folder = str(shutil.copytree(made_transform, tmp_path / "copy"))
    first = fingerprints.transform_fingerprint(made_transform)
    (tmp_path / "copy/transform_tmp").mkdir()
    (tmp_path / "copy/transform_tmp/x").write_text("left over")
    assert fingerprints.transform_fingerprint(folder) == first
    (tmp_path / "copy/metadata/schema.pbtxt").write_text("")
    second = fingerprints.transform_fingerprint(folder)
    (tmp_path / "copy/transform_fn/assets/more").write_text("")
    assert len({first, second, fingerprints.transform_fingerprint(folder)}) == 3


def test_transforms_of_tests_are_of_every_kind_of_raw_feature():
    assert len({type(spec) for spec in transforming.RAW.values()}) == 4
