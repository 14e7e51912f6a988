"""Sample files to the rows of slices: whatever the shards, their order and the runner."""

import dataclasses
import math

import apache_beam as beam
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicebeam.components.runs import accounting
from dicebeam.components.runs.run_files import Run
from dicebeam.components.samples import sample_blocks
from dicebeam.components.statistics.slicing import SliceFeature
from dicebeam.components.summary import slice_rows, slice_state
from dicebeam.components.summary import summarize as summary
from dicebeam.components.summary.slice_rows import ClassSettings
from dicebeam.components.summary.slice_state import BootstrapSettings
from dicebeam.components.summary.summarize import Summarize, SummarySettings
from dicebeam.pipeline.runner.options import pipeline_options
from dicebeam.schemas.accounting import Committed, FileSums, RunTotals
from dicebeam.schemas.errors import TablesError
from dicebeam.schemas.slices import SliceTables
from tests.support.summarizing import Keep, kept, random_samples, write_file

SITE, AGE = SliceFeature("meta/site", "site"), SliceFeature("age", "age", (40.0, 60.0))
CLASSES = ClassSettings((0, 1, 2), ("ground", "leaf", "stem"), (1, 2))
SAMPLES = random_samples(60)
TABLES = ("classes", "slices", "histograms", "replicates")


@pytest.fixture
def run(tmp_path):
    return Run(str(tmp_path), "2026-11-23", "r1", "c", "m")


def settings_of(run, **more):
    given_settings = {"slices": ((SITE,), (SITE, AGE)), "bootstrap": BootstrapSettings(20, seed=5), **more}
    return SummarySettings(run, CLASSES, **given_settings)


def write(run, samples, shards, prefix="s", rows=64):
    """Shards that take turns; their names, and so the order of their files, are not that of the samples."""
    parts = [samples.part(np.arange(i, len(samples), shards)) for i in range(shards)]
    return [write_file(run, f"{prefix}{(5 * i + 3) % shards}", part, rows=rows) for i, part in enumerate(parts)]


def in_memory(paths, summary_settings):
    """The reports of some files, by the same steps without Beam."""
    states, n_classes = {}, len(summary_settings.classes.ids)
    for path in paths:
        blocks = sample_blocks.read_blocks(path, summary_settings.columns, summary_settings.cluster, n_classes)
        for block in blocks:
            summary.add_block(states, block, summary_settings)
    places = [place for place, _ in states]
    sizes = {place: places.count(place) for place in places}
    return {key: summary.slice_tables(key, state, sizes, summary_settings) for key, state in states.items()}


def report_of(samples, name, summary_settings=None, **more):
    """The report of some samples alone."""
    bootstrap = (summary_settings or settings_of(None)).bootstrap
    found = slice_state.totals(samples.block(), bootstrap)
    return slice_rows.slice_tables(name, found, CLASSES, **{"keep_replicates": True, **more})


def assert_same(found: pa.Table, expected: pa.Table):
    """Integers and text are equal, doubles to 1e-12."""
    assert found.schema == expected.schema
    assert found.num_rows == expected.num_rows
    for name in found.column_names:
        ours, theirs = found.column(name).to_pylist(), expected.column(name).to_pylist()
        if found.schema.field(name).type == pa.float64():
            as_numbers = (np.array([np.nan if v is None else v for v in values]) for values in (ours, theirs))
            np.testing.assert_allclose(*as_numbers, rtol=1e-12, atol=1e-15, err_msg=name)
        else:
            assert ours == theirs, name


def assert_same_report(found: SliceTables, expected: SliceTables):
    assert found.name == expected.name
    for table in TABLES:
        assert_same(getattr(found, table), getattr(expected, table))


def slices_by_hand(samples):
    """Indexes of the samples of each slice."""
    frame = pd.DataFrame(samples.slices)
    number = pd.to_numeric(frame.age, errors="coerce")
    bins = np.select(
        [frame.age.isna(), number.isna(), number < 40, number < 60], ["NULL", "NaN", "[-inf,40)", "[40,60)"], "[60,inf)"
    )
    site = "meta/site=" + frame.site.fillna("NULL")
    names = pd.concat([pd.Series("all", frame.index), site, site + "/age=" + bins])
    return {name: rows.index.to_numpy() for name, rows in names.groupby(names)}


