"""Every key of the config, every mistake in it, and what the fingerprint covers."""

import json
import math

import pytest
import yaml

from dicebeam.pipeline.config import config_file
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.errors import ConfigError

BASE = {"examples": "data/*.tfrecord", "model": "models/m", "output": "reports", "classes": ["ground", "car", "person"]}


def checks(**keys):
    """A gate of one check."""
    return {"gate": {"checks": [{"metric": "dice_mean", **keys}]}}


def crosses(config):
    """The names of the features of each slice spec."""
    return [[part.feature for part in spec] for spec in config.slices]


@pytest.fixture
def load(tmp_path):
    """Load a config of the base keys and some more, or of a text."""

    def load(text=None, *overrides, **more):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**BASE, **more}) if text is None else text, encoding="utf-8")
        return config_file.load(str(path), overrides)

    return load


def test_the_smallest_config_has_the_documented_defaults(load):
    config = load()
    assert config.examples == ("data/*.tfrecord",)
    assert config.features.image.key == "image/encoded"
    assert (config.ignore_label, config.mask_values, config.label_offset) == ((), {}, 0)
    assert (config.output_kind, config.threshold, config.batch_size, config.max_failed_fraction) == (
        "softmax", 0.5, 16, 0.0,
    )  # fmt: skip
    assert (config.input.kind, config.input.signature, config.input.scale) == ("image", "serving_default", "unit")


def test_the_example_of_the_design_is_accepted(load):
    config = load("""
examples: data/val-*.tfrecord
model: models/2026-11-23
output: reports
classes: [background, car, person]
features: deeplab
ignore_label: 255
input:  {kind: image}
output_kind: softmax
slices: [site, [site, scanner]]
batch_size: 16
foreground: [car, person]
max_failed_fraction: 0.0
""")
    assert crosses(config) == [["site"], ["site", "scanner"]]
    assert config.slice_features == ("scanner", "site")
    assert config.ignore_label == (255,)


def test_bins_of_a_number_and_crosses_with_them(load):
    config = load(slices=["site", {"feature": "age", "edges": [40, 60]}, ["site", {"feature": "age", "edges": [50]}]])
    assert crosses(config) == [["site"], ["age"], ["site", "age"]]
    assert [part.edges for spec in config.slices for part in spec] == [(), (40.0, 60.0), (), (50.0,)]
    assert config.slice_features == ("age", "site")


def test_the_cluster_is_read_with_the_slice_features(load):
    assert load(slices=["site"], cluster="patient").slice_features == ("patient", "site")
    assert load(slices=["site"], cluster="site").slice_features == ("site",)
    assert load().cluster is None


def test_the_bootstrap_has_a_thousand_replicates(load):
    bootstrap = load().bootstrap
    assert (bootstrap.replicates, bootstrap.seed, bootstrap.keep_slices) == (1000, 0, 100)
    assert load(bootstrap={"replicates": 0}).bootstrap.replicates == 0


def test_json_is_accepted(load):
    text = json.dumps({**BASE, "mask_values": {"0": 0, "255": None}}, indent=1)
    assert load(text).mask_values == {0: 0, 255: None}


def test_several_globs(load):
    assert load(examples=["a", "b"]).examples == ("a", "b")


# what cannot be read


def test_a_config_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml' cannot be read: No such file or directory"):
        config_file.load(str(tmp_path / "no.yaml"))


def test_a_config_that_is_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config_file.load(str(tmp_path))


