"""What a look at output, shards and model finds before the start: every finding, and nothing left behind."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.decoding.decode_record import DecodeSettings
from dicebeam.components.model import scorer
from dicebeam.components.reading import first_records, tfrecord
from dicebeam.pipeline import cli
from dicebeam.pipeline.preflight import findings
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.config.features import PRESETS
from dicebeam.schemas.config.labels import LabelSettings
from dicebeam.schemas.finding import Finding
from dicebeam.schemas.shards import Shard
from tests.support import builders

IMAGE, MASK = np.full((4, 4, 3), 9, np.uint8), np.eye(4, dtype=np.uint8)


def two_classes(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"p": tf.nn.softmax(images[..., :2])}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return builders.save_model(tmp_path_factory.mktemp("model"), two_classes, builders.images_spec())


@pytest.fixture
def settings(model: str, tmp_path: Path) -> dict[str, Any]:
    for part in range(3):
        write(tmp_path, part, builders.sample(IMAGE, MASK, f"{part}.png", site="north"))
    examples, output = f"{tmp_path}/data/*", f"{tmp_path}/a/b/out"
    return {"examples": examples, "model": model, "output": output, "classes": ["a", "b"], "slices": ["site"]}


def write(folder: Path, part: int, *records: bytes) -> Path:
    return builders.write_shard(folder / "data" / f"part-{part}", records)


def found(settings: dict[str, Any], level: str = "problem") -> list[str]:
    every = findings.findings(Config.model_validate(settings), [])
    return [str(finding) for finding in every if finding.level == level]


def one(settings: dict[str, Any], said: str, level: str = "problem") -> None:
    (finding,) = found(settings, level)
    assert re.search(said, finding), finding


def test_a_good_config_has_no_finding_and_leaves_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    assert found(settings) == found(settings, "warning") == []
    assert len(found(settings, "ok")) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_record_that_does_not_decode(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, 1, b"what?")
    one(settings, r"^problem: the record \(5 bytes\) is not a tf.Example: .*, \S+/part-1 record 0; fix the config or")


def test_where_failures_are_allowed_one_record_is_a_warning(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, 1, b"what?")
    settings["max_failed_fraction"] = 0.1
    assert found(settings) == []
    one(settings, "part-1 record 0; it would be a row of failures", "warning")


@pytest.mark.parametrize("allowed", [0.0, 0.5])
def test_what_is_no_shard_at_all(settings: dict[str, Any], tmp_path: Path, allowed: float) -> None:
    (tmp_path / "data" / "part-1").write_bytes(b"a shard, says the label")
    settings["max_failed_fraction"] = allowed
    one(settings, "^problem: the checksum of the record length does not match: not a TFRecord")


def test_a_damaged_checksum(settings: dict[str, Any], tmp_path: Path) -> None:
    data = bytearray(tfrecord.frame(builders.sample(IMAGE, MASK)))
    data[40] ^= 1
    (tmp_path / "data" / "part-1").write_bytes(data)
    one(settings, "^problem: the checksum of the data .* does not match")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (builders.sample(b"hello", MASK), "expected a PNG, JPEG, BMP or GIF file"),
        (builders.sample(IMAGE, MASK + 5), "the mask holds 5, 6; expected class ids 0 to 1"),
        (builders.sample(IMAGE[:2], MASK), "the image is 2 x 4 but its mask is 4 x 4"),
        (
            builders.example(image__encoded=builders.png(IMAGE)),
            "expected the feature 'image/segmentation/class/encoded'",
        ),
    ],
    ids=["image", "mask", "sizes", "feature"],
)
def test_image_and_mask_are_decoded(settings: dict[str, Any], tmp_path: Path, record: bytes, said: str) -> None:
    write(tmp_path, 2, record)
    one(settings, f"^problem: {said}")


def test_a_shard_that_two_patterns_match_by_links_is_one(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("data")
    settings["examples"] = [f"{tmp_path}/data/part-*", f"{tmp_path}/latest/part-*"]
    shards = len(list((tmp_path / "data").glob("part-*")))
    assert f"({shards} in all)" in " ".join(found(settings, "ok"))


def test_an_empty_shard_is_a_warning(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, 2)
    assert found(settings) == []
    one(settings, "^warning: the shard has no record, .*part-2; leave it out", "warning")


def test_a_slice_feature_that_no_record_has(settings: dict[str, Any]) -> None:
    settings["slices"] = ["site", "scanner"]
    one(settings, "^problem: the slice feature 'scanner' is missing in 3 of 3 first records, .*part-0 record 0; fix sl")


def test_a_slice_feature_that_some_records_have(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, 2, builders.sample(IMAGE, MASK, "c.png"))
    assert found(settings) == []
    one(settings, "'site' is missing in 1 of 3 first records, .*part-2 record 0; its slice will be NULL", "warning")


def test_patterns_that_match_nothing_are_all_named(settings: dict[str, Any]) -> None:
    settings["examples"] = ["/nowhere/*", "/neither/*", settings["examples"]]
    assert [re.findall("matches '(.*?)'", line) for line in found(settings)] == [["/nowhere/*"], ["/neither/*"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "/nowhere"}, "^problem: expected a SavedModel folder .* at '/nowhere', .*, model; fix the config"),
        ({"input": {"signature": "other"}}, "input.signature is 'other', but the model has: serving_default"),
        ({"classes": ["a", "b", "c"]}, "the config names 3 classes, but the output has 2 channels"),
    ],
    ids=["missing", "signature", "classes"],
)
def test_a_model_that_does_not_agree(settings: dict[str, Any], change: dict[str, Any], said: str) -> None:
    one({**settings, **change}, said)


def test_a_model_that_does_not_load(settings: dict[str, Any], tmp_path: Path) -> None:
    broken = Path(builders.save_model(tmp_path / "m", two_classes, builders.images_spec()))
    (broken / "variables" / "variables.index").write_bytes(b"damaged")
    one({**settings, "model": str(broken)}, "^problem: model .* expected a SavedModel, but it cannot be loaded")


def test_a_model_that_fails_on_the_first_sample(settings: dict[str, Any], tmp_path: Path) -> None:
    def numbers(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"p": tf.nn.softmax(images[..., :2]) * np.nan}

    model = builders.save_model(tmp_path / "m", numbers, builders.images_spec())
    one(
        {**settings, "model": model},
        "^problem: .*NaN or infinite values for this sample, .*part-0 record 0; fix the m",
    )


def fails_on_white(images: tf.Tensor) -> dict[str, tf.Tensor]:
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_max(images) < 1.0, ["too bright"])]):
        return {"p": tf.nn.softmax(images[..., :2])}


@pytest.mark.parametrize("level", ["problem", "warning"])
def test_a_model_that_fails_on_some_records_only(settings: dict[str, Any], tmp_path: Path, level: str) -> None:
    """Where it fails on all the run would end, where on some they would be rows of failures."""
    settings["model"] = builders.save_model(tmp_path / "m", fails_on_white, builders.images_spec())
    settings["max_failed_fraction"] = 0.5 if level == "warning" else 0.0
    white = builders.sample(IMAGE + 246, MASK, site="north")
    write(tmp_path, 0, white)
    one(settings, rf"^{level}: the model failed: .*too bright\], \S+part-0 record 0; ", level)
    for part in (1, 2):
        write(tmp_path, part, white)
    one(
        settings,
        r"^problem: the model failed: .*; fix the model, .*input.kind.* \(all 3 records that were tried fail\)$",
    )


@pytest.mark.parametrize("allowed", [0.0, 0.5])
def test_records_of_which_none_decodes_are_a_problem_whatever_is_allowed(
    settings: dict[str, Any], tmp_path: Path, allowed: float
) -> None:
    for part in range(3):
        write(tmp_path, part, b"what?")
    settings["max_failed_fraction"] = allowed
    said = found(settings)
    assert len(said) == (1 if allowed else 3)
    if allowed:
        assert re.search(r"part-0 record 0; fix features; .* \(all 3 records that were tried fail\)$", said[0])


def test_a_model_that_this_machine_cannot_try_is_a_warning(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise tf.errors.InternalError(None, None, "CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr(scorer.score_function, "score_function", lambda *_: broken)
    assert found(settings) == []
    one(settings, "CUDA_ERROR_ILLEGAL_ADDRESS.*; it was not tried here", "warning")


def test_an_output_that_cannot_be_written(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings["output"] = f"{tmp_path}/file/out"
    one(settings, "^problem: .*/file/out cannot be written: .*, output; fix output or its permissions")


def test_everything_wrong_is_said_at_once(settings: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, 0, b"what?")
    (tmp_path / "file").touch()
    settings.update(model="/nowhere", output=f"{tmp_path}/file/out")
    settings["examples"] = [settings["examples"], "/nowhere/*"]
    assert len(found(settings)) == 4


@pytest.mark.parametrize(("count", "limit", "places"), [(3, 16, [0, 1, 2]), (10, 4, [0, 3, 6, 9]), (0, 4, [])])
def test_some_of_the_shards_from_first_to_last(count: int, limit: int, places: list[int]) -> None:
    shards = [Shard(str(i), 1) for i in range(count)]
    assert [int(shard.path) for shard in first_records.some_of(shards, limit)] == places


def test_a_shard_that_is_gone(tmp_path: Path) -> None:
    settings = DecodeSettings(PRESETS["deeplab"], LabelSettings(classes=("a", "b")))
    looked = first_records.look([Shard(f"{tmp_path}/gone", 1)], settings, failures_allowed=True)
    assert looked.samples == ()
    assert re.search("^problem: the shard cannot be read .*gone; fix its permissions", str(looked.findings[0]))


def command(settings: dict[str, Any], folder: Path, *flags: str) -> int:
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(SystemExit) as exited:
        cli.main(["preflight", str(folder / "config.json"), *flags])
    return int(exited.value.code or 0)


def test_the_command_prints_a_line_for_each_and_exits_0(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(settings, tmp_path) == 0
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in out.splitlines()] == ["ok"] * 7
    assert err == "dicebeam: 7 ok, 0 warning, 0 problem\n"


def test_the_command_exits_2_with_any_problem(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builders.write_shard(tmp_path / "data" / "part-\x1b[2J", [b"what?"])
    assert command(settings, tmp_path, "--", "--runnr=X") == 2
    out, err = capsys.readouterr()
    assert "warning: Beam's Python side does not know --runnr" in out
    assert r"part-\x1b[2J record 0; fix" in out
    assert "\x1b" not in out
    assert err.endswith("1 warning, 1 problem\n")


def test_a_finding_is_one_line() -> None:
    assert str(Finding("problem", "a", "b", "c")) == "problem: a, b; c"
    assert str(Finding("ok", "a", "b")) == "ok: a, b"


def test_healthy_volumes_are_no_problem_where_the_model_is_missing(tmp_path: Path) -> None:
    shape = {"shape": "shape", "dtype": "uint8"}
    volume = builders.example(image=bytes(60), mask=bytes(60), shape=[3, 4, 5])
    builders.write_shard(tmp_path / "data" / "part-0", [volume])
    features = {"image": {"key": "image", **shape}, "mask": {"key": "mask", **shape}}
    base = {"examples": f"{tmp_path}/data/*", "output": f"{tmp_path}/out", "classes": ["a", "b"]}
    (problem,) = found({**base, "features": features, "model": f"{tmp_path}/no-model"})
    assert "expected a SavedModel folder" in problem
