"""Hashes are the same in every version: weights and digests of old runs depend on them."""

import numpy as np
import pytest

from dicebeam.components.statistics import hashing


@pytest.mark.parametrize(
    ("name", "expected"),
    [(b"", 13020603013274838756), ("é".encode(), 3394012004367669963), (b"scene-001.png", 16207963952919394869)],
)
def test_the_hash_of_an_id(name, expected):
    """The numbers are those of `b2sum -l 64`, little-endian."""
    assert hashing.id_hashes([name]).tolist() == [expected]


def test_hashes_are_in_order_and_equal_ids_have_equal_ones():
    one, two, again = hashing.id_hashes([b"a", b"b", b"a"])
    assert one == again != two


def test_no_ids():
    assert hashing.id_hashes([]).shape == (0,)
    assert hashing.id_hashes([]).dtype == np.uint64


def test_a_hundred_thousand_ids_do_not_collide():
    hashes = hashing.id_hashes(f"scan-{i:06d}".encode() for i in range(100_000))
    assert len(np.unique(hashes)) == 100_000
    assert len(np.unique(hashing.mixed(hashes))) == 100_000


def test_mixing_is_the_step_of_splitmix64():
    """The first numbers of the generator from the seed 1234567, as its reference implementation prints them."""
    seeds = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * hashing.GOLDEN
    assert hashing.mixed(seeds).tolist() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


def test_mixing_leaves_what_it_is_given():
    numbers = np.array([1, 2], np.uint64)
    hashing.mixed(numbers)
    assert numbers.tolist() == [1, 2]


@pytest.mark.parametrize("bit", [0, 17, 63])
def test_every_bit_changes_half_of_the_bits(bit):
    numbers = hashing.id_hashes(str(i).encode() for i in range(10_000))
    changed = hashing.mixed(numbers) ^ hashing.mixed(numbers ^ np.uint64(1 << bit))
    each = np.unpackbits(changed.view(np.uint8).reshape(-1, 8), axis=1).mean(axis=0)
    assert np.all(np.abs(each - 0.5) < 0.03)  # six standard deviations of 10,000 draws