def test_a_config_that_is_no_text(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(ConfigError, match=r"cannot be read: 'utf-8' codec can't decode"):
        config_file.load(str(tmp_path / "c.yaml"))


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tx: 1", "a: 'b"])
def test_bad_yaml_names_the_line(load, text):
    with pytest.raises(ConfigError, match=r"config\.yaml is not valid YAML: .*line 1"):
        load(text)


def test_yaml_that_makes_objects_is_refused(load):
    with pytest.raises(ConfigError, match="not valid YAML: could not determine a constructor"):
        load("a: !!python/object/apply:os.getcwd []")


@pytest.mark.parametrize(("text", "kind"), [("", "NoneType"), ("- a", "list"), ("text", "str"), ("3", "int")])
def test_a_config_is_a_mapping(load, text, kind):
    with pytest.raises(ConfigError, match=f"expected a mapping of keys to values, but got {kind}"):
        load(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [("model: a\nmodel: b", "model"), ("input: {kind: image, kind: encoded}", "kind"), ("1: a\n1: b", "1")],
)
def test_a_key_given_twice_is_named(load, text, key):
    with pytest.raises(ConfigError, match=f"the key {key} is there twice"):
        load(text)


# keys


@pytest.mark.parametrize("key", sorted(BASE))
def test_a_required_key_is_named(load, key):
    with pytest.raises(ConfigError, match=f"1 mistake\n  {key}: is required$"):
        load(yaml.safe_dump({k: v for k, v in BASE.items() if k != key}))


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("classe", "classes"), ("batchsize", "batch_size"), ("ignore_labels", "ignore_label"), ("Slices", "slices")],
)
def test_an_unknown_key_names_the_nearest(load, key, nearest):
    with pytest.raises(ConfigError, match=f"  {key}: no such key; did you mean '{nearest}'\\?$"):
        load(**{key: 1})


def test_an_unknown_key_near_to_none_lists_all(load):
    with pytest.raises(ConfigError, match="qqq: no such key; there are examples, model, output, classes, features, "):
        load(qqq=1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"input": {"knid": "image"}}, r"input\.knid: no such key; did you mean 'kind'\?"),
        ({"input": {"qqqq": 1}}, r"input\.qqqq: no such key; there are kind, signature, name, size, scale"),
        ({"features": {"image": "a", "mask": "b", "msak": "c"}}, r"features\.msak: no such key; did you mean 'mask'\?"),
        (
            {"features": {"image": {"key": "a", "shap": [1]}, "mask": "b"}},
            r"features\.image\.shap: no such key; did you mean 'shape'\?",
        ),
    ],
)
def test_an_unknown_nested_key_names_the_nearest(load, more, message):
    with pytest.raises(ConfigError, match=message):
        load(**more)


def test_every_mistake_is_in_one_message(load):
    with pytest.raises(ConfigError, match=r"config\.yaml: 3 mistakes\n(  .*\n){2}  .*$") as caught:
        load(batch_size=0, output_kind="argmax", qqq=1)
    assert all(key in str(caught.value) for key in ("batch_size", "output_kind", "qqq"))


