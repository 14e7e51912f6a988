"""Records that were relabelled between two runs: no slice is said to be worse for it, and all samples are judged on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dicebeam.pipeline.nightly import verdict
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.verdict import INVALID, PASS, REGRESSED, CheckVerdict
from tests.support import builders, run_rows
from tests.support.evaluating import evaluate

N, MOVED = 80, 15
CHECKS = [
    {"metric": "dice_mean", "class": "b", "slice": name, "max_drop": 0.05, "min_samples": 5}
    for name in ("all", "site=A", "site=C")
]


def probabilities(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2] * 3.0)}


def other(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """The same numbers of another graph."""
    return {"p": tf.nn.softmax(images[..., :2] * 2.0 + images[..., :2])}


def write(folder: Path, sites: list[str], patients: list[str]) -> None:
    """Samples that are predicted well, every second one badly."""
    rng, shards = np.random.default_rng(5), [list[bytes](), list[bytes]()]
    for i, (site, patient) in enumerate(zip(sites, patients, strict=True)):
        image = rng.integers(0, 256, (8, 8, 3), np.uint8)
        mask = (image[..., 1] > image[..., 0]).astype(np.uint8)
        if i % 2:
            mask = np.where(rng.random(mask.shape) < 0.5, mask, 1 - mask)
        record = builders.sample(image, mask.astype(np.uint8), f"s{i}", site=site, patient=patient)
        shards[i % 2].append(record)
    for part, records in enumerate(shards):
        builders.write_shard(folder / f"part-{part}", records)


SITES = ["A" if i % 2 == 0 else "B" for i in range(N - 20)] + ["C"] * 20
PATIENTS = [f"p{i // 2}" for i in range(N)]
MOVED_SITES = ["A" if site == "B" and i < 2 * MOVED else site for i, site in enumerate(SITES)]
MOVED_PATIENTS = [f"p{i // 2}" if i > 9 else "p7" for i in range(N)]


def config(folder: Path, **more: Any) -> Config:
    base = {"examples": f"{folder}/data/*", "model": f"{folder}/first", "classes": ["a", "b"], "foreground": ["b"]}
    base |= {"output": f"{folder}/out", "bootstrap": {"replicates": 100}, "gate": {"checks": CHECKS}}
    return Config.model_validate({**base, "slices": ["site", "patient"], **more})


@pytest.fixture(scope="module", params=[None, pytest.param("patient", marks=pytest.mark.long)])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str | None]:
    """Runs of one data set, of it with another site, and of it with other patients in ten samples."""
    root = tmp_path_factory.mktemp("relabelled")
    for name, function in (("first", probabilities), ("second", other)):
        builders.save_model(root / name, function, builders.images_spec())
    for run_id, model, sites, patients in (
        ("first", "first", SITES, PATIENTS),
        ("same", "second", SITES, PATIENTS),
        ("site", "second", MOVED_SITES, PATIENTS),
        ("patient", "second", SITES, MOVED_PATIENTS),
    ):
        write(root / "data", sites, patients)
        evaluate(config(root, model=f"{root}/{model}", cluster=request.param), run_id)
    return root, request.param


def judged(
    folder: tuple[Path, str | None], run_id: str, said: list[str] | None = None, **more: Any
) -> dict[str, CheckVerdict]:
    lines: list[str] = [] if said is None else said
    found = verdict.decide(config(folder[0], cluster=folder[1], **more), run_id, "first", tell=lines.append)
    return {check.slice: check for check in found.verdict.checks}


def rows(folder: tuple[Path, str | None]) -> pd.DataFrame:
    return pd.DataFrame([past.row | {"id": past.run_id} for past in run_rows.finished_runs(f"{folder[0]}/out")])


def test_the_row_says_whether_records_are_labelled_alike(folder: tuple[Path, str | None]) -> None:
    found = rows(folder).set_index("id")
    assert found.data_fingerprint.nunique() == 1
    assert found.slices_fingerprint.nunique() == 3
    assert found.slices_fingerprint["first"] == found.slices_fingerprint["same"]


def test_what_is_labelled_alike_is_judged(folder: tuple[Path, str | None]) -> None:
    said: list[str] = []
    found = judged(folder, "same", said)
    assert INVALID not in {check.verdict for check in found.values()}
    assert said == []


AGAIN = {"bootstrap": {"replicates": 100, "seed": 9}}
"""With it the tables do not do, and the samples are read again."""


@pytest.mark.parametrize("more", [{}, AGAIN])
def test_a_slice_that_was_relabelled_is_not_worse(folder: tuple[Path, str | None], more: dict[str, Any]) -> None:
    found = judged(folder, "site", **more)
    assert found["site=A"].verdict == INVALID
    assert f"{MOVED} samples are in the slice 'site=A' in one of the runs only" in found["site=A"].message
    assert "dicebeam evaluate CONFIG.yaml --set model=MODEL --run-id NEW" in found["site=A"].message
    assert found["site=A"].value < found["site=A"].baseline - 0.05
    assert REGRESSED not in {check.verdict for check in found.values()}
    assert INVALID not in {found["all"].verdict, found["site=C"].verdict}


def test_samples_in_common_are_held_against_each_other_by_slice(folder: tuple[Path, str | None]) -> None:
    write(folder[0] / "data", MOVED_SITES, PATIENTS)
    gate = {"checks": CHECKS, "common_samples": True}
    (folder[0] / "data/part-2").write_bytes((folder[0] / "data/part-1").read_bytes())
    more = builders.sample(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8)), "new", site="A", patient="p0")
    builders.write_shard(folder[0] / "data/part-2", [more])
    run_id = f"more-{folder[1]}"
    evaluate(config(folder[0], model=f"{folder[0]}/second", cluster=folder[1]), run_id)
    found = judged(folder, run_id, gate=gate)
    assert found["site=A"].verdict == INVALID
    assert f"{MOVED} samples are in the slice" in found["site=A"].message
    assert INVALID not in {found["all"].verdict, found["site=C"].verdict}
    (folder[0] / "data/part-2").unlink()


def test_other_clusters_are_other_samples(folder: tuple[Path, str | None]) -> None:
    found = judged(folder, "patient")
    if folder[1] is None:
        assert INVALID not in {check.verdict for check in found.values()}
        return
    assert (found["all"].verdict, found["site=A"].verdict) == (INVALID, INVALID)
    assert "10 samples are in another cluster than in the baseline" in found["all"].message
    assert found["site=C"].verdict != INVALID


def test_rows_of_before_the_column_are_looked_up(folder: tuple[Path, str | None]) -> None:
    for path in Path(folder[0], "out/runs").glob("*/run_id=first/*.parquet"):
        row = pq.ParquetFile(path).read().drop_columns(["slices_fingerprint"])
        pq.write_table(row.replace_schema_metadata({b"dicebeam.run_id": b"first"}), path)
    said: list[str] = []
    assert judged(folder, "same", said)["all"].verdict in (PASS, "INCONCLUSIVE")
    assert said == [
        "reading the slices of the samples again: the runs are labelled otherwise, or the row of one does not say"
    ]
    assert judged(folder, "site")["site=A"].verdict == INVALID
