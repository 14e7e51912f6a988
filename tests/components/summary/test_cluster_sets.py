"""Clusters of each class and state, against sets of Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.statistics import ratios
from dicebeam.components.summary import cluster_sets
from dicebeam.components.summary.cluster_sets import ClusterSet

SAMPLES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(0, 3)), max_size=60)


def sets_of(samples):
    values = np.array(samples, np.int64).reshape(-1, 3)
    return cluster_sets.of_samples(values[:, 0].astype(np.uint64), values[:, 1:])


def counted(samples, states, place):
    return len({cluster for cluster, *codes in samples if ratios.STATES[codes[place]] in states})


@settings(deadline=None)
@given(SAMPLES, SAMPLES, st.sampled_from(sorted(ratios.SAMPLES)))
def test_every_kind_is_counted_wherever_its_samples_are(left, right, kind):
    states, both = ratios.SAMPLES[kind], cluster_sets.add(sets_of(left), sets_of(right))
    expected = [counted(left + right, states, place) for place in (0, 1)]
    assert cluster_sets.count(both, states).tolist() == expected
    assert cluster_sets.count(sets_of(left + right), states).tolist() == expected


@settings(deadline=None)
@given(SAMPLES, SAMPLES, SAMPLES)
def test_counts_up_to_the_most_that_is_kept_are_exact_in_any_order(first, second, third):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_sets, "CLUSTERS_KEPT", 4)
        a, b, c = map(sets_of, (first, second, third))
        for found in (cluster_sets.add(cluster_sets.add(a, b), c), cluster_sets.add(c, cluster_sets.add(b, a))):
            for states in ratios.SAMPLES.values():
                expected = [min(counted(first + second + third, states, place), 4) for place in (0, 1)]
                assert cluster_sets.count(found, states).tolist() == expected


def test_a_class_of_few_of_many_clusters_is_kept():
    codes = np.full((20_000, 1), ratios.STATES.index("absent"))
    codes[[3, 10_000, 19_999]] = ratios.STATES.index("present")
    found = cluster_sets.of_samples(np.arange(20_000, dtype=np.uint64), codes)
    assert len(found.hashes) == cluster_sets.CLUSTERS_KEPT + 3
    assert cluster_sets.count(found, ["present", "missed"]).tolist() == [3]
    assert cluster_sets.count(found, ratios.STATES).tolist() == [cluster_sets.CLUSTERS_KEPT]


def test_none_are_no_clusters():
    none = cluster_sets.none(2)
    assert cluster_sets.count(none, ratios.STATES).tolist() == [0, 0]
    some = sets_of([(5, 0, 3)])
    assert [part.tolist() for part in cluster_sets.add(none, some)] == [part.tolist() for part in ClusterSet(*some)]
