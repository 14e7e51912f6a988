"""Every kind of bad input through the whole pipeline: it is named, and its neighbours are scored as without it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from dicebeam.components.model import score_function
from dicebeam.components.reading import find_shards
from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ModelError, StorageError
from tests.support import bad_input, builders
from tests.support.bad_input import MAX_PIXELS, RAISES, RAW_RECORDS, RECORDS, SHARDS, Bad, Odd
from tests.support.evaluating import evaluate, table

WEIGHTS = np.random.default_rng(1).normal(0, 2, (3, 3)).astype(np.float32)
GOOD = 4
"""Good records of a shard; the odd one comes second."""
PLACE = 1
ROWS = ["shard", "sample_id", "class_id"]


def touchy(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Raises for images of one value, gives NaN for those of another."""

    def are(value: int) -> tf.Tensor:
        return tf.reduce_all(tf.abs(images * 255 - value) < 0.1, [1, 2, 3])

    calm = tf.debugging.Assert(tf.logical_not(tf.reduce_any(are(RAISES))), ["cursed image"])
    with tf.control_dependencies([calm]):
        probs = tf.nn.softmax(images @ WEIGHTS)
    return {"probs": tf.where(are(bad_input.IS_NAN)[:, None, None, None], np.nan, probs)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return builders.save_model(tmp_path_factory.mktemp("model") / "touchy", touchy, builders.images_spec())


def good(shard: str, raw: bool = False) -> list[bytes]:
    """Records of a shard, no two of the catalogue alike."""
    rng = np.random.default_rng(list(shard.encode()))
    made = []
    for i in range(GOOD):
        mask = rng.integers(0, 3, bad_input.SIZE).astype(np.uint8)
        if raw:
            pixels = rng.normal(0.5, 0.2, (*bad_input.SIZE, 3)).astype("<f4").tobytes()
            made.append(bad_input.raw(pixels=pixels, ids=[float(v) for v in mask.ravel()], name=f"{shard}-{i}"))
        else:
            image = rng.integers(0, 256, (*bad_input.SIZE, 3), np.uint8)
            made.append(bad_input.record(image, mask, f"{shard}-{i}"))
    return made


def config(folder: Path, model: str, **more: Any) -> dict[str, Any]:
    base = {"examples": f"{folder}/data/*", "model": model, "output": f"{folder}/out", "batch_size": 3}
    budgets = {"max_pixels": MAX_PIXELS, "max_failed_fraction": 1.0}
    return {**base, "classes": list(bad_input.CLASSES), "slices": ["site"], **budgets, **more}


class Tried(NamedTuple):
    """What became of a data set with bad input, and of the same without it."""

    outcome: run.Outcome
    samples: pd.DataFrame
    failures: pd.DataFrame
    without: pd.DataFrame


def by_shard(outcome: run.Outcome) -> pd.DataFrame:
    """Rows by the shard's name, without what shifts where a record is taken out."""
    samples = table(outcome, "samples").drop(columns=["record", "byte_offset"])
    samples["shard"] = samples["shard"].map(lambda path: Path(path).name)
    return samples.sort_values(ROWS, ignore_index=True)


def tried(folder: Path, model: str, files: dict[str, bytes], clean: dict[str, list[bytes]], **more: Any) -> Tried:
    for name, data in files.items():
        path = folder / "bad" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, records in clean.items():
        builders.write_shard(folder / "clean" / "data" / name, records)
    outcome = evaluate(config(folder / "bad", model, **more))
    failures = table(outcome, "failures")
    failures["shard"] = failures["shard"].map(lambda path: Path(path).name)
    return Tried(outcome, by_shard(outcome), failures, by_shard(evaluate(config(folder / "clean", model, **more))))


def with_one(records: dict[str, Bad | Odd], raw: bool) -> tuple[dict[str, bytes], dict[str, list[bytes]]]:
    """A shard for each entry, with the entry among good records; and the same with its twin, or with nothing."""
    files, clean = {}, {}
    for name, entry in records.items():
        neighbours = good(name, raw)
        files[name] = bad_input.framed([*neighbours[:PLACE], entry.data, *neighbours[PLACE:]])
        twin = [entry.twin] if isinstance(entry, Odd) else []
        clean[name] = [*neighbours[:PLACE], *twin, *neighbours[PLACE:]]
    return files, clean


def shard_name(name: str) -> str:
    return name + SHARDS[name].suffix


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory, model: str) -> Tried:
    """Records of encoded images and damaged shards, in one run."""
    files, clean = with_one(RECORDS, raw=False)
    for name, shard in SHARDS.items():
        records = good(name)
        files[shard_name(name)] = shard.spoil(records)
        clean[shard_name(name)] = [records[i] for i in shard.scored]
    return tried(tmp_path_factory.mktemp("encoded"), model, files, clean)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, model: str) -> Tried:
    files, clean = with_one(RAW_RECORDS, raw=True)
    return tried(tmp_path_factory.mktemp("raw"), model, files, clean, features=bad_input.RAW_FEATURES)


