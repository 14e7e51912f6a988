"""`write_report` over real runs: gated or not, with models and shards that are gone, changed or compressed."""

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.explore import demo, query
from dicebeam.components.model import saved_model
from dicebeam.components.reading import tfrecord
from dicebeam.components.samples import compaction
from dicebeam.components.verdict import verdict_files
from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.nightly import report, verdict
from dicebeam.schemas.errors import TablesError
from tests.components.report.test_report_page import Reader
from tests.support import builders
from tests.support.evaluating import evaluate

CHECKS = [
    {"metric": "dice_mean", "class": "*", "max_drop": 0.01},
    {"metric": "dice_mean", "class": "foreground", "slice": "*", "max_drop": 0.01},
]


def settings(root, *more):
    return config_file.load(f"{root}/config.yaml", [f"gate.checks={json.dumps(CHECKS)}", *more])


def gated(config, run_id, baseline):
    found = verdict.decide(config, run_id, baseline)
    verdict_files.write(found.past.run, found.verdict)
    return found.verdict


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A demo with one record that fails, evaluated with both of its models; the second run is gated."""
    root = tmp_path_factory.mktemp("report") / "demo"
    demo.make(str(root), 40)
    (root / "data" / "extra.tfrecord").write_bytes(tfrecord.frame(b"what?"))
    budget = ("max_failed_fraction=0.5", "bootstrap.replicates=50")
    evaluate(settings(root, *budget), "monday")
    evaluate(settings(root, *budget, f"model={root}/models/v2"), "tuesday")
    gated(settings(root, *budget), "tuesday", "monday")
    return root


@pytest.fixture
def root(made, tmp_path):
    """The demo, where something may be taken away."""
    kept = tmp_path / "kept"
    shutil.copytree(made, kept)
    yield made
    shutil.rmtree(made)
    shutil.copytree(kept, made)


def written(root, run_id="tuesday", **more):
    path = report.write_report(settings(root), run_id, **more)
    return Path(path).read_text(encoding="utf-8")


def pictures(html):
    return html.count('<svg class="picture"')


def layers(html, name):
    return html.count(f'<g class="layer-{name}"')


@pytest.fixture(scope="module")
def page(made):
    return written(made)


def test_the_file_is_beside_the_verdict_or_where_it_is_asked_for(made, tmp_path):
    path = report.write_report(settings(made), "tuesday")
    assert re.fullmatch(rf"{made}/reports/gate/eval_date=[0-9-]+/run_id=tuesday/report\.html", path)
    other = str(tmp_path / "new" / "page.html")
    assert report.write_report(settings(made), "tuesday", out=other) == other
    assert Path(other).read_bytes() == Path(path).read_bytes()


def test_the_numbers_are_those_of_the_tables(made, page):
    text = Reader(page).text
    rows = query.query(
        f"{made}/reports",
        "SELECT dice_mean, n_false_alarm FROM classes WHERE run_id = 'tuesday' AND slice = 'all' ORDER BY class_id",
    ).rows
    assert len(rows) == 4
    assert all(f"{dice:.4f}" in text for dice, _ in rows)
    assert "INCONCLUSIVE" in text
    assert "1 of 41 records could not be scored" in text
    assert "not a tf.Example" in text


def test_the_largest_falls_are_shown_first_and_drawn_whole(made, page):
    section = page.partition('<section id="falls"')[2].partition("</section>")[0]
    shown = re.findall(r"<h3 [^>]*>(.*?)</h3>", section)
    rows = query.query(
        f"{made}/reports",
        "SELECT sample_id, avg(coalesce(dice, 1) - coalesce(baseline_dice, 1)) AS change FROM sample_changes "
        "WHERE run_id = 'tuesday' AND baseline_run_id = 'monday' AND class_id > 0 "
        "AND (dice IS NOT NULL OR baseline_dice IS NOT NULL) GROUP BY ALL HAVING change < 0 ORDER BY change LIMIT 10",
    ).rows
    changes = dict(rows)
    assert [changes[name] for name in shown[: len(rows)]] == pytest.approx([change for _, change in rows], abs=1e-6)
    assert pictures(section) == len(shown)
    assert "differs now" not in page
    assert "changed since" not in page


def test_the_run_is_drawn_solid_and_its_baseline_dashed(page):
    assert layers(page, "now") > 5
    assert layers(page, "before") > 5
    assert layers(page, "truth") > 5


def test_a_run_that_was_not_gated_has_a_page(made):
    html = written(made, "monday")
    assert "This run was not gated" in html
    assert "Worst regressions" not in html
    assert pictures(html) > 5
    assert layers(html, "before") == 0


def test_an_unknown_run_is_refused(made):
    with pytest.raises(TablesError, match="expected a finished run 'nobody'"):
        report.write_report(settings(made), "nobody")


def test_a_compacted_run_has_the_same_page(root, page):
    found, _ = verdict.find_run(settings(root), "tuesday", ())
    compaction.compact(found.run)
    assert written(root) == page


def test_a_remote_output_has_the_same_page(made, page, remote):
    output = "gs://bucket/out"
    for path in (made / "reports").rglob("*"):
        if path.is_file():
            remote[f"{output}/{path.relative_to(made / 'reports')}"] = path.read_bytes()
    path = report.write_report(settings(made, f"output={output}"), "tuesday")
    assert path.startswith(f"{output}/gate/eval_date=")
    assert remote[path].decode() == page


def test_models_that_are_gone_leave_image_and_truth(root):
    shutil.rmtree(root / "models")
    html = written(root)
    assert pictures(html) > 5
    assert layers(html, "truth") > 5
    assert (layers(html, "now"), layers(html, "before")) == (0, 0)
    assert "No prediction of this run: its model is not there any more" in html
    assert "No prediction of the baseline: its model is not there any more" in html


def test_a_baseline_whose_model_is_another_now_is_not_drawn(root):
    (root / "models" / "v1" / "new.txt").write_text("x")
    html = written(root)
    assert "No prediction of the baseline: other files are in the model" in html
    assert layers(html, "now") > 5


def test_a_model_that_changes_while_the_page_is_made_is_not_drawn(root, monkeypatch):
    load = saved_model.load

    def changed(settings):
        if settings.model.path.endswith("v1"):
            (root / "models" / "v1" / "new.txt").write_text("x")
        return load(settings)

    monkeypatch.setattr(saved_model, "load", changed)
    html = written(root)
    assert "No prediction of the baseline: its model is not there any more, or cannot be loaded" in html
    assert layers(html, "before") == 0
    assert layers(html, "now") > 5


def test_shards_that_are_gone_leave_what_is_known(root):
    shutil.rmtree(root / "data")
    html = written(root)
    assert pictures(html) == 0
    assert "The image cannot be shown: the shard is not there any more." in Reader(html).text
    assert "scene-" in html


def test_a_shard_that_was_rewritten_is_not_shown_as_if_it_were_the_same(root):
    for path in (root / "data").glob("val-*.tfrecord"):
        with path.open("rb") as file:
            records = [record.data for record in tfrecord.records(file, "s")]
        path.write_bytes(b"".join(map(tfrecord.frame, records[::-1])))
    text = Reader(written(root)).text
    assert re.search("another sample stands there now|has changed since it was scored", text)


def test_masks_that_changed_in_place_are_noticed(root):
    """Same ids and offsets, the second half of every mask moved: only the counts tell."""
    for path in (root / "data").glob("val-*.tfrecord"):
        with path.open("rb") as file:
            records = [record.data for record in tfrecord.records(file, "s")]
        path.write_bytes(b"".join(tfrecord.frame(_other_mask(data)) for data in records))
    assert "The true mask is not the one that was scored" in written(root, "monday")


def _other_mask(data):
    example = tf.train.Example.FromString(data)
    features = example.features.feature
    masks = features["image/segmentation/class/encoded"].bytes_list
    mask = tf.io.decode_png(masks.value[0]).numpy()
    masks.value[0] = tf.io.encode_png(np.where(mask == 0, 2, 0).astype(np.uint8)).numpy()
    changed = example.SerializeToString()
    padding = len(data) - len(changed)
    if padding > 8:
        features["pad"].bytes_list.value.append(b"x" * (padding - 17))
        changed = example.SerializeToString()
        features["pad"].bytes_list.value[0] = b"x" * (padding - 17 + len(data) - len(changed))
    return example.SerializeToString()


def test_a_baseline_whose_tables_are_gone_is_said(root):
    for folder in root.glob("reports/runs/*/run_id=monday"):
        shutil.rmtree(folder)
    html = written(root)
    assert "The tables of the baseline monday are not there any more." in html
    assert "Worst regressions" not in html


def test_sample_files_that_are_damaged_leave_the_rest_of_the_page(root):
    for path in root.glob("reports/samples/*/run_id=monday/*.parquet"):
        path.write_bytes(b"PAR1junkPAR1")
    html = written(root)
    assert "Samples could not be chosen" in html
    assert "INCONCLUSIVE" in html


def test_compressed_shards_and_volumes_show_the_depth_with_most_errors(tmp_path):
    rng = np.random.default_rng(0)

    def bright(volumes):
        return {"class_ids": tf.cast(volumes[..., 0] > 0.5, tf.int32)}

    spec = tf.TensorSpec([None, None, None, None, 1], tf.float32, name="volumes")
    records = []
    for i in range(3):
        volume = rng.random((5, 8, 9)).astype("<f4") * 0.4
        label = np.zeros((5, 8, 9), np.uint8)
        volume[3, 2:6, 2:6] = 0.9
        label[1, 1, 1] = 1
        records.append(
            builders.example(volume=volume.tobytes(), label=label.tobytes(), shape=list(volume.shape), id=f"volume-{i}")
        )
    path = builders.write_shard(tmp_path / "a.tfrecord.gz", records)
    assert gzip.decompress(path.read_bytes())
    shape = {"shape": "shape", "dtype": "float32"}
    config = tmp_path / "config.yaml"
    config.write_text(
        json.dumps(
            {
                "examples": str(path), "output": f"{tmp_path}/out", "classes": ["ground", "bright"],
                "model": builders.save_model(tmp_path / "model", bright, spec), "output_kind": "class_ids",
                "foreground": ["bright"], "bootstrap": {"replicates": 0},
                "features": {
                    "image": {"key": "volume", **shape}, "mask": {"key": "label", **shape, "dtype": "uint8"},
                    "sample_id": "id",
                },
            }
        )
    )  # fmt: skip
    evaluate(config_file.load(str(config), []), "r1")
    html = Path(report.write_report(config_file.load(str(config), []), "r1")).read_text()
    assert pictures(html) == 3
    assert "Slice 4 of 5 along the first axis" in html
    assert 'd="M2 2h4v4h-4z"' in html


def test_sample_files_that_are_gone_leave_the_rest_of_the_page(root):
    shutil.rmtree(root / "reports" / "samples")
    assert "No sample has a Dice" in written(root)


def test_tables_that_cannot_be_read_are_one_clear_error(root):
    for path in root.glob("reports/slices/*/run_id=tuesday/*.parquet"):
        path.write_bytes(b"PAR1junkPAR1")
    with pytest.raises(TablesError, match=r"the tables of run 'tuesday' cannot be read: .*dicebeam summarize"):
        written(root)
