"""Which samples a page shows: in which order, for which class, and with what the tables say of them."""

import numpy as np
import pytest

from dicebeam.components.report import gallery_samples
from dicebeam.components.report.sample_rankings import Candidate, Ranking
from dicebeam.components.runs.run_files import Run
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.schemas.records import Lineage
from tests.components.report.test_sample_rankings import write
from tests.support import summarizing

SITE = (SliceFeature("the site", "site"),)


def ranking(name, *keys):
    return Ranking(name, 9, [Candidate((float(i), 0, key, key), None) for i, key in enumerate(keys)])


def chosen(limit, *rankings):
    return [(name, candidate.key[2]) for name, candidate in gallery_samples.choose(rankings, limit)]


def test_the_mean_comes_first_then_the_classes_in_turns_and_no_sample_twice():
    found = chosen(9, ranking(None, 1, 2), ranking("a", 2, 3, 4), ranking("b", 5, 1))
    assert found == [(None, 1), (None, 2), ("b", 5), ("a", 3), ("a", 4)]


def test_no_more_than_the_limit_are_chosen():
    assert chosen(2, ranking(None, 1, 2, 3), ranking("a", 4)) == [(None, 1), (None, 2)]
    assert chosen(2) == []


def samples(tp, fp, fn, sites):
    counts = [np.array(values, np.int64) for values in (tp, fp, fn)]
    names = tuple(f"s{i}" for i in range(len(sites)))
    return summarizing.Samples(names, summarizing.sums_of_counts(*counts), {"site": tuple(sites)})


@pytest.fixture
def runs(tmp_path):
    """Two samples and two classes: s0's class0 falls to a half and class1 is a false alarm; s1 misses class1 now."""
    now, before = Run(str(tmp_path), "2026-11-24", "now", "c", "m"), Run(str(tmp_path), "2026-11-23", "old", "c", "m")
    write(now, "shard", samples([[5, 0], [9, 0]], [[5, 3], [0, 0]], [[5, 0], [0, 7]], ["north", None]))
    write(before, "shard", samples([[10, 0], [9, 7]], [[0, 0], [0, 0]], [[0, 0], [0, 0]], ["north", None]))
    return now, before


def test_a_fall_says_what_the_baseline_had(runs):
    first, second = gallery_samples.find("fall", *runs, ("class0", "class1"), (SITE,))
    assert (first.sample_id, first.lineage) == ("s0", Lineage("shard", 0, 0))
    assert (first.focus.name, first.focus.state_before, first.focus.state) == ("class1", "absent", "false_alarm")
    assert first.focus.change == -1.0
    assert (first.score, first.before) == (0.25, 1.0)
    assert [(score.name, score.change) for score in first.also] == [("class0", -0.5)]
    assert (second.focus.name, second.focus.state_before, second.focus.state) == ("class1", "present", "missed")
    assert second.also == ()


def test_slices_are_named_as_in_the_tables(runs):
    found = gallery_samples.find("worst", *runs, ("class0", "class1"), (SITE, (SliceFeature("age", "gone"),)))
    assert {case.sample_id: case.slices for case in found} == {
        "s0": ("all", "the site=north"),
        "s1": ("all", "the site=NULL"),
    }
    assert found[0].features == (("site", "north"),)


def test_without_a_baseline_there_is_nothing_of_before(runs):
    now, _ = runs
    assert gallery_samples.find("fall", now, None, ("class0",), ()) == ()
    (case, *_) = gallery_samples.find("worst", now, None, ("class0",), ())
    assert (case.focus.before, case.focus.state_before, case.focus.change, case.before) == (None, None, None, None)


def test_a_class_outside_the_foreground_is_no_focus(runs):
    assert {case.focus.name for case in gallery_samples.find("worst", *runs, ("class0",), ())} == {"class0"}
