"""The worst samples and the largest falls against pandas, over several blocks, files, passes and orders."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dicebeam.components.report import sample_rankings
from dicebeam.components.runs import run_files
from dicebeam.components.runs.run_files import Run
from dicebeam.components.runs.shard_records import ShardRecord
from dicebeam.components.samples import sample_scan
from dicebeam.components.storage import filesystems
from dicebeam.schemas import tables
from dicebeam.schemas.errors import TablesError
from tests.support import summarizing

NAMES = ("class0", "class1", "class2")
FOREGROUND = ("class1", "class2")


def a_run(folder, run_id):
    return Run(str(folder), "2026-11-24", run_id, "c", "m")


def write(run, shard, samples):
    """As summarizing.write_file, with the classes."""
    path = f"{run.folder('samples')}/{run_files.file_name(shard)}"
    table, n = samples.table(None, shard), len(samples)
    record = ShardRecord(shard, 1, n, n, 0, "c", "m", class_ids=tuple(range(samples.n_classes)))
    schema = tables.with_metadata(table.schema, run.run_id, record.encode())
    with filesystems.committing(path) as out, pq.ParquetWriter(out, schema) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=50)
    return table.to_pandas()


def make(folder, run_id, seed, renamed=(), shards=3, size=60):
    """A run whose samples `renamed` share one id; returns it and its rows."""
    samples = summarizing.random_samples(size, seed=seed)
    ids = tuple("twin" if i in renamed else name for i, name in enumerate(samples.ids))
    samples = dataclasses.replace(samples, ids=ids)
    run = a_run(folder, run_id)
    frames = [write(run, f"shard-{k}", samples.part(range(k, size, shards))) for k in range(shards)]
    return run, pd.concat(frames, ignore_index=True)


def by_class(rows):
    """Dice by sample and class."""
    dice = rows.astype({"dice": float}).set_index(["sample_id", "shard", "record", "class_name"]).dice
    return dice.unstack("class_name")


def shown(ranking):
    return [(c.rows["sample_id"][0].as_py(), round(c.key[0], 6)) for c in ranking.found]


def expected(scores, size):
    """The lowest scores; ties are told apart by hashes, so that only scores are compared."""
    return [round(float(score), 6) for score in sorted(scores.dropna())[:size]]


@pytest.mark.parametrize("reads", [3, 7, 1 << 17])
def test_the_worst_are_those_of_pandas(tmp_path, monkeypatch, reads):
    monkeypatch.setattr(sample_scan, "ROWS_OF_EVERY_COLUMN", reads)
    run, rows = make(tmp_path, "r1", 0)
    dice = by_class(rows)[list(FOREGROUND)]
    overall, *each = sample_rankings.worst(run, FOREGROUND, 9, 4)
    assert [score for _, score in shown(overall)] == expected(dice.mean(axis=1), 9)
    for ranking in each:
        assert [score for _, score in shown(ranking)] == expected(dice[ranking.class_name], 4)
        found = dict(shown(ranking))
        theirs = dice[ranking.class_name].reset_index().set_index("sample_id")[ranking.class_name]
        assert found == pytest.approx({name: theirs[name] for name in found}, abs=1e-6)


def changes(now, before):
    """Falls as the docstring says them, for ids that are unique in both."""
    ours, theirs = (by_class(rows).reset_index().set_index("sample_id")[list(FOREGROUND)] for rows in (now, before))
    ours, theirs = ours.align(theirs, join="inner", axis=0)
    both = ours.isna() & theirs.isna()
    return (ours.fillna(1) - theirs.fillna(1)).mask(both)


@pytest.mark.parametrize("index_bytes", [1 << 30, 200])
def test_the_falls_are_those_of_pandas_in_any_number_of_passes(tmp_path, monkeypatch, index_bytes):
    monkeypatch.setattr(sample_rankings, "MAX_INDEX_BYTES", index_bytes)
    monkeypatch.setattr(sample_scan, "ROWS_OF_EVERY_COLUMN", 21)
    run, now = make(tmp_path, "r1", 0)
    base, before = make(tmp_path, "r0", 1, shards=2)
    change = changes(now, before)
    overall, *each = sample_rankings.falls(run, base, FOREGROUND, 9, 4)
    mean = change.mean(axis=1)
    assert [score for _, score in shown(overall)] == pytest.approx(expected(mean[mean < 0], 9), abs=2e-6)
    assert len(overall.found) == 9
    for ranking in each:
        own = change[ranking.class_name]
        assert [score for _, score in shown(ranking)] == pytest.approx(expected(own[own < 0], 4), abs=2e-6)


def test_samples_that_share_an_id_are_paired_by_their_place(tmp_path):
    run, now = make(tmp_path, "r1", 0, renamed=(3, 4, 5))
    base, before = make(tmp_path, "r0", 1, renamed=(3, 4, 5))
    overall, *_ = sample_rankings.falls(run, base, FOREGROUND, 60, 0)
    twins = [c for c in overall.found if c.rows["sample_id"][0].as_py() == "twin"]
    for twin in twins:
        place = ("twin", twin.rows["shard"][0].as_py(), twin.rows["record"][0].as_py())
        ours, theirs = (by_class(rows).loc[place][list(FOREGROUND)] for rows in (now, before))
        both = ours.isna() & theirs.isna()
        assert twin.key[0] == pytest.approx((ours.fillna(1) - theirs.fillna(1)).mask(both).mean(), abs=1e-6)
    assert twins


def test_samples_of_one_run_alone_are_in_no_ranking(tmp_path):
    run, _ = make(tmp_path, "r1", 0, size=60)
    base, before = make(tmp_path, "r0", 1, size=30)
    overall, *_ = sample_rankings.falls(run, base, FOREGROUND, 60, 5)
    assert {name for name, _ in shown(overall)} <= set(before.sample_id)


def test_nothing_falls_against_itself(tmp_path):
    run, _ = make(tmp_path, "r1", 0)
    assert not any(ranking.found for ranking in sample_rankings.falls(run, run, FOREGROUND, 9, 4))


def test_a_false_alarm_is_a_fall_from_one_and_the_larger_comes_first(tmp_path):
    def samples(wrong):
        zero = np.zeros((2, 1), np.int64)
        return summarizing.Samples(("a", "b"), summarizing.sums_of_counts(zero, np.array(wrong), zero), {})

    run, base = a_run(tmp_path, "r1"), a_run(tmp_path, "r0")
    write(run, "s", samples([[5], [50]]))
    write(base, "s", samples([[0], [0]]))
    overall, _ = sample_rankings.falls(run, base, ("class0",), 9, 4)
    assert shown(overall) == [("b", -1.0), ("a", -1.0)]


def test_a_baseline_without_files_has_no_falls(tmp_path):
    run, _ = make(tmp_path, "r1", 0)
    assert not sample_rankings.falls(run, a_run(tmp_path, "gone"), FOREGROUND, 9, 4)[0].found


def test_a_class_that_was_not_scored_has_an_empty_ranking(tmp_path):
    run, _ = make(tmp_path, "r1", 0)
    assert sample_rankings.worst(run, ("other",), 9, 4)[1].found == []


def test_rows_are_found_by_the_whole_id(tmp_path):
    run, _ = make(tmp_path, "r1", 0, renamed=(1, 2))
    found = list(sample_rankings.rows_of(run, ["twin", "scan-0010", "nobody"]))
    assert sorted(part["sample_id"][0].as_py() for part in found) == ["scan-0010", "twin", "twin"]
    assert all(part["class_name"].to_pylist() == list(NAMES) for part in found)
    assert list(sample_rankings.rows_of(run, [])) == []


def test_samples_are_counted_from_the_footers(tmp_path):
    run, _ = make(tmp_path, "r1", 0)
    assert sample_scan.count(run) == (60, 3)
    assert sample_scan.count(a_run(tmp_path, "gone")) == (0, 0)


def test_a_file_that_names_no_classes_is_refused(tmp_path):
    run = a_run(tmp_path, "r1")
    summarizing.write_file(run, "s", summarizing.random_samples(4))
    with pytest.raises(TablesError, match=r"expected .* to say which classes were scored, but it names none"):
        list(sample_scan.blocks(run))


def test_many_classes_are_in_the_mean_though_few_have_a_ranking(tmp_path, monkeypatch):
    run, rows = make(tmp_path, "r1", 0)
    monkeypatch.setattr(sample_rankings, "MAX_RANKED", 1)
    overall, *each = sample_rankings.worst(run, FOREGROUND, 9, 4)
    assert [score for _, score in shown(overall)] == expected(by_class(rows)[list(FOREGROUND)].mean(axis=1), 9)
    assert [ranking.class_name for ranking in each] == ["class1"]
