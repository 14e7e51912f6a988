"""A data set that means harm, from end to end: the tables hold every text as it was, and nothing else is touched."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rich.console import Console
from typer.testing import CliRunner

from dicebeam.components.explore import query
from dicebeam.pipeline import cli
from dicebeam.pipeline.console import run_console
from dicebeam.schemas import slices
from dicebeam.schemas.config.config import Config
from tests.support import builders
from tests.support.evaluating import evaluate, table

LONG = "long " * 20_000
TEXTS = [
    "it's", 'a "quote"', "a\nb", "a\rb", "a\tb", "a\0b", "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "[red]x[/red]",
    "[/]",
    "a/b", "../../etc/passwd", "/etc/passwd", "A/scanner=2", "=", "%", "%2F", "100%25", "😀", "\u202eabc", "\u2028",
    "<script>alert(1)</script>", "'; DROP TABLE samples; --", "NULL", "", " ", "all", ".", "..", "-rf", "*", "?", "[a]",
    "${HOME}", "$(id)", "{{7*7}}", "%s%n", "\\", "a\\", "\ufeffa", "e\u0301", "x" * 300, LONG,
]  # fmt: skip
NAMES = ["a\nb", "it's", 'q"q', "%41%2F", "😀\u202e", "-rf", "a=b", "[a]*?", "\x1b[31m", "\\", "n" * 240, "eval_date=1"]
CLASSES = ["[red]ground[/red]", '\'; DROP TABLE "classes"; -- ../=%😀\u202e']
SITE, SCANNER = "meta/site=%\n", "scanner"
NOT_UTF8, WRITTEN = b"\xff\xc3(\xed\xa0\x80", "\\xff\\xc3(\\xed\\xa0\\x80"


def record(site, **more):
    image, mask = np.zeros((2, 2, 3), np.uint8), np.eye(2, dtype=np.uint8)
    features = {"image/encoded": builders.png(image), "image/segmentation/class/encoded": builders.png(mask)}
    named = {} if site is None else {SITE: site, SCANNER: "2", "image/source_id": site}
    return builders.example_of({**features, **named, **more})


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for i, name in enumerate(NAMES):
        records = [record(text) for text in TEXTS[i :: len(NAMES)]]
        builders.write_shard(folder / "data" / f"{name}.tfrecord", records)
    odd = [record(NOT_UTF8), record(None), record("bad\x1b[2J", **{"image/segmentation/class/encoded": b"\x1b[2J"})]
    builders.write_shard(folder / "data" / ("m" * 255), odd)
    model = builders.save_model(
        folder / "model", lambda images: {"p": tf.nn.softmax(images[..., :2])}, builders.images_spec()
    )
    config = Config(
        examples=f"{folder}/data/*", model=model, output=f"{folder}/out [1]*'\"\n%=é\x1b[31m", classes=CLASSES,
        slices=[SITE, [SITE, SCANNER]], max_failed_fraction=0.5,
    )  # fmt: skip
    outside = sorted(folder.iterdir())
    outcome = evaluate(config, "r1")
    assert sorted(path for path in folder.iterdir() if not path.name.startswith("out")) == outside
    return outcome, config


def test_every_record_is_accounted_for(evaluated):
    row = evaluated[0].row
    assert (row["status"], row["shards"], row["records"]) == ("done", len(NAMES) + 1, len(TEXTS) + 3)
    assert (row["scored"], row["failed"]) == (len(TEXTS) + 2, 1)


def test_ids_values_and_shards_are_as_they_were(evaluated):
    outcome, _ = evaluated
    samples = table(outcome, "samples")
    samples = samples[samples.class_id == 1]
    shards = {path.rpartition("/")[2] for path in samples.shard}
    assert shards == {f"{name}.tfrecord" for name in NAMES} | {"m" * 255}
    assert sorted(samples.meta_site___.dropna()) == sorted([*TEXTS, WRITTEN])
    assert samples.meta_site___.isna().sum() == 1
    named = samples[samples.meta_site___.fillna("") != ""]
    assert (named.sample_id == named.meta_site___).all()
    unnamed = samples[samples.meta_site___.fillna("") == ""]
    assert (unnamed.sample_id == unnamed.shard + "#" + unnamed.record.astype(str)).all()
    assert sorted(set(table(outcome, "classes").class_name)) == sorted(CLASSES)


def test_every_value_has_a_slice_of_its_own(evaluated):
    found = table(evaluated[0], "slices").set_index("slice").n_samples
    short = [text for text in [*TEXTS, WRITTEN, None] if text is None or len(text) < 200]
    pairs = [((SITE, text), (SCANNER, None if text is None else "2")) for text in short]
    names = {slices.encode(spec) for pair in pairs for spec in (pair, pair[:1])}
    assert names < set(found.index)
    assert len(found) == 1 + 2 * (len(TEXTS) + 2)
    assert set(found.drop("all")) == {1}
    assert {slices.decode(name)[0] for name in names} == {(SITE, text) for text in short}


def test_a_failure_keeps_its_id(evaluated):
    (failure,) = table(evaluated[0], "failures").to_dict("records")
    assert (failure["sample_id"], failure["stage"]) == ("bad\x1b[2J", "mask")


def test_the_views_give_what_the_files_hold(evaluated):
    outcome, config = evaluated
    rows = query.query(config.output, "SELECT sample_id, shard, meta_site___, class_name, run_id FROM samples").rows
    samples = table(outcome, "samples")
    stored = samples[["sample_id", "shard", "meta_site___", "class_name"]].astype(object)
    stored = stored.where(stored.notna(), None).assign(run_id="r1")
    assert sorted(rows, key=repr) == sorted(stored.itertuples(index=False, name=None), key=repr)
    assert (LONG, 2) in query.query(config.output, "SELECT sample_id, count(*) FROM samples GROUP BY 1").rows


def printable(text):
    return all(line.isprintable() for line in text.replace("\ufeff", "").split("\n"))


def test_nothing_of_it_controls_the_terminal(evaluated):
    outcome, config = evaluated
    out = io.StringIO()
    run_console.show_outcome(Console(file=out, width=100), outcome, config)
    assert printable(out.getvalue())
    assert r"'; DROP TABLE \"classes\"; -- ../=%😀\u202e".replace('\\"', '"') in out.getvalue().replace("\n", "")
    for sql in ("SELECT * FROM samples", "SELECT * FROM slices", "SELECT * FROM failures", "SELECT config FROM runs"):
        printed = CliRunner().invoke(cli.app, ["query", config.output, sql])
        assert printed.exit_code == 0
        assert printable(printed.output)


def test_files_and_folders_have_harmless_names(evaluated):
    outcome, config = evaluated
    root = Path(config.output)
    files = sorted(path.relative_to(root) for path in root.rglob("*.parquet"))
    assert len(files) == (len(NAMES) + 1) + 1 + 5  # samples, failures, and one file of each other table
    assert all(str(path).isascii() and str(path).isprintable() and ".." not in path.parts for path in files)
    assert all(path.parts[1:3] == (f"eval_date={outcome.run.eval_date}", "run_id=r1") for path in files)
    others = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert sorted(others) == ["runs/_claims/r1.json", "runs/_shards/r1.json.gz"]


def test_a_hive_reader_finds_the_same_rows(evaluated):
    _, config = evaluated
    read = pq.read_table(Path(config.output) / "samples")
    assert read.num_rows == 2 * (len(TEXTS) + 2)
    assert set(read.column("run_id").cast(pa.string()).to_pylist()) == {"r1"}