WRONG = [
    ({"examples": []}, "examples: List should have at least 1 item"),
    ({"examples": [3]}, r"examples\.0: Input should be a valid string, but got 3"),
    ({"examples": None}, "examples: is required"),
    ({"model": ""}, "model: String should have at least 1 character"),
    ({"model": 3}, "model: Input should be a valid string, but got 3"),
    ({"output": ""}, "output: String should have at least 1 character"),
    ({"output": ["a"]}, "output: Input should be a valid string"),
    ({"classes": "car"}, "classes: Input should be a list, but got 'car'"),
    ({"classes": ["car"]}, "classes: List should have at least 2 items"),
    ({"classes": ["a", "b", "a"]}, r"classes: every name must be there once, but \['a'\] are repeated"),
    ({"classes": ["a", 1]}, r"classes\.1: Input should be a valid string, but got 1"),
    ({"features": "pascal"}, "features: no preset is named 'pascal'; there are deeplab, tfds, or give a mapping"),
    ({"features": 3}, "features: Input should be a mapping, but got 3"),
    ({"features": {"image": "a"}}, r"features\.mask: is required"),
    ({"features": {"image": "", "mask": "b"}}, r"features\.image\.key: String should have at least 1 character"),
    ({"features": {"image": 3, "mask": "b"}}, r"features\.image: Input should be a mapping, but got 3"),
    (
        {"features": {"image": {"key": "a", "dtype": "int128"}, "mask": "b"}},
        r"features\.image\.dtype: Input should be 'u",
    ),
    (
        {"features": {"image": {"key": "a", "shape": [0, 2]}, "mask": "b"}},
        r"1 mistake\n  features\.image\.shape\.0: Input should be greater than 0, but got 0",
    ),
    (
        {"features": {"image": {"key": "a", "shape": 3}, "mask": "b"}},
        r"1 mistake\n  features\.image\.shape: Input should be a list, but got 3",
    ),
    ({"features": {"image": "a", "mask": "b", "sample_id": 3}}, r"features\.sample_id: Input should be a list, but g"),
    ({"ignore_label": "void"}, "ignore_label: Input should be a list, but got 'void'"),
    ({"ignore_label": False}, r"ignore_label\.0: expected a number, but got False \(YAML's yes, no"),
    ({"ignore_label": [1.5]}, r"ignore_label\.0: Input should be a valid integer, got a number with a fractional"),
    ({"mask_values": [1]}, r"mask_values: Input should be a mapping, but got \[1\]"),
    ({"mask_values": {"a": 1}}, r"mask_values\.a: Input should be a valid integer"),
    ({"mask_values": {1: "a"}}, r"mask_values\.1: Input should be a valid integer"),
    ({"mask_values": {255: 3}}, r"mask_values: class ids run from 0 to 2, but got \{255: 3\}"),
    ({"mask_values": {255: -1}}, r"mask_values: class ids run from 0 to 2, but got \{255: -1\}"),
    ({"mask_values": {1: 0}, "label_offset": 1}, "mask_values and label_offset both say what a value means"),
    ({"mask_values": {1: 0}, "ignore_label": 1}, r"mask_values and ignore_label both name \[1\]"),
    ({"label_offset": 0.5}, "label_offset: Input should be a valid integer"),
    ({"input": 3}, "input: Input should be a mapping, but got 3"),
    ({"input": {"kind": "tensor"}}, r"input\.kind: Input should be 'image', 'encoded' or 'example', but got 'tensor'"),
    ({"input": {"scale": "half"}}, r"input\.scale: Input should be 'unit', 'signed' or 'none', but got 'half'"),
    ({"input": {"size": 64}}, r"input\.size: Input should be a list, but got 64"),
    ({"input": {"size": [64, 0]}}, r"input\.size\.1: Input should be greater than 0, but got 0"),
    ({"input": {"signature": 1}}, r"input\.signature: Input should be a valid string"),
    ({"input": {"name": 1}}, r"input\.name: Input should be a valid string"),
    ({"output_kind": "argmax"}, "output_kind: Input should be 'softmax', 'sigmoid', 'softmax_logits'"),
    ({"output_name": 1}, "output_name: Input should be a valid string"),
    ({"threshold": 1}, "threshold: Input should be less than 1, but got 1"),
    ({"threshold": -0.1}, "threshold: Input should be greater than or equal to 0"),
    ({"threshold": float("nan")}, "threshold: Input should be less than 1, but got nan"),
    ({"slices": "site"}, "slices: Input should be a list, but got 'site'"),
    ({"slices": [3]}, r"slices\.0\.0: Input should be a mapping, but got 3"),
    ({"slices": [[]]}, r"slices\.0: List should have at least 1 item"),
    ({"slices": [""]}, r"slices\.0\.0\.feature: String should have at least 1 character"),
    ({"slices": [{"edges": [1]}]}, r"slices\.0\.0\.feature: is required"),
    ({"slices": [{"feature": "age", "edge": [1]}]}, r"slices\.0\.0\.edge: no such key; did you mean 'edges'\?"),
    ({"slices": [{"feature": "age", "edges": 40}]}, r"slices\.0\.0\.edges: Input should be a list, but got 40"),
    ({"slices": [{"feature": "age", "edges": ["old"]}]}, r"slices\.0\.0\.edges\.0: Input should be a valid number"),
    ({"slices": [{"feature": "age", "edges": [True]}]}, r"slices\.0\.0\.edges\.0: expected a number, but got True"),
    (
        {"slices": [{"feature": "age", "edges": [60, 40]}]},
        r"edges: expected finite numbers, each larger than the one b",
    ),
    ({"slices": [{"feature": "age", "edges": [40, 40]}]}, r"larger than the one before, but got \[40.0, 40.0\]"),
    ({"slices": [{"feature": "age", "edges": [float("nan")]}]}, r"expected finite numbers, .* but got \[nan\]"),
    ({"slices": [{"feature": "age", "edges": [1, float("inf")]}]}, r"expected finite numbers, .* but got \[1.0, inf\]"),
    ({"slices": ["age", {"feature": "age", "edges": [40]}]}, r"slices: \['age'\] is there twice"),
    ({"cluster": ""}, "cluster: String should have at least 1 character"),
    ({"cluster": ["a"]}, "cluster: Input should be a valid string"),
    ({"bootstrap": 1000}, "bootstrap: Input should be a mapping, but got 1000"),
    ({"bootstrap": {"replicate": 10}}, r"bootstrap\.replicate: .*replicates"),
    (
        {"bootstrap": {"replicates": -1}},
        r"bootstrap\.replicates: Input should be greater than or equal to 0, but got -1",
    ),
    ({"bootstrap": {"replicates": 100_001}}, r"bootstrap\.replicates: Input should be less than or equal to 100000"),
    ({"bootstrap": {"replicates": True}}, r"bootstrap\.replicates: expected a number, but got True"),
    ({"bootstrap": {"seed": -1}}, r"bootstrap\.seed: Input should be greater than or equal to 0, but got -1"),
    ({"bootstrap": {"seed": 2**63}}, r"bootstrap\.seed: Input should be less than 9223372036854775808"),
    (
        {"bootstrap": {"keep_slices": -1}},
        r"bootstrap\.keep_slices: Input should be greater than or equal to 0, but got",
    ),
    ({"slices": ["a", ["b", "b"]]}, r"slices: \['b', 'b'\] is there twice, or crosses a feature with itself"),
    ({"slices": ["a", ["a"]]}, r"slices: \['a'\] is there twice"),
    ({"batch_size": 0}, "batch_size: Input should be greater than 0, but got 0"),
    ({"batch_size": True}, "batch_size: expected a number, but got True"),
    ({"batch_size": "many"}, "batch_size: Input should be a valid integer"),
    ({"foreground": ["cat"]}, r"foreground: expected names from \['ground', 'car', 'person'\], but got \['cat'\]"),
    ({"foreground": []}, "foreground: expected names from .* but got none"),
    ({"foreground": "car"}, "foreground: Input should be a list, but got 'car'"),
    ({"max_pixels": 0}, "max_pixels: Input should be greater than 0, but got 0"),
    ({"max_pixels": True}, "max_pixels: expected a number, but got True"),
    ({"max_failed_fraction": 1.5}, "max_failed_fraction: Input should be less than or equal to 1, but got 1.5"),
    ({"shard_split_bytes": 0}, "shard_split_bytes: Input should be greater than 0, but got 0"),
    ({"shard_split_bytes": "256 MB"}, "shard_split_bytes: Input should be a valid integer"),
    ({"shard_split_bytes": 1 << 63}, "shard_split_bytes: Input should be less than or equal to 4611686018427387904"),
    ({"batch_timeout_seconds": 0}, "batch_timeout_seconds: Input should be greater than 0, but got 0"),
    (
        {"batch_timeout_seconds": math.nan},
        "batch_timeout_seconds: Input should be less than or equal to 1000000, but got nan",
    ),
    ({"batch_timeout_seconds": math.inf}, "batch_timeout_seconds: Input should be less than or equal to 1000000"),
    ({"max_failed_fraction": -1}, "max_failed_fraction: Input should be greater than or equal to 0"),
    ({"max_failed_fraction": True}, "max_failed_fraction: expected a number, but got True"),
    ({"gate": 3}, "gate: Input should be a mapping, but got 3"),
    ({"gate": {"baselin": "blessed"}}, r"gate\.baselin: no such key; did you mean 'baseline'\?"),
    ({"gate": {"check": []}}, r"gate\.check: no such key; did you mean 'checks'\?"),
    ({"gate": {"baseline": ""}}, r"gate\.baseline: String should have at least 1 character"),
    ({"gate": {"baseline": 3}}, r"gate\.baseline: Input should be a valid string, but got 3"),
    ({"gate": {"common_samples": "some"}}, r"gate\.common_samples: Input should be a valid boolean"),
    ({"gate": {"min_samples": 1}}, r"gate\.min_samples: Input should be greater than or equal to 2, but got 1"),
    ({"gate": {"min_samples": True}}, r"gate\.min_samples: expected a number, but got True"),
    ({"gate": {"checks": {"metric": "dice_mean", "min": 0}}}, r"gate\.checks: Input should be a list, but got {"),
    ({"gate": {"checks": ["dice_mean"]}}, r"gate\.checks\.0: Input should be a mapping, but got 'dice_mean'"),
    (checks(min=0.5, metric=None), r"gate\.checks\.0\.metric: Input should be 'dice_mean', "),
    (checks(min=0.5, metric="dice"), r"gate\.checks\.0\.metric: Input should be 'dice_mean', .*, but got 'dice'"),
    (checks(), r"gate\.checks\.0: expected a limit, min, max, max_drop or max_rise, but got none"),
    (checks(max_dropp=0.1), r"gate\.checks\.0\.max_dropp: no such key; did you mean 'max_drop'\?"),
    (checks(min_drop=0.1), r"gate\.checks\.0\.min_drop: no such key; did you mean 'max_drop'\?"),
    (checks(clas="car", min=0), r"gate\.checks\.0\.clas: no such key; did you mean 'class'\?"),
    (checks(class_name="car", min=0), r"gate\.checks\.0\.class_name: no such key; did you mean 'class'\?"),
    (checks(slices="all", min=0), r"gate\.checks\.0\.slices: no such key; did you mean 'slice'\?"),
    (checks(min_sample=3, min=0), r"gate\.checks\.0\.min_sample: no such key; did you mean 'min_samples'\?"),
    (checks(maximum=3), r"gate\.checks\.0\.maximum: no such key; did you mean 'max'\?"),
    (
        checks(metric="missed_rate", max_drop=0.1),
        r"gate\.checks\.0: missed_rate is better lower, so its margin is max_rise, but got max_drop",
    ),
    (
        checks(max_rise=0.1),
        r"gate\.checks\.0: dice_mean is better higher, so its margin is max_drop, but got max_rise",
    ),
    (checks(min=0.9, max=0.8), r"gate\.checks\.0: expected min to be at most max, but got 0.9 and 0.8"),
    (checks(min=math.nan), r"gate\.checks\.0: expected finite limits, but got {'min': nan}"),
    (checks(max_drop=math.inf), r"gate\.checks\.0: expected finite limits, but got {'max_drop': inf}"),
    (checks(max_drop=math.nan), r"gate\.checks\.0(\.max_drop)?: .*nan"),
    (checks(max_drop=-0.1), r"gate\.checks\.0\.max_drop: Input should be greater than or equal to 0, but got -0.1"),
    (checks(min="much"), r"gate\.checks\.0\.min: Input should be a valid number"),
    (checks(max_drop=False), r"gate\.checks\.0\.max_drop: expected a number, but got False"),
    (checks(min=0, min_samples=1), r"gate\.checks\.0\.min_samples: Input should be greater than or equal to 2, but"),
    (checks(min=0, too_few="pass"), r"gate\.checks\.0\.too_few: Input should be 'inconclusive' or 'skip', but got"),
    (checks(min=0, slice=""), r"gate\.checks\.0\.slice: String should have at least 1 character"),
    (checks(**{"min": 0, "class": ""}), r"gate\.checks\.0\.class: String should have at least 1 character"),
    (
        checks(**{"metric": "samples_per_second", "class": "car", "min": 1}),
        r"gate\.checks\.0: samples_per_second is of the whole run, and has no class and no slice",
    ),
    (
        checks(metric="failed_fraction", slice="site=A", max=0),
        r"gate\.checks\.0: failed_fraction is of the whole run, and has no class and no slice",
    ),
    (
        checks(**{"class": "cat", "min": 0}),
        r"gate\.checks\.0\.class: expected '\*', 'foreground' or one of \['ground', 'car', 'person'\], but got 'cat'",
    ),
]