@pytest.fixture(params=[*RECORDS, *RAW_RECORDS])
def entry(request: pytest.FixtureRequest) -> tuple[str, Bad | Odd, Tried]:
    is_raw = request.param in RAW_RECORDS
    everything = RAW_RECORDS if is_raw else RECORDS
    return request.param, everything[request.param], request.getfixturevalue("raw" if is_raw else "encoded")


def of(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["shard"] == name].reset_index(drop=True)


def test_a_record_is_named_where_it_fails_and_its_neighbours_are_scored_as_without_it(
    entry: tuple[str, Bad | Odd, Tried],
) -> None:
    name, kind, found = entry
    pd.testing.assert_frame_equal(of(name, found.samples), of(name, found.without), check_exact=True)
    failures = of(name, found.failures)
    if isinstance(kind, Odd):
        assert failures.message.tolist() == []
        assert found.samples.query("shard == @name").sample_id.nunique() == GOOD + 1
        return
    (failure,) = failures.itertuples()
    before = len(bad_input.framed(good(name, name in RAW_RECORDS)[:PLACE]))
    assert (failure.record, failure.byte_offset, failure.stage) == (PLACE, before, kind.stage)
    assert failure.error == kind.error
    assert re.search(kind.message, failure.message), failure.message
    assert pd.isna(failure.sample_id) if kind.sample_id is None else failure.sample_id.endswith(kind.sample_id)
    assert found.samples.query("shard == @name").sample_id.nunique() == GOOD


@pytest.mark.parametrize("name", SHARDS)
def test_what_can_be_read_of_a_damaged_shard_is_scored_and_the_rest_is_named(name: str, encoded: Tried) -> None:
    shard, file = SHARDS[name], shard_name(name)
    pd.testing.assert_frame_equal(of(file, encoded.samples), of(file, encoded.without), check_exact=True)
    assert encoded.samples.query("shard == @file").sample_id.unique().tolist() == [f"{name}-{i}" for i in shard.scored]
    failures = of(file, encoded.failures)
    offsets = [bad_input.offset_of(good(name), lost.record) for lost in shard.lost]
    assert failures.record.tolist() == [lost.record for lost in shard.lost]
    assert failures.byte_offset.tolist() == offsets
    assert [(f.error, f.stage) for f in failures.itertuples()] == [(lost.error, "read") for lost in shard.lost]
    for failure, lost in zip(failures.itertuples(), shard.lost, strict=True):
        assert re.search(lost.message, str(failure.message)), failure.message


@pytest.mark.parametrize("which", ["encoded", "raw"])
def test_every_record_is_scored_or_failed(which: str, request: pytest.FixtureRequest) -> None:
    found: Tried = request.getfixturevalue(which)
    row = found.outcome.row
    assert row["records"] == row["scored"] + row["failed"]
    assert row["failed"] == len(found.failures)
    assert row["scored"] * len(bad_input.CLASSES) == len(found.samples) == len(found.without)


def test_samples_of_one_id_are_counted_and_kept_apart(encoded: Tried) -> None:
    """The odd ones that are scored are all called the same."""
    count = sum(isinstance(kind, Odd) for kind in RECORDS.values())
    assert encoded.outcome.row["duplicate_ids"] == count > 1
    odd = table(encoded.outcome, "samples").query("sample_id == 'odd'")
    assert len(odd[["shard", "record"]].drop_duplicates()) == count


def test_every_entry_was_a_shard_of_its_own(encoded: Tried, raw: Tried) -> None:
    shards_of = [found.outcome.row["shards"] for found in (encoded, raw)]
    assert shards_of == [len(RECORDS) + len(SHARDS), len(RAW_RECORDS)]


