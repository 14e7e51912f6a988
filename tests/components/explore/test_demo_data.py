"""The demo's records: the same each time, of patients with several images, some of them hard and some empty."""

from collections import Counter

import numpy as np
import tensorflow as tf

from dicebeam.components.explore import demo_data


def records(folder, samples):
    folder.mkdir()
    demo_data.write_shards(folder, samples)
    data = tf.data.TFRecordDataset(sorted(str(path) for path in folder.iterdir())).as_numpy_iterator()
    parsed = [tf.train.Example.FromString(each).features.feature for each in data]
    return {each["image/filename"].bytes_list.value[0].decode(): each for each in parsed}


def mask(features):
    return tf.io.decode_png(features["image/segmentation/class/encoded"].bytes_list.value[0]).numpy()


def test_a_sample_is_the_same_in_a_data_set_of_any_size(tmp_path):
    few, many = records(tmp_path / "few", 5), records(tmp_path / "many", 9)
    assert (len(few), len(many)) == (5, 9)
    assert all(dict(many[name]) == dict(features) for name, features in few.items())


def test_every_patient_has_several_images_and_one_site_scanner_and_age(tmp_path):
    found = records(tmp_path / "data", 50).values()
    patients = Counter(each["patient"].bytes_list.value[0] for each in found)
    assert set(patients.values()) == {2, 3}
    shared = {tuple(each[key].SerializeToString() for key in ("patient", "site", "scanner", "age")) for each in found}
    assert len(shared) == len(patients) == 20
    assert all(20 <= each["age"].int64_list.value[0] < 90 for each in found)


def test_every_value_of_a_slice_and_every_class_is_there(tmp_path):
    found = records(tmp_path / "data", 40).values()
    assert {each["site"].bytes_list.value[0] for each in found} == {b"north", b"south"}
    assert {each["scanner"].int64_list.value[0] for each in found} == {1, 2, 3}
    masks = [mask(each) for each in found]
    assert set(np.unique(masks)) == set(range(len(demo_data.CLASSES)))
    assert sum(not each.any() for each in masks) >= 4


def test_a_hard_image_is_pale():
    hard, usual = (colourfulness(number) for number in (21, 22))
    assert hard < 0.7 * usual


def colourfulness(number):
    """How far the mean colours of the classes in an image are apart, of the same patient."""
    image, mask = demo_data.scene(number, demo_data.Patient("p", "north", 1, 30))
    return np.ptp([image[mask == class_id].mean(0) for class_id in np.unique(mask)], 0).max()
