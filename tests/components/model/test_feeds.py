"""Which transformed feature feeds which input of a signature, and what does not fit."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from dicebeam.components.model import agreement, feeds, fingerprints
from dicebeam.components.model.signatures import Signature, TensorInfo
from dicebeam.schemas.config.model import InputSettings, ModelSettings
from dicebeam.schemas.errors import ModelError
from tests.support.transforming import save_bare, save_transform

IMAGE = tf.TensorSpec([None, 8, 8, 3], tf.float32)
RAGGED = tf.RaggedTensorSpec([None, None, None, 3], tf.float32, ragged_rank=2)
SPARSE = tf.SparseTensorSpec([None, None], tf.float32)
BIAS = tf.TensorSpec([None, 3], tf.float32)


def signature(**inputs: Any) -> Signature:
    infos = {
        name: TensorInfo(name, spec.dtype.name, None if spec.shape.rank is None else tuple(spec.shape.as_list()))
        for name, spec in inputs.items()
    }
    return Signature("serving_default", infos, {})


def fed(takes: dict[str, Any], gives: dict[str, Any], **feed: str) -> dict[str, str]:
    settings = ModelSettings(path="models/m", input=InputSettings(transform="tft", feed=feed))
    return dict(feeds.choose(signature(**takes), settings, gives))


@pytest.mark.parametrize(
    ("takes", "gives", "feed", "expected"),
    [
        ({"image": IMAGE}, {"image": IMAGE, "label": BIAS}, {}, {"image": "image"}),
        ({"image": IMAGE, "bias": BIAS}, {"image": IMAGE, "bias": BIAS}, {}, {"image": "image", "bias": "bias"}),
        ({"input_1": IMAGE}, {"image": IMAGE}, {}, {"input_1": "image"}),
        ({"input_1": IMAGE}, {"image": IMAGE, "label": BIAS}, {"input_1": "image"}, {"input_1": "image"}),
        ({"a": IMAGE, "image": IMAGE}, {"image": IMAGE}, {"a": "image"}, {"a": "image", "image": "image"}),
        ({"image": tf.TensorSpec([None, None, None, 3])}, {"image": RAGGED}, {}, {"image": "image"}),
        ({"image": tf.TensorSpec(None)}, {"image": IMAGE}, {}, {"image": "image"}),
    ],
    ids=["name", "names", "the_only_one", "feed", "one_twice", "ragged", "any_shape"],
)
def test_what_feeds_what(takes, gives, feed, expected):
    assert fed(takes, gives, **feed) == expected


@pytest.mark.parametrize(
    ("takes", "gives", "feed", "message"),
    [
        (
            {"input_1": IMAGE},
            {"image": IMAGE, "label": BIAS},
            {},
            (
                r"^transform tft before model models/m: the signature takes input_1: float32 .*, which the transform "
                r"does not give; it gives image: .*; label: float32 \[\?, 3\]; name the .* in input.feed$"
            ),
        ),
        ({"a": IMAGE, "b": IMAGE}, {"a": IMAGE}, {}, "takes b: .*, which the transform does not give"),
        (
            {"image": IMAGE},
            {"image": IMAGE},
            {"image": "img"},
            "input.feed asks for 'img', which the transform does not",
        ),
        ({"image": IMAGE}, {"image": IMAGE}, {"img": "image"}, "input.feed names 'img', which is no input of the sign"),
        (
            {"image": BIAS},
            {"image": IMAGE},
            {},
            r"gives image: float32 \[\?, 8, 8, 3\], which does not fit .*\[\?, 3\]",
        ),
        (
            {"image": tf.TensorSpec([None, 8, 8, 1])},
            {"image": IMAGE},
            {},
            "which does not fit the input of the signature",
        ),
        ({"image": tf.TensorSpec([None, 8, 8, 3], tf.uint8)}, {"image": IMAGE}, {}, "does not fit .* image: uint8"),
        ({"image": BIAS}, {"image": SPARSE}, {}, r"gives image: float32 \[\?, \?\] \(sparse\), .* make it dense"),
        ({}, {"image": IMAGE}, {}, "the signature takes nothing"),
    ],
)
def test_what_does_not_fit(takes, gives, feed, message):
    with pytest.raises(ModelError, match=message):
        fed(takes, gives, **feed)


# with files


def agreed(model: str, transform: str, batch_size: int = 2, **more: Any) -> Any:
    settings = ModelSettings(path=model, input=InputSettings(transform=transform), **more)
    graph = fingerprints.read_model(model).graph
    return agreement.agree(settings, graph, fingerprints.transform_fingerprint(transform), 3, batch_size)


def ids(image: tf.Tensor, **_: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"ids": tf.argmax(image, -1)}


def test_volumes_whose_output_is_class_ids(tmp_path: Path):
    volume = tf.TensorSpec([None, 4, 8, 8, 3], tf.float32)
    model = save_bare(tmp_path / "m", ids, image=volume, scale=tf.TensorSpec([None], tf.float32))
    transform = save_transform(
        tmp_path / "t", lambda raw: raw, image=volume, scale=tf.TensorSpec([None], tf.float32), x=BIAS
    )
    found = agreed(model, transform, output_kind="class_ids")
    assert (found.spatial_rank, found.batch, found.required) == (3, 0, ("image", "scale"))
    assert dict(found.fed) == {"image": "image", "scale": "scale"}


def test_a_fixed_batch_is_that_of_the_config(tmp_path: Path):
    model = save_bare(tmp_path / "m", ids, image=tf.TensorSpec([4, 8, 8, 3], tf.float32))
    transform = save_transform(tmp_path / "t", lambda raw: raw, image=IMAGE)
    assert agreed(model, transform, 4, output_kind="class_ids").batch == 4
    with pytest.raises(ModelError, match=r"takes batches of exactly 4 .*; set batch_size: 4"):
        agreed(model, transform, output_kind="class_ids")


def test_a_feature_that_is_the_same_for_every_record_is_refused(tmp_path: Path):
    model = save_bare(tmp_path / "m", ids, image=IMAGE)
    transform = save_transform(tmp_path / "t", lambda raw: {"image": tf.zeros([len(raw), 8, 8, 3])}, x=BIAS)
    with pytest.raises(ModelError, match="image depends on no raw feature, so it is the same for every record"):
        agreed(model, transform, output_kind="class_ids")