@pytest.mark.parametrize(("more", "message"), WRONG, ids=[f"{next(iter(m))}-{i}" for i, (m, _) in enumerate(WRONG)])
def test_a_wrong_value_is_named(load, more, message):
    with pytest.raises(ConfigError, match=message):
        load(**more)


def test_every_key_has_a_test_with_a_wrong_value():
    assert set(Config.model_fields) == {key for more, _ in WRONG for key in more} | {"mask_values"}


def test_no_as_a_class_name_says_what_yaml_does(load):
    text = "examples: a\nmodel: m\noutput: o\nclasses: [no, car]\n"
    with pytest.raises(
        ConfigError, match=r"1 mistake\n  classes\.0: .*YAML reads yes and no as true and false; write th"
    ):
        load(text)
    assert load(text.replace("no,", "'no',")).classes == ("no", "car")


# --set


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("batch_size=3", lambda c: c.batch_size == 3),
        ("model=models/b=2", lambda c: c.model == "models/b=2"),
        ("input.kind=encoded", lambda c: c.input.kind == "encoded"),
        ("input.size=[32, 64]", lambda c: c.input.size == (32, 64)),
        ("slices=[site, [site, x]]", lambda c: crosses(c) == [["site"], ["site", "x"]]),
        ("mask_values={0: 0, 255: null}", lambda c: c.mask_values == {0: 0, 255: None}),
        ("foreground=null", lambda c: c.foreground is None),
        ("features.sample_id=name", lambda c: c.features.sample_id == ("name",)),
        ("features.mask.shape=[4, 4]", lambda c: c.features.mask.shape == (4, 4)),
    ],
)
def test_set(load, override, read):
    assert read(load(None, override, features={"image": "i", "mask": {"key": "m"}}))


