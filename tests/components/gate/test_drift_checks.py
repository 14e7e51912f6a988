"""The gate's checks of the data, by hand: what has drifted, what has not, and what is never a pass."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.components.gate import drift_checks
from dicebeam.components.gate.drift_checks import Channel, ClassCount, Dataset
from dicebeam.components.statistics import tolerance
from dicebeam.schemas.config.drift import DriftCheck
from dicebeam.schemas.verdict import DRIFTED, INVALID, NO_BASELINE, PASS


def data(classes=None, channels=None, samples=100, pixels=1000, **more):
    """Data of some classes, `name=(pixels, samples)`, and channels, `(mean, std)`."""
    counts = {name: ClassCount(i, *each) for i, (name, each) in enumerate((classes or {}).items())}
    found = {i: Channel(*each) for i, each in enumerate(channels or [])}
    return Dataset(samples, pixels, found, counts, **more)


def judge(now, before, **check):
    return drift_checks.judge([DriftCheck.model_validate(check)], now, before)


def judge_one(now, before, **check):
    (found,) = judge(now, before, **check)
    return found


# what moved, and by how much


@pytest.mark.parametrize(
    ("mean", "limit", "verdict", "message"),
    [
        (105.0, {"max_change": 5}, PASS, r"rose by 5, from 100 to 105: within max_change 5$"),
        (105.5, {"max_change": 5}, DRIFTED, r"rose by 5\.5, from 100 to 105\.5: more than max_change 5$"),
        (94.0, {"max_change": 5}, DRIFTED, r"fell by 6, from 100 to 94: more than"),
        (100.0, {"max_change": 0}, PASS, r"did not change from 100: within max_change 0$"),
        (105.0, {"max_shift": 0.1}, PASS, r"rose by 5, .*, 0\.1 of the baseline's standard deviation of 50"),
        (105.1, {"max_shift": 0.1}, DRIFTED, r"0\.102 of the baseline's .*: more than max_shift 0\.1$"),
        (94.9, {"max_shift": 0.1}, DRIFTED, r"fell by 5\.1"),
    ],
)
def test_the_mean_of_a_channel(mean, limit, verdict, message):
    found = judge_one(data(channels=[(mean, 10.0)]), data(channels=[(100.0, 50.0)]), metric="channel_mean", **limit)
    assert found.verdict == verdict
    assert found.message.startswith("channel_mean of channel 0 ")
    assert re.search(message, found.message), found.message
    assert (found.channel, found.class_id, found.class_name, found.slice) == (0, None, None, "all")
    assert (found.value, found.baseline, found.difference) == (mean, 100.0, pytest.approx(mean - 100))
    assert (found.limit_name, found.threshold) == next(iter(limit.items()))


@pytest.mark.parametrize(
    ("pixels", "limit", "verdict", "message"),
    [
        (70, {"max_change": 0.02}, PASS, r"rose by 0\.02, from 0\.05 to 0\.07: within max_change 0\.02$"),
        (71, {"max_change": 0.02}, DRIFTED, r"rose by 0\.021, from 0\.05 to 0\.071: more than max_change 0\.02$"),
        (29, {"max_change": 0.02}, DRIFTED, r"fell by 0\.021"),
        (60, {"max_ratio": 1.2}, PASS, r"rose by 0\.01, from 0\.05 to 0\.06, a factor of 1\.2: within max_ratio 1\.2$"),
        (61, {"max_ratio": 1.2}, DRIFTED, r"a factor of 1\.22: more than max_ratio 1\.2$"),
        (40, {"max_ratio": 1.25}, PASS, r"fell by 0\.01, from 0\.05 to 0\.04, a factor of 1\.25"),
        (39, {"max_ratio": 1.25}, DRIFTED, r"a factor of 1\.282"),
        (50, {"max_ratio": 1}, PASS, r"class car did not change from 0\.05: within max_ratio 1$"),
    ],
)
def test_the_part_of_the_pixels(pixels, limit, verdict, message):
    now, before = (data({"road": (500, 90), "car": (each, 80)}) for each in (pixels, 50))
    found = judge_one(now, before, metric="class_pixels", **{"class": "car"}, **limit)
    assert found.verdict == verdict
    assert re.search(message, found.message), found.message
    assert (found.class_id, found.class_name, found.channel) == (1, "car", None)
    assert (found.value, found.baseline) == (pixels / 1000, 0.05)


def test_parts_are_of_what_each_of_the_data_has():
    now, before = data({"car": (30, 2)}, samples=10, pixels=300), data({"car": (200, 30)}, samples=100, pixels=4000)
    pixels = judge_one(now, before, metric="class_pixels", max_change=0.04)
    samples = judge_one(now, before, metric="class_samples", max_change=0.04)
    assert (pixels.verdict, pixels.value, pixels.baseline) == (DRIFTED, 0.1, 0.05)
    assert (samples.verdict, samples.value, samples.baseline) == (DRIFTED, 0.2, 0.3)
    assert samples.message == "class_samples of class car fell by 0.1, from 0.3 to 0.2: more than max_change 0.04"


def test_a_class_that_appears_is_beyond_any_factor_and_one_in_neither_did_not_change():
    none, some = data({"car": (0, 0)}), data({"car": (1, 1)})
    for now, before in ((some, none), (none, some)):
        found = judge_one(now, before, metric="class_pixels", max_ratio=1e9)
        assert (found.verdict, "beyond any factor: more than" in found.message) == (DRIFTED, True)
    found = judge_one(none, none, metric="class_pixels", max_ratio=1)
    assert (found.verdict, found.message) == (PASS, "class_pixels of class car is 0 in both: within max_ratio 1")


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 100))
def test_a_change_of_just_the_limit_is_within_it(now, before, limit):
    """Against whole numbers, of which there is no doubt: tenths of a percent."""
    made = (data({"car": (count, 1)}) for count in (now, before))
    found = judge_one(*made, metric="class_pixels", max_change=limit / 1000)
    assert (found.verdict == DRIFTED) == (abs(now - before) > limit)
    assert found.difference == pytest.approx((now - before) / 1000, abs=1e-15)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.5, 1e3), st.sampled_from([0, 0.1, 0.3, 2.5]))
def test_up_or_down_is_the_same(mean, before, std, limit):
    there, back = (
        judge_one(data(channels=[(a, std)]), data(channels=[(b, std)]), metric="channel_mean", max_shift=limit)
        for a, b in ((mean, before), (before, mean))
    )
    assert there.verdict == back.verdict
    assert there.difference == -back.difference


def test_a_tenth_is_a_tenth():
    assert tolerance.exact(0.1) == Fraction(1, 10)


# which channels and classes


def test_every_channel_and_every_class_and_every_limit():
    now = data({"road": (500, 90), "car": (50, 80)}, [(100.0, 5.0), (50.0, 5.0)])
    found = judge(now, now, metric="channel_mean", max_change=1, max_shift=0.1)
    assert [(each.channel, each.limit_name) for each in found] == [
        (0, "max_change"), (0, "max_shift"), (1, "max_change"), (1, "max_shift"),
    ]  # fmt: skip
    found = judge(now, now, metric="class_pixels", max_change=0.1)
    assert [each.class_name for each in found] == ["road", "car"]
    assert {each.verdict for each in found} == {PASS}
    assert judge_one(now, now, metric="channel_mean", channel=1, max_change=1).channel == 1


def test_a_check_that_only_warns_decides_nothing():
    now, before = data(channels=[(9.0, 1.0)]), data(channels=[(1.0, 1.0)])
    for action, decides in (("warn", False), ("invalid", True)):
        found = judge_one(now, before, metric="channel_mean", max_change=1, action=action)
        assert (found.verdict, found.decides) == (DRIFTED, decides)


# never a pass


@pytest.mark.parametrize("limit", ["max_change", "max_ratio"])
@pytest.mark.parametrize(
    ("now", "before", "message"),
    [
        (data({"car": (5, 1)}), data({"bus": (5, 1)}), "class car: the run's data have it, the baseline's do not"),
        (data(), data({"car": (5, 1)}), "class car: the baseline's data have it, the run's do not"),
        (data(), data(), "class car: neither the run's data nor the baseline's have it"),
        (data({"car": (0, 0)}, pixels=0), data({"car": (0, 0)}), "it is not defined in the run's data, which have"),
        (data({"car": (0, 0)}), data({"car": (0, 0)}, pixels=0), "it is not defined in the baseline's data"),
        (data({"car": (0, 0)}, pixels=0), data({"car": (0, 0)}, pixels=0), "in the run's and the baseline's data"),
        (data({"car": (5, 1)}), data({"car": (5, 1)}, unsound="half of it is gone"), "class car: half of it is gone"),
        (data({"car": (5, 1)}, unsound="half of it is gone"), None, "class_pixels of class car: half of it is gone"),
    ],
)  # fmt: skip
def test_a_class_that_cannot_be_compared(limit, now, before, message):
    found = judge_one(now, before, metric="class_pixels", **{"class": "car", limit: 1})
    assert found.verdict == INVALID
    assert message in found.message
    assert found.difference is None


def test_no_samples():
    found = judge_one(data({"car": (0, 0)}, samples=0), data({"car": (5, 1)}), metric="class_samples", max_change=1)
    assert (found.verdict, found.value, found.baseline) == (INVALID, None, 0.01)


@pytest.mark.parametrize(
    ("now", "before", "message"),
    [
        (
            [(1.0, 1.0)],
            [(1.0, 0.0)],
            "the baseline's channel has a standard deviation of 0, every value being the same",
        ),
        ([(1.0, 1.0)], [(1.0, None)], "no finite standard deviation"),
        ([(1.0, 1.0)], [(1.0, float("inf"))], "no finite standard deviation"),
        ([(None, None)], [(1.0, 1.0)], "channel 0: it is not defined in the run's data"),
        ([(float("nan"), 1.0)], [(1.0, 1.0)], "channel 0: it is not defined in the run's data"),
        ([(1.0, 1.0)], [(float("inf"), 1.0)], "channel 0: it is not defined in the baseline's data"),
        ([], [], "channel_mean of every channel: neither the run's data nor the baseline's have it"),
    ],
)
def test_a_channel_that_cannot_be_compared(now, before, message):
    found = judge_one(data(channels=now), data(channels=before), metric="channel_mean", max_shift=0.1)
    assert found.verdict == INVALID
    assert found.difference == (0 if found.value == found.baseline == 1 else None)
    assert message in found.message


def test_a_change_needs_no_spread():
    one = data(channels=[(1.0, 0.0)])
    assert judge_one(one, one, metric="channel_mean", max_change=0).verdict == PASS


def test_grey_images_where_colours_were():
    grey, colours = data(channels=[(1.0, 1.0)]), data(channels=[(1.0, 1.0)] * 3)
    for now, before in ((grey, colours), (colours, grey)):
        found = judge(now, before, metric="channel_mean", max_change=1)
        assert [each.verdict for each in found] == [PASS, INVALID, INVALID]


def test_without_a_baseline_the_value_is_there():
    found = judge_one(data(channels=[(7.0, 1.0)]), None, metric="channel_mean", max_change=1)
    assert (found.verdict, found.value, found.baseline) == (NO_BASELINE, 7.0, None)
    assert found.message == "channel_mean of channel 0: there is no baseline"
    (other,) = drift_checks.judge(
        [DriftCheck(metric="channel_mean", max_change=1)], data(channels=[(7.0, 1.0)]), None, INVALID, "another config"
    )
    assert (other.verdict, other.message) == (INVALID, "channel_mean of channel 0: another config")
