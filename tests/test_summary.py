"""States of slices and classes, against pandas on the same rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import run_files, sample_rows, summary
from components.run_files import Run
from schemas.records import Committed, Lineage, RunTotals, SampleKey
from schemas.summary import ALL, GroupKey, GroupState
from tests.builders import sums_of

CLASSES = ("a", "b")
SITE, AGE = ("meta/site", "meta_site"), ("age", "age")


def table(samples):
    """Rows of samples, each (site, age, [(tp, fp, fn) of every class])."""
    counts = np.array([c for _, _, c in samples], np.int64).reshape(len(samples), len(CLASSES), 3)
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    keys = [SampleKey(Lineage("s", i, i), f"{i}", (site, age)) for i, (site, age, _) in enumerate(samples)]
    sums = sums_of(tp, tp + fp, tp + fn)
    return sample_rows.sample_table(keys, sums, (0, 1), CLASSES, ["meta_site", "age"])


COUNTS = st.tuples(*[st.integers(0, 3)] * 3)
SAMPLES = st.lists(
    st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from(["1", "2"]), st.tuples(COUNTS, COUNTS)), max_size=12
)


def expected(frame, field):
    """One field of the state of a group, as pandas has it."""
    if field.startswith("n_"):
        return (frame["state"] == field[2:]).sum()
    derived = {
        "dice_sum": frame["dice"].sum(), "dice_sq": (frame["dice"] ** 2).sum(), "iou_sum": frame["iou"].sum(),
        "soft_dice_sum": frame["soft_dice"].sum(),
        "dice_min": frame["dice"].min() if frame["dice"].notna().any() else np.inf,
        "dice_max": frame["dice"].max() if frame["dice"].notna().any() else -np.inf,
    }  # fmt: skip
    return derived[field] if field in derived else frame[field].sum()


@settings(max_examples=25, deadline=None)
@given(SAMPLES)
def test_states_are_what_pandas_groups(samples):
    rows = table(samples)
    frame = rows.to_pandas().astype({"dice": float, "iou": float, "soft_dice": float})
    found = summary.group_states(rows, [[SITE], [SITE, AGE]])
    frame["site"] = "meta/site=" + frame["meta_site"].astype(object).where(frame["meta_site"].notna(), "NULL")
    groups = pd.concat([
        frame.assign(slice="all"), frame.assign(slice=frame["site"]),
        frame.assign(slice=frame["site"] + "/age=" + frame["age"].astype(object)),
    ])  # fmt: skip
    wanted = dict(iter(groups.groupby(["slice", "class_id"])))
    assert set(found) == {GroupKey(*key) for key in wanted}
    for key, state in found.items():
        for field in GroupState.__dataclass_fields__:
            assert getattr(state, field) == pytest.approx(expected(wanted[tuple(key)], field), abs=1e-12), (key, field)


def test_slice_names():
    found = summary.group_states(table([("A", "2", ((1, 0, 0), (0, 0, 0)))]), [[SITE], [AGE, SITE]])
    assert {key.slice for key in found} == {ALL, "meta/site=A", "age=2/meta/site=A"}


def test_a_sample_without_the_feature_is_in_the_slice_null():
    found = summary.group_states(table([(None, "2", ((1, 0, 0), (0, 0, 0)))]), [[SITE]])
    assert found[GroupKey("meta/site=NULL", 0)].n_samples == 1


def test_a_site_that_is_called_null_takes_nobodys_place():
    samples = [(None, "1", ((1, 0, 0), (0, 0, 0))), ("NULL", "1", ((1, 0, 0), (0, 0, 0)))]
    found = summary.group_states(table(samples), [[SITE]])
    assert found[GroupKey("meta/site=NULL", 0)].n_samples == 2


def test_absent_samples_are_counted_but_have_no_dice():
    state = summary.group_states(table([("A", "1", ((0, 0, 0), (0, 0, 3)))]), [])[GroupKey(ALL, 0)]
    assert (state.n_absent, state.n_defined, state.dice_sum, state.dice_min) == (1, 0, 0.0, np.inf)


def test_no_rows_are_no_groups():
    assert summary.group_states(table([]), [[SITE]]) == {}


def write(tmp_path, samples):
    run = Run(str(tmp_path), "2026-11-23", "r1", "c", "m")
    return run_files.write_table(table(samples), run, "samples", "a.parquet")


@pytest.mark.parametrize("rows_a_read", [1, 3, 1 << 17])
def test_a_file_in_parts_is_the_file(tmp_path, monkeypatch, rows_a_read):
    samples = [("A" if i % 3 else "B", str(i % 2), ((i, 1, 0), (0, i % 2, 0))) for i in range(9)]
    monkeypatch.setattr(summary, "ROWS_A_READ", rows_a_read)
    found = summary.file_states(write(tmp_path, samples), [[SITE], [AGE]])
    whole = summary.group_states(table(samples), [[SITE], [AGE]])
    assert set(found) == set(whole)
    for key, state in found.items():
        assert state.true_positives == whole[key].true_positives
        assert state.dice_sum == pytest.approx(whole[key].dice_sum)


def test_a_file_without_rows(tmp_path):
    assert summary.file_states(write(tmp_path, []), [[SITE]]) == {}


@given(st.lists(st.integers(0, 5), max_size=6), st.lists(st.integers(0, 5), max_size=6))
def test_states_add_up(left, right):
    states = [GroupState(n_present=1, true_positives=n, dice_sum=n / 8, dice_min=n, dice_max=n) for n in left + right]
    halves = [summary.add_states(states[: len(left)]), summary.add_states(states[len(left) :])]
    assert summary.add_states(halves) == summary.add_states(states)


def test_nothing_adds_up_to_the_neutral_state():
    assert summary.add_states([]) == GroupState()
    state = GroupState(n_missed=2, dice_min=0.0, dice_max=0.5)
    assert state + GroupState() == state


def test_totals():
    parts = [summary.totals_of(Committed("s", "p", 5, 3, 2)), summary.totals_of(Committed("t", "p", 1, 1, 0))]
    assert summary.add_totals(parts) == RunTotals(2, 6, 4, 2)
    assert summary.add_totals([]) == RunTotals()
