"""`gate.drift` in a config: what can be said, what comes back, and what mistakes are told."""

import json
import math
import re

import pytest
import yaml

from dicebeam.pipeline.config import config_file
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ConfigError

BASE = {"examples": "data/*", "model": "m", "output": "o", "classes": ["ground", "car", "person"]}


def load(tmp_path, drift, **gate):
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump({**BASE, "gate": {"drift": drift, **gate}}), encoding="utf-8")
    return config_file.load(str(path))


def test_the_defaults(tmp_path):
    (check,) = load(tmp_path, [{"metric": "channel_mean", "max_shift": 0.1}]).gate.drift
    assert (check.class_name, check.channel, check.action, check.limits) == ("*", None, "invalid", {"max_shift": 0.1})
    assert Config.model_validate(BASE).gate.drift == ()


@pytest.mark.parametrize("channel", ["*", 0, 7])
def test_channels(tmp_path, channel):
    (check,) = load(tmp_path, [{"metric": "channel_mean", "channel": channel, "max_change": 1}]).gate.drift
    assert check.channel == (None if channel == "*" else channel)


def test_a_config_comes_back_from_the_row_of_its_run(tmp_path):
    given = [
        {"metric": "channel_mean", "channel": 1, "max_shift": 0.1, "action": "warn"},
        {"metric": "class_pixels", "class": "car", "max_change": 0, "max_ratio": 1.5},
        {"metric": "class_samples", "max_change": 0.1},
    ]
    config = load(tmp_path, given)
    assert Config.model_validate(json.loads(config.model_dump_json())) == config


def test_what_is_watched_decides_no_sample(tmp_path):
    some = load(tmp_path, [{"metric": "class_samples", "max_change": 0.1}])
    assert some.fingerprint == Config.model_validate(BASE).fingerprint


def of(**more):
    return [{"metric": "class_pixels", **more}]


CHANNEL = {"metric": "channel_mean", "max_change": 1}
WRONG = [
    ({"channel_mean": {"max_change": 0.1}}, r"gate\.drift: Input should be a list, but got {"),
    (["class_pixels"], r"gate\.drift\.0: Input should be a mapping, but got 'class_pixels'"),
    ([{"max_change": 1}], r"gate\.drift\.0\.metric: is required"),
    (of(metric="class_pixel", max_change=1), r"gate\.drift\.0\.metric: Input should be 'channel_mean', "),
    (of(max_chang=1), r"gate\.drift\.0\.max_chang: no such key; did you mean 'max_change'\?"),
    (of(max_change=1, clas="car"), r"gate\.drift\.0\.clas: no such key; did you mean 'class'\?"),
    (of(max_change=1, actoin="warn"), r"gate\.drift\.0\.actoin: no such key; did you mean 'action'\?"),
    (of(max_change=1, slice="site=A"), r"gate\.drift\.0\.slice: no such key; "),
    (of(), r"gate\.drift\.0: class_pixels expects a limit, max_change or max_ratio, but got none"),
    ([{"metric": "channel_mean"}], r"gate\.drift\.0: channel_mean expects a limit, max_change or max_shift, but got"),
    (of(max_shift=1), r"gate\.drift\.0: class_pixels has the limits max_change and max_ratio, but got max_shift"),
    ([{**CHANNEL, "max_ratio": 2}], r"gate\.drift\.0: channel_mean has the limits max_change and max_shift, but got"),
    (of(max_change=-1), r"gate\.drift\.0\.max_change: Input should be greater than or equal to 0, but got -1"),
    (of(max_ratio=0.9), r"gate\.drift\.0\.max_ratio: Input should be greater than or equal to 1, but got 0.9"),
    (of(max_change=True), r"gate\.drift\.0\.max_change: expected a number, but got True"),
    (of(max_change=math.inf), r"gate\.drift\.0: expected finite limits, but got {'max_change': inf}"),
    (of(max_change=math.nan), r"gate\.drift\.0.*nan"),
    (of(max_change=1, action="fail"), r"gate\.drift\.0\.action: Input should be 'invalid' or 'warn', but got 'fail'"),
    (of(**{"max_change": 1, "class": ""}), r"gate\.drift\.0\.class: String should have at least 1 character"),
    (of(max_change=1, channel=1), r"gate\.drift\.0: class_pixels is of a class, and has no channel, but got 1"),
    ([{**CHANNEL, "class": "car"}], r"gate\.drift\.0: channel_mean is of a channel, and has no class, but got 'car'"),
    ([{**CHANNEL, "channel": -1}], r"gate\.drift\.0\.channel: Input should be greater than or equal to 0, but got -1"),
    ([{**CHANNEL, "channel": "red"}], r"gate\.drift\.0\.channel: expected a channel's number, from 0, or .* got 'red'"),
    ([{**CHANNEL, "channel": True}], r"gate\.drift\.0\.channel: expected a channel's number, .* but got True"),
    ([{**CHANNEL, "channel": 1.5}], r"gate\.drift\.0\.channel: expected a channel's number, .* but got 1.5"),
    (
        of(**{"max_change": 1, "class": "cat"}),
        r"gate\.drift\.0\.class: expected '\*' or one of \['ground', 'car', 'person'\], but got 'cat'",
    ),
    (of(**{"max_change": 1, "class": "foreground"}), r"gate\.drift\.0\.class: expected '\*' or one of"),
]  # fmt: skip


@pytest.mark.parametrize(("drift", "message"), WRONG)
def test_a_mistake_names_its_key(tmp_path, drift, message):
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, drift)
    assert re.search(f"1 mistake\n  {message}", str(raised.value)), str(raised.value)
