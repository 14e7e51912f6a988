"""The report on real images: the outlines that are drawn are those of the masks, read by other code.

Skipped, with the reason, where the data set is not beside the checkout.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.verdict import verdict_files
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.schemas.config.config import Config
from tests.components.report.test_outlines import filled
from tests.real_data.test_real_data import CAMVID, VOID_IS_IGNORED, camvid
from tests.support.evaluating import evaluate

pytestmark = pytest.mark.long  # two evaluations of real data, and a page

VOID, SHAPE = 11, (192, 256)
CHECKS = [{"metric": "dice_mean", "class": "*", "max_drop": 0.01}]


@pytest.fixture(scope="module")
def page(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    more = {"bootstrap": {"replicates": 20}, "gate": {"checks": CHECKS}, "slices": ["meta/sequence"]}
    configs = {name: {**camvid(real_data, folder, name, **VOID_IS_IGNORED), **more} for name in ("v1", "v3_noisy")}
    for name, config in configs.items():
        evaluate(config, name)
    config = Config.model_validate(configs["v3_noisy"])
    found = verdict.decide(config, "v3_noisy", "v1")
    verdict_files.write(found.past.run, found.verdict)
    return Path(report.write_report(config, "v3_noisy")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def masks(real_data):
    """The true masks by name, as TensorFlow reads them."""
    found = {}
    for record in tf.data.TFRecordDataset([str(f) for f in (real_data / "camvid/tfrecord").glob("test-*.tfrecord")]):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        png = feature["image/segmentation/class/encoded"].bytes_list.value[0]
        found[feature["image/filename"].bytes_list.value[0].decode()] = tf.io.decode_png(png).numpy()[..., 0]
    return found


def cards(page):
    """Sample, class and paths by layer of each card."""
    for card in re.findall(r"<article.*?</article>", page, re.DOTALL):
        (name,) = re.findall(r"<h3 [^>]*>(.*?)</h3>", card)
        (class_name,) = re.findall(r'<p class="score"><b>(.*?)</b>', card)
        paths = re.findall(r'id="p\d+([a-z]+)" vector-effect="non-scaling-stroke" d="([^"]*)"', card)
        yield name, CAMVID.index(class_name), dict(paths), "Outlines are drawn on a grid" in card


def test_true_and_ignored_pixels_are_those_of_the_records(page, masks):
    seen = 0
    for name, class_id, paths, coarse in cards(page):
        if not coarse:
            np.testing.assert_array_equal(filled(paths.get("truth", ""), SHAPE), masks[name] == class_id)
            assert np.mean(filled(paths.get("ignored", ""), SHAPE) != (masks[name] == VOID)) < 0.03  # may be coarser
            seen += 1
    assert seen > 20


@pytest.mark.parametrize(("layer", "model"), [("now", "v3_noisy"), ("before", "v1")])
def test_predictions_are_those_of_the_models(page, masks, layer, model, real_data):
    loaded = tf.saved_model.load(str(real_data / "camvid/models" / model))
    images = {}
    for record in tf.data.TFRecordDataset([str(f) for f in (real_data / "camvid/tfrecord").glob("test-*.tfrecord")]):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        name = feature["image/filename"].bytes_list.value[0].decode()
        images[name] = feature["image/encoded"].bytes_list.value[0]
    for name, class_id, paths, coarse in list(cards(page))[::3]:
        if not coarse:
            image = tf.io.decode_png(images[name]).numpy().astype(np.float32)[np.newaxis] / 255
            (probs,) = loaded.signatures["serving_default"](tf.constant(image)).values()
            expected = (np.argmax(probs.numpy()[0], -1) == class_id) & (masks[name] != VOID)
            assert np.mean(filled(paths.get(layer, ""), SHAPE) != expected) < 1e-4


def test_nothing_differs_from_what_was_scored_and_the_file_is_small(page):
    assert "differs now" not in page
    assert "changed since" not in page
    assert len(page) < 2_000_000
    json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0])
