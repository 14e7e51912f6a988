"""The digest says at a glance whether two sample tables hold the same ids and counts."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.statistics import digest, sample_sums
from dicebeam.components.statistics.hashing import id_hashes, mixed
from dicebeam.schemas.records import SampleSums
from tests.support.summarizing import random_samples, sums_of_counts

SAMPLES = random_samples(12)
CLASSES = (0, 1, 2)


def of(samples, class_ids=CLASSES):
    return digest.of_rows(id_hashes(i.encode() for i in samples.ids), samples.sums, class_ids)


def test_a_known_digest():
    counts = np.array([[3, 0], [1, 2]])
    sums = sums_of_counts(counts, counts + 1, counts + 2)
    sums = dataclasses.replace(sums, pixels=np.array([50, 60]), ignored_pixels=np.array([0, 7]))
    assert digest.of_rows(id_hashes([b"a", b"b"]), sums, (0, 1)) == "9df60e5be1a2c0d13ba408b6df937ec5"


def test_by_hand():
    """Each row: the start, and for each column the mix of the hash so far plus the column; added up over the rows."""
    one = SAMPLES.part([4])
    expected = []
    for start in (0x243F6A8885A308D3, 0x13198A2E03707344):
        total = 0
        for place in range(3):
            s = one.sums
            row = (
                int(id_hashes([b"scan-0004"])[0]), place, s.true_positives[0, place], s.predicted[0, place],
                s.actual[0, place], s.pixels[0], s.ignored_pixels[0],
            )  # fmt: skip
            state = start
            for value in row:
                state = int(mixed(np.array([(state + int(value)) % 2**64], np.uint64))[0])
            total += state
        expected.append(f"{total % 2**64:016x}")
    assert of(one) == "".join(expected)


@settings(deadline=None)
@given(st.permutations(range(12)), st.lists(st.integers(0, 12), max_size=4))
def test_any_order_and_any_shards_have_one_digest(order, cuts):
    shards = np.split(np.array(order), sorted(cuts))
    assert digest.add(of(SAMPLES.part(shard)) for shard in shards) == of(SAMPLES)


def test_parts_of_parts():
    parts = [of(SAMPLES.part([i])) for i in range(12)]
    assert digest.add([digest.add(parts[:5]), digest.add(parts[5:]), digest.NOTHING]) == of(SAMPLES)


def test_nothing():
    assert of(SAMPLES.part([])) == digest.add([]) == digest.NOTHING


INTEGERS = ("true_positives", "predicted", "actual", "pixels", "ignored_pixels")
DOUBLES = ("soft_intersection", "soft_predicted", "soft_predicted_sq")


def test_every_column_is_known_here():
    assert {*INTEGERS, *DOUBLES} == {field.name for field in dataclasses.fields(SampleSums)}


@pytest.mark.parametrize("row", [0, 7])
@pytest.mark.parametrize("column", INTEGERS)
def test_one_count_changes_it(column, row):
    changed = getattr(SAMPLES.sums, column).copy()
    changed[row] += 1
    sums = dataclasses.replace(SAMPLES.sums, **{column: changed})
    assert of(dataclasses.replace(SAMPLES, sums=sums)) != of(SAMPLES)


@pytest.mark.parametrize("column", DOUBLES)
def test_doubles_do_not_change_it(column):
    sums = dataclasses.replace(SAMPLES.sums, **{column: getattr(SAMPLES.sums, column) + 1})
    assert of(dataclasses.replace(SAMPLES, sums=sums)) == of(SAMPLES)


def test_an_id_and_a_class_id_change_it():
    assert of(dataclasses.replace(SAMPLES, ids=("other", *SAMPLES.ids[1:]))) != of(SAMPLES)
    assert of(SAMPLES, (0, 1, 3)) != of(SAMPLES)


def test_samples_that_swap_their_counts_change_it():
    sums = sample_sums.select(SAMPLES.sums, np.array([1, 0, *range(2, 12)]))
    assert of(dataclasses.replace(SAMPLES, sums=sums)) != of(SAMPLES)


def test_a_sample_that_is_there_twice_or_missing_changes_it():
    digests = {of(SAMPLES), of(SAMPLES.part([*range(12), 3])), of(SAMPLES.part(range(11)))}
    assert len(digests) == 3
    assert all(len(text) == 32 for text in digests)


def of_data(samples):
    return digest.of_data(id_hashes(i.encode() for i in samples.ids), samples.sums, CLASSES)


@pytest.mark.parametrize("column", ["true_positives", "predicted", *DOUBLES])
def test_what_the_model_says_is_not_of_the_data(column):
    sums = dataclasses.replace(SAMPLES.sums, **{column: getattr(SAMPLES.sums, column) + 1})
    assert of_data(dataclasses.replace(SAMPLES, sums=sums)) == of_data(SAMPLES) != of(SAMPLES)


@pytest.mark.parametrize("column", ["actual", "pixels", "ignored_pixels"])
def test_what_is_true_is_of_the_data(column):
    sums = dataclasses.replace(SAMPLES.sums, **{column: getattr(SAMPLES.sums, column) + 1})
    assert of_data(dataclasses.replace(SAMPLES, sums=sums)) != of_data(SAMPLES)


def test_ids_are_of_the_data():
    assert of_data(dataclasses.replace(SAMPLES, ids=("other", *SAMPLES.ids[1:]))) != of_data(SAMPLES)
    assert digest.add(of_data(SAMPLES.part([i])) for i in reversed(range(12))) == of_data(SAMPLES)


def of_slices(samples):
    columns = {name: pa.array(texts, pa.string()) for name, texts in samples.slices.items()}
    return digest.of_slices(id_hashes(i.encode() for i in samples.ids), columns)


def relabelled(samples, column, place, text):
    texts = list(samples.slices[column])
    texts[place] = text
    return dataclasses.replace(samples, slices={**samples.slices, column: tuple(texts)})


def test_a_known_digest_of_slices():
    ids = id_hashes([b"a", b"b"])
    assert digest.of_slices(ids, {"site": pa.array(["x", None])}) == "9be5884648f3d6203a8c628bc578d854"


def test_slices_have_one_digest_in_any_order_of_samples_and_columns():
    parts = [of_slices(SAMPLES.part([i])) for i in reversed(range(12))]
    assert digest.add(parts) == of_slices(SAMPLES)
    turned = dataclasses.replace(SAMPLES, slices=dict(reversed(SAMPLES.slices.items())))
    assert of_slices(turned) == of_slices(SAMPLES)


def test_counts_are_no_part_of_the_digest_of_slices():
    assert of_slices(dataclasses.replace(SAMPLES, sums=random_samples(12, seed=9).sums)) == of_slices(SAMPLES)


@pytest.mark.parametrize("column", ["site", "age"])
@pytest.mark.parametrize("text", ["other", "", "None", "none"])
def test_every_label_counts(column, text):
    assert of_slices(relabelled(SAMPLES, column, 3, text)) != of_slices(SAMPLES)


def test_labels_that_change_places_have_another_digest():
    one = relabelled(relabelled(SAMPLES, "site", 0, "x"), "site", 1, "y")
    two = relabelled(relabelled(SAMPLES, "site", 0, "y"), "site", 1, "x")
    other_column = dataclasses.replace(SAMPLES, slices={"site": SAMPLES.slices["age"], "age": SAMPLES.slices["site"]})
    assert len({of_slices(one), of_slices(two), of_slices(SAMPLES), of_slices(other_column)}) == 4


def test_a_missing_label_is_no_text():
    missing = of_slices(relabelled(SAMPLES, "site", 0, None))
    assert missing not in {of_slices(relabelled(SAMPLES, "site", 0, text)) for text in ("", "None", "NULL", "none")}