def test_every_slice_is_the_report_of_its_samples(run):
    found = in_memory(write(run, SAMPLES, 3), settings_of(run))
    expected = slices_by_hand(SAMPLES)
    assert len(expected) > 12
    assert {report.name for report in found.values()} == set(expected)
    for report in found.values():
        assert_same_report(report, report_of(SAMPLES.part(expected[report.name]), report.name))


def test_the_keys_name_the_spec_and_the_slice(run):
    keys = set(in_memory(write(run, SAMPLES, 1), settings_of(run, slices=((SITE,),))))
    assert keys == {(0, "all"), (1, "meta/site=north"), (1, "meta/site=south"), (1, "meta/site=NULL")}


def test_without_slices_there_is_all(run):
    assert set(in_memory(write(run, SAMPLES, 2), settings_of(run, slices=()))) == {(0, "all")}


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 20), st.integers(1, 200))
def test_small_parts_of_slices_hold_no_block_in_memory(fold, size):
    """A slice of few samples would keep every array of every block that it has a sample in."""
    samples = random_samples(size, seed=fold)
    table = samples.table()
    columns = {name: pa.array(values, pa.string()) for name, values in samples.slices.items()}
    block = sample_blocks.ReadBlock(samples.block(), samples.block().hashes, columns)
    states = {}
    summary.add_block(states, block, settings_of(None))
    for (place, _), state in states.items():
        for part in state.blocks:
            base = part.sums.true_positives.base
            assert place == 0 or base is None or base.nbytes <= part.sums.true_positives.nbytes
    assert table.num_rows == size * 3


@pytest.mark.parametrize(("keep", "kept"), [(0, {0}), (2, {0}), (3, {0, 1}), (100, {0, 1, 2})])
def test_replicates_are_kept_of_all_and_of_specs_of_few_slices(run, keep, kept):
    found = in_memory(write(run, SAMPLES, 1), settings_of(run, keep_slices=keep))
    assert {place for (place, _), report in found.items() if report.replicates is not None} == kept


def test_clusters_are_resampled_whole(run):
    """Samples of a site count equally often, so in a slice of one site every replicate has the mean of the site."""
    sites = tuple("north" if i < 30 else "south" for i in range(60))
    samples = dataclasses.replace(SAMPLES, slices={**SAMPLES.slices, "site": sites})
    bootstrap = BootstrapSettings(20, by_cluster=True)
    found = in_memory(write(run, samples, 4), settings_of(run, slices=((SITE,),), bootstrap=bootstrap, cluster="site"))
    replicates = found[1, "meta/site=north"].replicates.to_pandas().query("class_id == 0").dice_mean.dropna()
    mean = samples.part(range(30)).frame().query("class_id == 0").dice.mean()
    np.testing.assert_allclose(replicates, mean, rtol=1e-12)
    assert found[0, "all"].replicates.to_pandas().query("class_id == 0").dice_mean.nunique() > 5


def test_totals():
    parts = [
        accounting.totals_of(Committed("s", "p", 5, 3, 2)),
        accounting.totals_of(Committed("t", "p", 1, 1, 0, True)),
    ]
    assert accounting.add_totals(parts) == RunTotals(2, 6, 4, 2, 1)
    assert accounting.add_totals([]) == RunTotals()
    assert summary.add_sums([]) == FileSums()


def test_a_slice_without_samples_is_no_slice():
    with pytest.raises(ValueError, match="expected samples in the slice 'all', but got none"):
        summary.slice_tables((0, "all"), slice_state.SliceState(), {0: 1}, settings_of(None))


@dataclasses.dataclass
class Collected:
    slices: dict[str, SliceTables]
    totals: RunTotals
    digest: str
    data: str
    labels: str
    ids: list[int]


def summarize(paths, summary_settings, flags=(), folder=None):
    """The transform; its results come back as pickles, since multi_processing shares no memory."""
    with beam.Pipeline(options=pipeline_options(flags)) as pipeline:
        found = pipeline | beam.Create(paths) | Summarize(summary_settings)
        for name, collection in found._asdict().items():
            _ = collection | f"Keep{name}" >> beam.ParDo(Keep(folder, name))
    slices, sums, buckets = (kept(folder, name) for name in found._fields)
    assert len(sums) == bool(paths)
    added = summary.add_sums(sums)
    ids = sorted(np.frombuffer(b"".join(hashes for _, hashes in buckets), np.uint64).tolist())
    by_name = {report.name: report for report in slices}
    assert len(by_name) == len(slices)
    return Collected(by_name, added.totals, added.digest, added.data, added.slices, ids)


