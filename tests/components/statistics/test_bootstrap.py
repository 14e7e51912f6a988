"""Weights that come from a hash alone: Poisson, independent, and the same in every run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.statistics import bootstrap
from dicebeam.components.statistics.hashing import id_hashes

THOUSAND = id_hashes(str(i).encode() for i in range(1000))


def hashes(n, prefix=""):
    return id_hashes(f"{prefix}{i}".encode() for i in range(n))


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, [[0, 1, 1, 3, 0, 1, 0, 0, 1, 1], [1, 0, 1, 4, 1, 3, 2, 2, 0, 0]]),
        (7, [[0, 0, 0, 1, 3, 0, 2, 1, 0, 1], [1, 0, 1, 0, 2, 1, 1, 0, 0, 1]]),
    ],
)
def test_known_weights(seed, expected):
    assert bootstrap.weights(id_hashes([b"a", b"b"]), 10, seed).tolist() == expected


def test_a_weight_is_a_draw_of_sixteen_bits_held_against_the_distribution_function():
    """Weights by hand: SplitMix64 from the hash, its low bits first, counted against Poisson(1)."""
    below = [round(65536 * sum(math.exp(-1) / math.factorial(i) for i in range(k + 1))) for k in range(9)]
    state, found = mix(int(id_hashes([b"a"])[0])), []  # the mix of seed 0 is 0
    for step in range(1, 26):
        number = mix((state + step * 0x9E3779B97F4A7C15) % 2**64)
        found += [sum(((number >> shift) & 0xFFFF) >= limit for limit in below) for shift in (0, 16, 32, 48)]
    assert bootstrap.weights(id_hashes([b"a"]), 100, 0)[0].tolist() == found


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_a_million_draws_are_poisson():
    """Each frequency within five standard deviations, and so are mean and variance."""
    drawn = bootstrap.weights(THOUSAND, 1000, 0).astype(np.float64)
    assert drawn.mean() == pytest.approx(1, abs=5e-3)
    assert drawn.var() == pytest.approx(1, abs=5 * math.sqrt(3e-6))
    for k in range(7):
        p = math.exp(-1) / math.factorial(k)
        assert np.mean(drawn == k) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / 1e6) + 2**-16)


def correlation(left, right):
    return np.corrcoef(left.ravel().astype(float), right.ravel().astype(float))[0, 1]


def test_replicates_are_independent():
    drawn = bootstrap.weights(THOUSAND, 1000, 0)
    for apart in (1, 2, 3, 4, 5, 8, 64):
        assert abs(correlation(drawn[:, apart:], drawn[:, :-apart])) < 5e-3, apart


def test_ids_are_independent():
    drawn = bootstrap.weights(THOUSAND, 1000, 0)
    for apart in (1, 2, 500):
        assert abs(correlation(drawn[apart:], drawn[:-apart])) < 5e-3, apart


@pytest.mark.parametrize("seeds", [(0, 1), (1, 2), (0, 2**62), (5, 5 + 2**32)])
def test_seeds_are_independent(seeds):
    left, right = (bootstrap.weights(THOUSAND, 1000, seed) for seed in seeds)
    assert abs(correlation(left, right)) < 5e-3


@given(st.integers(0, 70), st.integers(0, 70), st.integers(0, 2**63 - 1))
def test_the_first_replicates_do_not_depend_on_how_many_there_are(few, more, seed):
    ids = hashes(3)
    np.testing.assert_array_equal(
        bootstrap.weights(ids, few, seed)[:, :more], bootstrap.weights(ids, few + more, seed)[:, : min(few, more)]
    )


@pytest.mark.parametrize("replicates", [0, 1, 2, 3, 4, 5, 7, 1000])
def test_any_number_of_replicates(replicates):
    assert bootstrap.weights(hashes(3), replicates, 0).shape == (3, replicates)
    assert bootstrap.weights(hashes(0), replicates, 0).shape == (0, replicates)
    assert bootstrap.replicate_sums(hashes(3), np.ones((3, 2)), replicates, 0).shape == (replicates, 2)


def test_the_same_id_has_the_same_weights_whatever_stands_beside_it():
    ids = hashes(50)
    whole = bootstrap.weights(ids, 30, 1)
    order = np.random.default_rng(0).permutation(50)
    np.testing.assert_array_equal(bootstrap.weights(ids[order[:20]], 30, 1), whole[order[:20]])


@pytest.mark.parametrize("rows_at_once", [1, 7, 2048])
def test_sums_are_weights_times_values(monkeypatch, rows_at_once):
    monkeypatch.setattr(bootstrap, "ROWS_AT_ONCE", rows_at_once)
    ids, values = hashes(40), np.random.default_rng(0).random((40, 3))
    drawn = bootstrap.weights(ids, 11, 5)
    expected = [[sum(map(float.__mul__, map(float, w), map(float, column))) for column in values.T] for w in drawn.T]
    np.testing.assert_allclose(bootstrap.replicate_sums(ids, values, 11, 5), expected, rtol=1e-12)


def test_sums_of_integers_do_not_depend_on_order_or_split():
    ids, rng = hashes(5000), np.random.default_rng(0)
    values = rng.integers(0, 1 << 36, (5000, 2)).astype(np.float64)
    whole, order = bootstrap.replicate_sums(ids, values, 9, 0), rng.permutation(5000)
    split = np.array_split(order, [1, 70, 2500])
    parts = sum(bootstrap.replicate_sums(ids[part], values[part], 9, 0) for part in split)
    np.testing.assert_array_equal(parts, whole)


def test_sums_of_nothing_are_zero():
    assert bootstrap.replicate_sums(hashes(0), np.empty((0, 2)), 3, 0).tolist() == [[0, 0]] * 3