def test_the_last_set_wins(load):
    assert load(None, "batch_size=2", "batch_size=5").batch_size == 5


def test_set_of_a_nested_key_keeps_its_siblings(load):
    config = load(None, "input.scale=none", input={"kind": "encoded"})
    assert (config.input.kind, config.input.scale) == ("encoded", "none")


@pytest.mark.parametrize("override", ["batch_size", "=3", ""])
def test_set_without_key_or_value(load, override):
    with pytest.raises(ConfigError, match=f"--set expects key=value, but got '{override}'"):
        load(None, override)


def test_set_of_bad_yaml_names_the_override(load):
    with pytest.raises(ConfigError, match=r"--set slices=\[ is not valid YAML"):
        load(None, "slices=[")


def test_set_below_a_value_that_is_no_mapping(load):
    with pytest.raises(
        ConfigError, match=r"--set model\.path=x: 'model' is no mapping in the config, so it has no 'path'"
    ):
        load(None, "model.path=x")


def test_set_of_an_unknown_key(load):
    with pytest.raises(ConfigError, match="bach_size: no such key; did you mean 'batch_size'"):
        load(None, "bach_size=3")


# what follows from the keys


@pytest.mark.parametrize(
    ("preset", "image", "mask"),
    [("deeplab", "image/encoded", "image/segmentation/class/encoded"), ("tfds", "image", "segmentation_mask")],
)
def test_presets(load, preset, image, mask):
    features = load(features=preset).features
    assert (features.image.key, features.mask.key) == (image, mask)
    assert not features.image.raw