def assert_same_summary(found, expected):
    assert (found.digest, found.data, found.labels) == (expected.digest, expected.data, expected.labels)
    assert found.ids == expected.ids
    assert found.totals.records == expected.totals.records
    assert set(found.slices) == set(expected.slices)
    for name, report in found.slices.items():
        assert_same_report(report, expected.slices[name])


@pytest.fixture(scope="module")
def one_shard(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    run = Run(f"{folder}/out", "2026-11-23", "r1", "c", "m")
    return summarize(write(run, SAMPLES, 1), settings_of(run), folder=folder)


def test_beam_gives_what_the_steps_give(one_shard, run):
    expected = in_memory(write(run, SAMPLES, 1), settings_of(run))
    assert set(one_shard.slices) == {name for _, name in expected}
    for (_, name), report in expected.items():
        assert_same_report(one_shard.slices[name], report)
    assert one_shard.totals == RunTotals(1, 60, 60, 0, 0)


def modes():
    yield "one_worker", []
    yield "threads", ["--direct_num_workers=4", "--direct_running_mode=multi_threading"]
    two = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    yield "processes", pytest.param(two, marks=pytest.mark.long)


@pytest.mark.parametrize("flags", [flags for _, flags in modes()], ids=[mode for mode, _ in modes()])
def test_sixteen_shards_on_any_runner_are_as_one(flags, one_shard, run, tmp_path, monkeypatch):
    """Integers bit for bit, doubles to 1e-12, whatever is kept, folded and handed on in between."""
    monkeypatch.setattr(slice_state, "FOLD_SAMPLES", 3)
    monkeypatch.setattr(summary, "HELD_BYTES", 1 << 16)
    found = summarize(write(run, SAMPLES, 16, rows=4), settings_of(run), flags, tmp_path)
    assert found.totals == RunTotals(16, 60, 60, 0, 0)
    assert_same_summary(found, one_shard)


@pytest.mark.parametrize("seed", [0, 1])
def test_shards_in_any_order_are_as_one(seed, one_shard, run, tmp_path):
    rng = np.random.default_rng(seed)
    paths = write(run, SAMPLES.part(rng.permutation(60)), 7, prefix=f"other{seed}-")
    assert_same_summary(summarize(rng.permutation(paths).tolist(), settings_of(run), folder=tmp_path), one_shard)


def test_other_counts_have_another_digest(one_shard, run, tmp_path):
    other = summarize(write(run, random_samples(60, seed=1), 1), settings_of(run), folder=tmp_path)
    assert other.digest != one_shard.digest
    assert other.data != one_shard.data


@pytest.mark.parametrize("shards", [0, 2])
def test_no_samples_are_no_slices(run, tmp_path, shards):
    found = summarize(write(run, SAMPLES.part([]), shards), settings_of(run), folder=tmp_path)
    assert (found.slices, found.totals.records, found.digest) == ({}, 0, "0" * 32)


def test_a_file_of_another_config_is_refused(run, tmp_path):
    paths = write(run, SAMPLES, 1)
    other = dataclasses.replace(run, config_fingerprint="d")
    with pytest.raises(Exception, match="run 'r1' was begun with another config") as caught:
        summarize(paths, settings_of(other), folder=tmp_path)
    assert TablesError.__name__ in repr(caught.value) + str(caught.value)


def test_many_slices_of_twenty_classes(run):
    """Each slice has its rows, and those of all are the sums of theirs."""
    n, classes = 600, 20
    samples = random_samples(n, classes)
    sites = tuple(f"site-{i % 300}" for i in range(n))
    samples = dataclasses.replace(samples, slices={"site": sites})
    named = ClassSettings(tuple(range(classes)), tuple(f"class{i}" for i in range(classes)), tuple(range(1, classes)))
    many = SummarySettings(run, named, ((SITE,),), BootstrapSettings(8))
    found = in_memory(write(run, samples, 2, rows=1 << 14), many)
    assert len(found) == 301
    frame = pa.concat_tables([report.classes for (place, _), report in found.items() if place]).to_pandas()
    whole = found[0, "all"].classes.to_pandas()
    assert len(frame) == 300 * classes
    for name in ("n_samples", "n_absent", "true_positives", "false_positives", "false_negatives", "pixels"):
        assert frame.groupby("class_id")[name].sum().tolist() == whole[name].tolist(), name
    assert {report.replicates is None for (place, _), report in found.items() if place} == {True}
    assert math.isclose(frame.soft_predicted.sum(), whole.soft_predicted.sum(), rel_tol=1e-12)
