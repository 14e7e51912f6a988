"""The training example in a reduced form, from images to SavedModel and records."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from examples import train_unet


def test_foreground_is_tiny_and_always_there():
    _, masks = train_unet.samples(50, 0)
    sizes = masks.sum((1, 2))
    assert masks.max() == 1
    assert 9 <= sizes.min() <= sizes.max() <= 0.01 * train_unet.SIDE**2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained for seconds, exported."""
    folder = tmp_path_factory.mktemp("unet")
    model = train_unet.train(train_unet.LOSSES["dice"], count=32, epochs=4)
    train_unet.export(model, folder / "model")
    return model, folder


def test_dice_alone_learns(trained):
    losses = trained[0].history.history["loss"]
    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.01


def test_served_probabilities_are_those_of_the_model(trained):
    model, folder = trained
    images, _ = train_unet.samples(2, 3)
    images = images.astype(np.float32)
    served = tf.saved_model.load(str(folder / "model")).signatures["serve"](image=tf.constant(images))
    expected = keras.ops.softmax(model(images, training=False))
    np.testing.assert_allclose(next(iter(served.values())), expected, atol=1e-5)


def test_the_pipeline_says_what_the_metric_says(trained):
    model, folder = trained
    train_unet.write_records(folder / "records", count=6, shards=2, seed=7)
    dices = train_unet.evaluate(folder)
    assert set(dices) == {"background", "disc"}
    assert 0 < dices["disc"] < 1
    assert dices["disc"] == pytest.approx(train_unet.score(model, count=6, seed=7), abs=1e-6)


def test_records_hold_the_samples(tmp_path):
    train_unet.write_records(tmp_path, count=5, shards=2, seed=7)
    images, masks = train_unet.samples(5, 7)
    read = {}
    for record in tf.data.TFRecordDataset(sorted(map(str, tmp_path.glob("*.tfrecord")))):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        read[features["image/filename"].bytes_list.value[0].decode()] = features
    assert sorted(read) == [f"sample-{i:05d}.png" for i in range(5)]
    for i in range(5):
        features = read[f"sample-{i:05d}.png"]
        for key, expected in (("image/encoded", images[i]), ("image/segmentation/class/encoded", masks[i])):
            decoded = tf.io.decode_png(features[key].bytes_list.value[0]).numpy()
            np.testing.assert_array_equal(decoded.reshape(expected.shape), expected)