def test_a_mapping_of_keys(load):
    keys = {"image": {"key": "ct", "shape": "ct/shape", "dtype": "float32"}, "mask": "labels", "sample_id": "name"}
    features = load(features=keys).features
    assert features.image.raw
    assert (features.mask.key, features.mask.shape, features.sample_id) == ("labels", None, ("name",))


@pytest.mark.parametrize(
    ("classes", "foreground", "ids"),
    [
        (["a", "b"], None, (0, 1)),
        (["a", "b", "c"], None, (0, 1, 2)),
        (["bg", "b", "c"], None, (1, 2)),
        (["a", "b", "c"], ["c", "a"], (2, 0)),
        (["a", "b"], ["b"], (1,)),
    ],
)
def test_foreground(load, classes, foreground, ids):
    assert load(classes=classes, foreground=foreground).foreground_ids == ids


def test_label_and_model_settings_are_the_configs(load):
    config = load(ignore_label=[0, 255], label_offset=-1, output_kind="sigmoid", threshold=0.25, output_name="p")
    assert (config.labels.ignore_label, config.labels.label_offset) == ((0, 255), -1)
    model = config.model_settings
    assert (model.path, model.output_kind, model.threshold, model.output_name) == ("models/m", "sigmoid", 0.25, "p")


# fingerprint

