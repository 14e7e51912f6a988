"""Configs of any kind: a config that makes a plan, or one clear error."""

import json
import random
from pathlib import Path

import pytest
import tensorflow as tf
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from dicebeam.pipeline.config import config_file
from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ConfigError, DicebeamError
from tests.fuzz import corpus, mutations
from tests.fuzz.driver import SECONDS, Target, fuzz
from tests.support import builders

TEXT = b"""examples: data/*.tfrecord
model: models/m
output: "reports"
classes: [ground, 'car', &c person]
features: {image: {key: image, shape: [6, 5, 3], dtype: uint8}, mask: m, sample_id: [a, b]}
ignore_label: [255, 0x10]
mask_values: {0: 0, 1: 1, 2: null}
input: {kind: image, size: [6, 5], scale: unit, signature: serving_default}
output_kind: softmax
threshold: 5.0e-1
slices: [site, [site, &s scanner], [*s, age]]
batch_size: 16
foreground: [*c, car]
max_failed_fraction: .1
"""
PARTS = [
    b"[", b"]", b"{", b"}", b": ", b"- ", b"&a ", b"*a ", b"*c", b"<<: ", b"!!python/name:os ", b"!!int ", b"!!set ",
    b"\n", b"\t", b"'", b'"', b"|", b">", b"?", b"0x", b"1_0", b"1:30", b".nan", b"~", b"%YAML 1.1", b"---", b"...",
    b"\\ud800", b"\xff", b"\xe2\x80\xae", b"2026-11-23", b"9" * 30, b"null", b"yes", b"\x00", b"\xef\xbb\xbf",
]  # fmt: skip


def text(rng: random.Random) -> bytes:
    data = TEXT if rng.random() < 0.8 else json.dumps(yaml.safe_load(TEXT)).encode()
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(PARTS) * rng.choice((1, 1, 1, 5, 400)) + data[at:]
    return mutations.damaged(rng, data, [TEXT]) if rng.random() < 0.7 else data


def check_message(error: DicebeamError) -> None:
    assert 0 < len(str(error)) < 10_000


def test_damaged_configs(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"

    def check(data: bytes, _: random.Random) -> None:
        path.write_bytes(data)
        try:
            config = config_file.load(str(path))
        except ConfigError as error:
            check_message(error)
            return
        assert isinstance(config, Config)
        assert Config.model_validate_json(config.model_dump_json()) == config
        assert config.fingerprint

    fuzz(Target("config", 800, 0.1), text, check)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 300), st.floats(), st.text(max_size=5),
    st.sampled_from(["image", "encoded", "example", "unit", "site", "a", "b", "probabilities", "[1]"]),
)  # fmt: skip
KEY = st.integers(-3, 300) | st.text(max_size=5) | st.none() | st.booleans()
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEY, v, max_size=3))
NAMES = st.sampled_from(["site", "age", "meta/site", "meta_site", "shard", "a=b", "%", "\x1b", "n_present"])
NUMBERS = st.integers(-5, 300)
OPTIONAL = {
    "features": st.sampled_from(["deeplab", "tfds"]),
    "ignore_label": NUMBERS | st.lists(NUMBERS, max_size=3),
    "mask_values": st.dictionaries(NUMBERS, st.none() | st.integers(0, 2), max_size=3),
    "label_offset": NUMBERS,
    "input": st.fixed_dictionaries(
        {},
        optional={
            "kind": st.sampled_from(["image", "encoded", "example"]), "size": st.lists(st.integers(1, 9), max_size=4),
            "scale": st.sampled_from(["unit", "signed", "none"]), "name": st.sampled_from(["images", "x"]),
            "signature": st.sampled_from(["serving_default", "bytes", "x"]),
        },
    ),
    "output_kind": st.sampled_from(["softmax", "sigmoid", "softmax_logits", "sigmoid_logits", "class_ids"]),
    "output_name": st.sampled_from(["probabilities", "x"]),
    "threshold": st.floats(0, 1),
    "slices": st.lists(NAMES | st.lists(NAMES, min_size=1, max_size=3), max_size=3),
    "batch_size": st.integers(1, 1 << 16),
    "foreground": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2),
    "max_failed_fraction": st.floats(0, 1),
    "max_pixels": st.integers(1, 2**70),
    "nonsense": VALUES,
}  # fmt: skip
CLASSES = st.sampled_from([["a", "b"], ["a", "b", "c"]]) | st.lists(st.text(max_size=4), max_size=4)
CONFIGS = st.tuples(
    st.fixed_dictionaries({"classes": CLASSES}, optional=OPTIONAL),
    st.dictionaries(st.sampled_from([*Config.model_fields, "examples"]), VALUES, max_size=1),
).map(lambda parts: parts[0] | parts[1])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("config")
    shard = builders.write_shard(folder / "a.tfrecord", corpus.ENCODED_RECORDS[:1])
    model = builders.save_model(
        folder / "m", lambda images: {"probabilities": tf.nn.softmax(images)}, builders.images_spec(),
        bytes=(lambda data: {"y": tf.zeros([tf.shape(data)[0], 6, 5, 1])}, tf.TensorSpec([None], tf.string)),
    )  # fmt: skip
    return {"examples": str(shard), "model": model, "output": str(folder / "out"), "folder": str(folder)}


def test_random_configs_make_a_plan_or_say_why(base: dict[str, str]) -> None:
    folder = base["folder"]
    fixed = {key: base[key] for key in ("examples", "model", "output")}

    def plan(values: dict[str, object]) -> None:
        path = Path(folder, "c.yaml")
        path.write_text(yaml.safe_dump({**fixed, **values}, allow_unicode=True), encoding="utf-8")
        try:
            config = config_file.load(str(path))
            made = make_plan(config.model_copy(update=fixed | {"examples": (fixed["examples"],)}), "r1", [])
        except DicebeamError as error:
            check_message(error)
        else:
            assert made.graph.read.batch_size == config.batch_size

    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    target, examples = Target("plan", 1, 0.1), 500 if SECONDS else 60
    bounded = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks)
    for number in target.seeds():
        bounded(seed(number)(given(CONFIGS)(plan)))()
