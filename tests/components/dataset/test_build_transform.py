"""What the graph subtracts and divides by."""

import numpy as np

from dicebeam.components.dataset import build_transform, channel_sums, dataset_sums
from dicebeam.components.dataset.dataset_sums import DatasetSums


def sums(*channels):
    images = [np.array(values, np.uint8).reshape(-1, 1, 1) for values in channels]
    return DatasetSums(np.zeros((2, 2), np.int64), tuple(channel_sums.of_image(image)[0] for image in images))


def test_mean_and_deviation_of_each_channel():
    mean, std = build_transform.mean_and_std(sums([1, 3], [10, 10, 40, 40]), 2)
    assert (mean.tolist(), std.tolist(), mean.dtype, std.dtype) == ([2.0, 25.0], [1.0, 15.0], np.float32, np.float32)


def test_a_channel_that_is_the_same_everywhere_or_nowhere_is_divided_by_1():
    mean, std = build_transform.mean_and_std(sums([7, 7, 7]), 3)
    assert (mean.tolist(), std.tolist()) == ([7.0, 0.0, 0.0], [1.0, 1.0, 1.0])


def test_channels_that_the_graph_does_not_have_are_left_out():
    mean, std = build_transform.mean_and_std(sums([1, 3], [5, 9]), 1)
    assert (mean.tolist(), std.tolist()) == ([2.0], [1.0])
    assert build_transform.mean_and_std(dataset_sums.nothing(2), 1)[1].tolist() == [1.0]