SCORING = {
    "classes": ["ground", "person", "car"],
    "features": "tfds",
    "ignore_label": 255,
    "mask_values": {0: 0},
    "label_offset": 1,
    "input": {"scale": "none"},
    "output_kind": "sigmoid",
    "output_name": "p",
    "threshold": 0.4,
    "slices": ["site"],
    "cluster": "patient",
    "max_pixels": 1000,
}
ELSEWHERE = {
    "examples": "other",
    "model": "other",
    "output": "other",
    "max_failed_fraction": 0.5,
    "batch_size": 8,
    "batch_timeout_seconds": 9,
    "shard_split_bytes": 9,
    "bootstrap": {"seed": 1},
    "foreground": ["car"],
    "gate": {"checks": [{"metric": "dice_mean", "class": "car", "max_drop": 0.01}]},
}


def test_every_key_is_in_the_fingerprint_or_known_not_to_be():
    assert set(SCORING) | set(ELSEWHERE) == set(Config.model_fields)


@pytest.mark.parametrize("key", SCORING)
def test_the_fingerprint_changes_with(load, key):
    assert load(**{key: SCORING[key]}).fingerprint != load().fingerprint


@pytest.mark.parametrize("key", ELSEWHERE)
def test_the_fingerprint_does_not_change_with(load, key):
    assert load(**{key: ELSEWHERE[key]}).fingerprint == load().fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"ignore_label": 255}, {"ignore_label": [255]}),
        ({"slices": ["a"]}, {"slices": [["a"]]}),
        ({"slices": ["b", "a"]}, {"slices": [["a", "b"], "a"]}),
        ({"slices": ["a"]}, {"slices": [{"feature": "a", "edges": []}]}),
        ({"slices": [{"feature": "a", "edges": [1]}]}, {"slices": [[{"feature": "a", "edges": [1.0]}]]}),
        ({"bootstrap": {}}, {"bootstrap": {"replicates": 1000, "seed": 0, "keep_slices": 100}}),
        ({"features": "deeplab"}, {}),
        ({"mask_values": {0: 0, 9: 1}}, {"mask_values": {9: 1, 0: 0}}),
    ],
)
def test_two_spellings_of_one_config_have_one_fingerprint(load, one, other):
    assert load(**one).fingerprint == load(**other).fingerprint


def test_a_config_is_frozen(load):
    with pytest.raises(ValueError, match="frozen"):
        load().batch_size = 3


def test_yaml_merge_keys_dates_and_nulls(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "base: &base {kind: encoded}\nexamples: a\nmodel: 2026-11-23\noutput: o\nclasses: [a, b]\n"
        "ignore_label: null\nslices: null\ninput:\n  <<: *base\n  scale: none\n"
    )
    with pytest.raises(ConfigError, match="base: no such key"):
        config_file.load(str(path))
    path.write_text(
        path.read_text().replace("base: &base {kind: encoded}\n", "").replace("<<: *base", "<<: {kind: encoded}")
    )
    loaded = config_file.load(str(path))
    assert (loaded.model, loaded.ignore_label, loaded.slices, loaded.input.kind) == ("2026-11-23", (), (), "encoded")
