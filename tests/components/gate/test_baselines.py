"""Which run is the baseline, and which runs cannot be compared."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from dicebeam.components.gate import baselines
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.run_tables import FinishedRun

START = datetime(2026, 11, 1, tzinfo=UTC)


def past(name, night, model="m", data="d", status="done", **more):
    row = {
        "status": status,
        "config": '{"classes": ["a", "b"], "gate": {}}',
        "config_fingerprint": "c",
        "model_fingerprint": model,
        "data_fingerprint": data,
        "duplicate_ids": 0,
        "scored": 10,
        "finished": START + timedelta(night),
        **more,
    }
    return FinishedRun(Run("o", "2026-11-01", name, "c", model), row)


RUNS = [
    past("later", 6, "m6"),
    past("tonight", 5, "m5"),
    past("again", 4, "m5"),
    past("bad", 3, "m3", status="over_failure_budget"),
    past("other-data", 3, "m3", data="e"),
    past("old", 2, "m2"),
    past("older", 1, "m1"),
]
TONIGHT = RUNS[1]


@pytest.mark.parametrize(
    ("kind", "blessed", "expected"),
    [
        ("previous", [], "old"),
        ("blessed", ["older", "old"], "older"),
        ("blessed", ["tonight", "old"], "old"),
        ("older", [], "older"),
        ("later", [], "later"),
    ],
)
def test_the_baseline(kind, blessed, expected):
    found, _ = baselines.find(kind, TONIGHT, RUNS, blessed)
    assert found.run_id == expected


@pytest.mark.parametrize("kind", ["blessed", "previous", "hidden"])
def test_a_baseline_that_is_not_there_is_not_replaced_by_the_next_best(kind):
    hidden = past("hidden", 4.5, "m4")
    found, why = baselines.find(kind, TONIGHT, RUNS, ["hidden", "old"], [hidden])
    assert found is None
    assert re.search(
        r"run 'hidden', but its row .* is not there: .*: dicebeam summarize CONFIG.yaml --run-id hidden$", why
    )


def test_a_blessed_run_whose_row_was_deleted_is_not_replaced():
    assert baselines.find("blessed", TONIGHT, RUNS, ["deleted", "old"])[0] is None


def test_a_hidden_run_that_would_not_be_chosen_is_in_nobodys_way():
    hidden = [past("hidden", 0.5, "m4"), past("same-model", 4.5, "m5"), past("other", 4.5, "m4", data="x")]
    assert baselines.find("previous", TONIGHT, RUNS, [], hidden)[0].run_id == "old"


def test_where_common_samples_are_compared_the_previous_run_may_have_other_data():
    lost_some = past("lost-some", 5, "m5", data="f")
    other_config = past("other-config", 4, "m4", data="g", config_fingerprint="x")
    runs = [lost_some, other_config, *RUNS[3:]]
    assert baselines.find("previous", lost_some, runs, [])[0] is None
    assert baselines.find("previous", lost_some, runs, [], common=True)[0].run_id == "other-data"
    assert baselines.find("previous", TONIGHT, RUNS, [], common=True)[0].run_id == "old"


@pytest.mark.parametrize(
    ("kind", "runs", "message"),
    [
        ("previous", [TONIGHT], "no finished run of another model on the same data is there yet"),
        ("blessed", RUNS, r"no run is blessed yet; bless one by hand: dicebeam gate CONFIG.yaml --bless RUN_ID"),
        ("tonight", RUNS, "there is no other finished run 'tonight'"),
        ("r1", RUNS, "there is no other finished run 'r1'"),
    ],
)
def test_no_baseline_says_why(kind, runs, message):
    found, why = baselines.find(kind, TONIGHT, runs, [])
    assert found is None
    assert why == message


def test_runs_that_do_not_know_their_data_are_nobodys_previous_run():
    """They were made by an older version."""
    old, new = past("old", 1, "m1", data=None), past("new", 2, "m2", data=None)
    assert baselines.find("previous", new, [new, old], [])[0] is None
    assert not baselines.same_data(old.row, new.row)


def unlike(now, before, *, common=False):
    return baselines.unlike(now.row, before.row, {"gate"}, common=common)


def test_the_same_data_and_config_are_alike():
    assert unlike(past("a", 1), past("b", 2, "n")) == []


def test_another_config_is_named_key_by_key():
    other = past("b", 2, config='{"classes": ["a", "c"], "gate": 1}', config_fingerprint="x")
    (found,) = unlike(past("a", 1), other)
    assert found == 'the baseline was scored with another config: classes: ["a", "c"] -> ["a", "b"]'


def test_another_version_of_the_config_is_named():
    (found,) = unlike(past("a", 1), past("b", 2, config_fingerprint="x"))
    assert "in what another version of dicebeam made of it" in found


def test_what_another_config_made_of_the_data_says_nothing_of_the_data():
    """A class more is a row more for every sample, so the fingerprint of the same masks is another one."""
    other = past("b", 2, data="e", config='{"classes": ["a"]}', config_fingerprint="x")
    assert [line.partition(":")[0] for line in unlike(past("a", 1), other)] == [
        "the baseline was scored with another config"
    ]


def test_other_data_say_what_to_do():
    (found,) = unlike(past("a", 1, scored=9), past("b", 2, data="e"))
    assert "(sample ids or true masks differ; 10 samples scored then, 9 now)" in found
    assert found.endswith("gate.common_samples: true compares the samples that both have")


def test_other_data_may_be_compared_where_they_are_the_same():
    assert unlike(past("a", 1), past("b", 2, data="e"), common=True) == []


def test_samples_that_share_an_id_cannot_be_found_in_another_run():
    (found,) = unlike(past("a", 1, duplicate_ids=2), past("b", 2, data="e"), common=True)
    assert found == "the data are not the same, and samples that share an id cannot be told apart"


def test_a_baseline_that_is_not_valid_is_none():
    assert unlike(past("a", 1), past("b", 2, status="shard_cut_short")) == ["the baseline's status is shard_cut_short"]


# transforms


def test_a_run_with_another_transform_before_the_same_model_is_a_previous_run():
    scaled = past("scaled", 4, "m5", transform="/t", transform_fingerprint="t" * 20)
    found, _ = baselines.find("previous", TONIGHT, [TONIGHT, scaled, *RUNS[2:]], [])
    assert found.run_id == "scaled"


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (("m", None), ("n", None), None),
        (("m", "t" * 64), ("n", "t" * 64), None),
        (("m", "t" * 64), ("m", "u" * 64), "another one: /u (uuuuuuuuuuuu) -> /t (tttttttttttt); the model is the"),
        (("m", "t" * 64), ("n", None), "another one: none -> /t .*; the model is another one too"),
    ],
)  # fmt: skip
def test_what_is_said_of_another_transform(now, before, expected):
    rows = [
        {"model_fingerprint": model, "transform_fingerprint": found, "transform": f"/{found[0]}" if found else None}
        for model, found in (now, before)
    ]
    said = baselines.other_transform(*rows)
    assert said is None if expected is None else re.search(expected.replace("(", r"\(").replace(")", r"\)"), said)
