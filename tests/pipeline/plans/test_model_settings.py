"""How samples are decoded where no model says it: one rule for analyses, preflight and pages."""

import pytest

from dicebeam.pipeline.plans import model_settings
from dicebeam.schemas.config.config import Config

BASE = {"examples": "x", "model": "m", "output": "o", "classes": ["a", "b", "c"]}


def settings(image, mask, **more):
    features = {"image": {"key": "i", "shape": image}, "mask": {"key": "m", "shape": mask}}
    return Config.model_validate({**BASE, "features": features, **more})


@pytest.mark.parametrize(
    ("image", "mask", "kind", "rank"),
    [
        (None, None, "softmax", 2),
        ([8, 9, 3], [8, 9], "softmax", 2),
        ([5, 8, 9, 1], [5, 8, 9], "softmax", 3),
        ([8, 9, 3], [8, 9, 3], "sigmoid", 2),
        (None, [5, 8, 9], "softmax", 3),
        (None, [8, 9, 3], "sigmoid", 2),
        (None, [8, 9, 1], "softmax", 2),
        ([5, 8, 9], [5, 8, 9], "softmax", 3),
        ([5, 8, 9, 1], "shape", "softmax", 3),
        (None, [5, 8, 9, 3], "sigmoid", 3),
        ("shape", [5, 8, 9], "softmax", 3),
        ("shape", "shape", "softmax", 2),
    ],
)
def test_the_shapes_in_the_config_say_whether_samples_are_volumes(image, mask, kind, rank):
    assert model_settings.without_model(settings(image, mask, output_kind=kind)).spatial_rank == rank


def test_what_the_records_say_goes_before_the_shapes():
    assert model_settings.without_model(settings(None, None), model_settings.VOLUME).spatial_rank == 3


@pytest.mark.parametrize(("kind", "multi_label"), [("softmax", False), ("sigmoid", True), ("class_ids", False)])
def test_masks_with_a_channel_for_each_class_are_read_where_classes_do_not_exclude_each_other(kind, multi_label):
    assert model_settings.without_model(settings(None, None, output_kind=kind)).multi_label is multi_label
