"""Which slices hold other samples in two runs: held against sets of names in plain Python."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.gate import slice_members
from dicebeam.components.gate.estimates_from_samples import EstimateSettings
from dicebeam.components.gate.slice_members import Moved
from dicebeam.components.runs import run_files
from dicebeam.components.statistics.hashing import id_hashes
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from tests.support.summarizing import Samples, random_samples, write_file

SITE, AGE = SliceFeature("site", "site"), SliceFeature("age", "age", (40.0,))
CLASSES = ClassSettings((0, 1, 2), ("a", "b", "c"), (1, 2))
SETTINGS = EstimateSettings(CLASSES, ((), (SITE,), (AGE,), (SITE, AGE)), BootstrapSettings(0), None, lambda _: True)
SAMPLES = random_samples(90, seed=2)


def labelled(samples: Samples, **changes):
    """Samples with other text in some columns, by place."""
    slices = {
        name: tuple(changes.get(name, {}).get(i, text) for i, text in enumerate(texts))
        for name, texts in samples.slices.items()
    }
    return dataclasses.replace(samples, slices=slices)


def moved(tmp_path, now, then, settings=SETTINGS, common=None, shards=(2, 5)):
    runs = []
    for name, samples, count in zip(("now", "then"), (now, then), shards, strict=True):
        run = run_files.Run(str(tmp_path), "2026-11-23", name, "c", "m")
        for i, part in enumerate(np.array_split(np.random.default_rng(count).permutation(len(samples)), count)):
            write_file(run, f"s{i}", samples.part(part), rows=7)
        runs.append(run)
    return slice_members.moved(*runs, settings, common)


def test_the_same_labels_move_nothing(tmp_path):
    assert moved(tmp_path, SAMPLES, SAMPLES) == {}


def test_what_moved_is_counted_in_each_slice(tmp_path):
    norths = [i for i, site in enumerate(SAMPLES.slices["site"]) if site == "north"][:4]
    souths = [i for i, site in enumerate(SAMPLES.slices["site"]) if site == "south"][:3]
    other = labelled(SAMPLES, site=dict.fromkeys(norths, "south") | dict.fromkeys(souths, None))
    found = moved(tmp_path, other, SAMPLES)
    assert {name: found[name] for name in found if "/" not in name} == {
        "site=north": Moved(4),
        "site=south": Moved(7),
        "site=NULL": Moved(3),
    }


def test_another_number_in_the_same_bin_moves_nothing(tmp_path):
    places = [i for i, age in enumerate(SAMPLES.slices["age"]) if age == "45.5"]
    assert moved(tmp_path, labelled(SAMPLES, age=dict.fromkeys(places, "99")), SAMPLES) == {}


def test_only_common_samples_and_wanted_slices_count(tmp_path):
    places = [i for i, site in enumerate(SAMPLES.slices["site"]) if site == "north"]
    other = labelled(SAMPLES, site=dict.fromkeys(places[:4], "south"))
    common = np.sort(id_hashes(SAMPLES.ids[i].encode() for i in range(90) if i not in places[:3]))
    settings = dataclasses.replace(SETTINGS, wanted=lambda name: name in ("all", "site=north"))
    assert moved(tmp_path, other, SAMPLES, settings, common) == {"site=north": Moved(1)}


def test_another_cluster_is_counted_where_the_sample_is(tmp_path):
    places = [i for i, age in enumerate(SAMPLES.slices["age"]) if age == "20"][:2]
    sites = {SAMPLES.slices["site"][i] or "NULL" for i in places}
    settings = dataclasses.replace(SETTINGS, specs=((), (SITE,)), cluster="age")
    found = moved(tmp_path, labelled(SAMPLES, age=dict.fromkeys(places, "21")), SAMPLES, settings)
    assert found["all"] == Moved(0, 2)
    assert set(found) == {"all", *(f"site={site}" for site in sites)}


def test_a_run_without_samples(tmp_path):
    assert moved(tmp_path, SAMPLES.part([]), SAMPLES, shards=(1, 1)) == {}


def members(names):
    hashes = id_hashes(name.encode() for name in names)
    return np.stack([hashes, hashes], axis=1)


NAMES = st.lists(st.sampled_from("abcdef"), max_size=9)


@given(NAMES, NAMES)
def test_a_sample_counts_as_often_as_it_is_there(now, then):
    expected = ((Counter(now) - Counter(then)) + (Counter(then) - Counter(now))).total()
    assert slice_members.difference(members(now), members(then)).samples == expected


@pytest.mark.parametrize(("now", "then"), [("ab", "ab"), ("ab", "ba"), ("", "")])
def test_the_order_of_members_does_not_matter(now, then):
    assert slice_members.difference(members(now), members(then)) == Moved(0)