# what happens while it runs


def small(folder: Path, count: int = 3) -> dict[str, list[bytes]]:
    shards_of = {f"part-{i}": good(f"part-{i}") for i in range(count)}
    for name, records in shards_of.items():
        builders.write_shard(folder / "data" / name, records)
    return shards_of


def _vanish(path: Path) -> None:
    path.unlink()


def _turn_unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_vanish, _turn_unreadable])
def test_a_shard_that_goes_before_it_is_read_ends_the_run_which_goes_on(
    spoil: Any, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = small(tmp_path)
    lost, split = tmp_path / "data" / "part-1", find_shards.split

    def split_and_spoil(*args: Any) -> Any:
        found = split(*args)
        spoil(lost)
        return found

    monkeypatch.setattr(find_shards, "split", split_and_spoil)
    with pytest.raises(StorageError, match=r"part-1 cannot be read: .* run again with the same --run-id"):
        evaluate(config(tmp_path, model), "r1")
    assert not list((tmp_path / "out" / "runs").rglob("*.parquet"))
    monkeypatch.undo()
    if lost.is_dir():
        lost.rmdir()
    builders.write_shard(lost, records["part-1"])
    again = evaluate(config(tmp_path, model), "r1")
    assert (again.row["status"], again.row["scored"], again.row["failed"]) == ("done", 3 * GOOD, 0)


def test_a_shard_that_goes_after_the_plan_ends_the_run(model: str, tmp_path: Path) -> None:
    small(tmp_path)
    plan = make_plan(Config.model_validate(config(tmp_path, model)), "r1", [])
    (tmp_path / "data" / "part-1").unlink()
    with pytest.raises(StorageError, match="examples have changed since the run was planned: expected 3 shards of"):
        run.execute(plan)
    assert not list((tmp_path / "out").rglob("*.parquet"))


def _out_of_memory_above(count: int) -> Iterator[Any]:
    """`score_function`, but its calls note their size and run out of memory above a number of samples."""
    original, sizes = score_function.score_function, []

    def limited(*args: Any) -> Any:
        score = original(*args)

        def call(images: tf.Tensor, masks: tf.Tensor, ignored: tf.Tensor | None) -> score_function.Scores:
            sizes.append(len(masks))
            if len(masks) > count:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return score(images, masks, ignored)

        return call

    yield limited
    yield sizes


def test_a_batch_that_does_not_fit_is_halved_and_the_run_has_the_same_rows(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(tmp_path)
    undisturbed = evaluate(config(tmp_path, model, batch_size=4), "r1")
    limited, sizes = _out_of_memory_above(1)
    monkeypatch.setattr(score_function, "score_function", limited)
    halved = evaluate(config(tmp_path, model, batch_size=4), "r2")
    pd.testing.assert_frame_equal(table(halved, "samples"), table(undisturbed, "samples"), check_exact=True)
    assert sorted(sizes, reverse=True) == [4, 2, *[1] * 12]  # what fits is remembered: two batches ran out of memory


def test_a_model_that_gives_one_prediction_for_a_batch_is_asked_for_each_sample(tmp_path: Path) -> None:
    small(tmp_path)
    single = builders.save_model(
        tmp_path / "m", lambda images: {"probs": tf.nn.softmax(images[:1, ..., :3])}, builders.images_spec()
    )
    several = evaluate(config(tmp_path, single))
    alone = evaluate(config(tmp_path, single, batch_size=1, output=f"{tmp_path}/alone"))
    assert len(table(several, "failures")) == 0
    pd.testing.assert_frame_equal(table(several, "samples"), table(alone, "samples"), check_exact=True)


def test_a_model_whose_output_fits_no_sample_is_one_clear_error(tmp_path: Path) -> None:
    small(tmp_path)
    none = builders.save_model(
        tmp_path / "m", lambda images: {"probs": tf.nn.softmax(images[:0])}, builders.images_spec()
    )
    with pytest.raises(
        ModelError, match=r"expected an output of \[batch, 2 spatial axes, classes\] for a batch of 1, "
    ):
        evaluate(config(tmp_path, none))
    assert not list((tmp_path / "out").rglob("*.parquet"))
