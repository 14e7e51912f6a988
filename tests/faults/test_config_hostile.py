"""Configs that mean harm: nothing is executed, nothing grows, and every one ends in one clear ConfigError."""

import ast
import itertools
import json

import pytest
import yaml

from dicebeam.pipeline.config import config_file, config_yaml
from dicebeam.schemas.errors import ConfigError
from tests.support.paths import ROOT

BASE = {"examples": "data/*", "model": "m", "output": "o", "classes": ["ground", "car"]}
BASE_TEXT = yaml.safe_dump(BASE)


@pytest.fixture
def load(tmp_path):
    def load(text, *overrides):
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config_file.load(str(path), overrides)

    return load


def laughs(first, line):
    names = "abcdefghij"
    lines = [f"a: &a {first}"]
    for before, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} {line.format(', '.join([f'*{before}'] * 9))}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {}']", "!!python/object/new:subprocess.Popen [['touch', '{}']]",
        "!!python/name:os.system", "!!python/module:os", "!!python/tuple [a]", "!include /etc/passwd",
        "!!binary aGk=", "!!set {a, b}", "!!omap [a: b]", "!!pairs [a: b]",
    ],
)  # fmt: skip
def test_no_object_is_made(load, tmp_path, tag):
    mark = tmp_path / "mark"
    with pytest.raises(ConfigError, match="is not valid YAML: could not determine a constructor for the tag"):
        load(f"{BASE_TEXT}\nx: {tag.replace('{}', str(mark))}")
    assert not mark.exists()


@pytest.mark.parametrize("text", ["__import__('os').getcwd()", "${HOME}", "$(id)", "{{7*7}}", "`id`", "f'{1+1}'"])
def test_values_are_never_evaluated(load, text):
    config = load(json.dumps({**BASE, "model": text, "classes": [text, "b"]}))
    assert (config.model, config.classes[0]) == (text, text)


@pytest.mark.parametrize(
    "text",
    [
        laughs('["lol", "lol"]', "[{}]"), laughs("{k: lol}", "{{<<: [{}]}}"), laughs('["lol"]', "{{x: [{}]}}"),
        "a: &a " + "x" * 500_000 + "\nb: [*a, *a, *a]",
    ],
    ids=["lists", "merges", "mappings", "text"],
)  # fmt: skip
def test_aliases_that_grow_are_refused(load, text):
    with pytest.raises(ConfigError, match="with its aliases written out it is longer than the 1,048,576 characters"):
        load(text)


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "&a {<<: *a}", "a: &a [[*a, 1], 2]"])
def test_an_alias_inside_itself_is_refused(load, text):
    with pytest.raises(ConfigError, match="an alias stands inside itself"):
        load(text)


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "a: " + "[" * 5000 + "]" * 5000, "{a: " * 5000 + "}" * 5000])
def test_deep_nesting_is_refused(load, text):
    with pytest.raises(ConfigError, match="is nested too deep for a config"):
        load(text)


@pytest.mark.parametrize("text", ["a: " + "x" * 1_100_000, "x" * 5_000_000, "é" * 3_000_000], ids=len)
def test_a_long_config_is_refused(load, text):
    with pytest.raises(ConfigError, match="is longer than the 1,048,576 characters a config may have"):
        load(text)


def test_a_config_that_never_ends_is_refused():
    with pytest.raises(ConfigError, match="/dev/zero is longer than the 1,048,576 characters"):
        config_file.load("/dev/zero")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("9" * 5000, "is not valid YAML: Exceeds the limit"), ("0x" + "f" * 5000, "batch_size: "),
        ("0x_", "is not valid YAML: invalid literal"), ("1e999", "batch_size: "), (".nan", "batch_size: "),
        ("-" + "9" * 400, "batch_size: "),
    ],
)  # fmt: skip
def test_huge_numbers_are_refused(load, value, reason):
    with pytest.raises(ConfigError, match=reason):
        load(f"{BASE_TEXT}\nbatch_size: {value}")


@pytest.mark.parametrize("key", ["label_offset", "ignore_label", "mask_values", "batch_size", "input"])
def test_numbers_that_no_mask_can_hold_are_refused(load, key):
    huge = 2**70
    value = {"mask_values": {huge: 0}, "input": {"size": [huge, huge]}}.get(key, huge)
    with pytest.raises(ConfigError, match=f"1 mistake\n  {key}|2 mistakes\n  {key}"):
        load(yaml.safe_dump({**BASE, key: value}))


def test_a_long_wrong_value_is_not_printed_whole(load):
    with pytest.raises(ConfigError, match=r"batch_size: .*\.\.\. \(100,002 characters\)") as caught:
        load(f"{BASE_TEXT}\nbatch_size: {'x' * 100_000}")
    assert len(str(caught.value)) < 1000


def test_a_long_key_is_not_printed_whole(load):
    key = "k" * 100_000
    for text in (f"{key}: 1\n{key}: 2", f"a: *{key}", f"{BASE_TEXT}\n{key}: 1"):
        with pytest.raises(ConfigError) as caught:
            load(text)
        assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\tb", "a\0b", "\x1b[31m", "a\x85", "a\u2028b", "\x7f"])
def test_class_names_nobody_could_read_are_refused(load, name):
    with pytest.raises(ConfigError, match="classes: a name must have letters or signs, and no control characters"):
        load(json.dumps({**BASE, "classes": ["ground", name]}))


@pytest.mark.parametrize(
    "name",
    ["[red]", "[/]", "../x", "a/b=c%", "'; DROP TABLE samples", "<script>", "😀", "\u202eabc", "x" * 100_000, "NULL"],
    ids=lambda name: name[:10],
)
def test_other_class_names_are_kept_as_they_are(load, name):
    assert load(json.dumps({**BASE, "classes": ["ground", name]})).classes == ("ground", name)


@pytest.mark.parametrize("key", ["examples", "model", "output", "slices"])
def test_a_lone_surrogate_is_no_text(load, key):
    for text in ("\\ud800", "a\\udc00\\ud800"):
        with pytest.raises(ConfigError, match="is not valid YAML: expected text, but got half of a surrogate pair"):
            load(f'{BASE_TEXT.replace(key, "x")}\n{key}: "{text}"')


def test_json_may_write_a_character_as_a_surrogate_pair(load):
    assert load(json.dumps({**BASE, "model": "😀é"}, ensure_ascii=True)).model == "😀é"


def test_set_changes_one_use_of_an_alias(load):
    text = f"{BASE_TEXT}\nfeatures: {{image: &f {{key: a}}, mask: *f}}"
    features = load(text, "features.mask.key=b").features
    assert (features.image.key, features.mask.key) == ("a", "b")


def calls(tree):
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


FILES = sorted(path for room in ("schemas", "components", "pipeline") for path in (ROOT / room).rglob("*.py"))
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "subprocess"}


@pytest.mark.parametrize(
    "path",
    sorted(path for room in ("schemas", "components", "pipeline") for path in (ROOT / room).rglob("*.py")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_no_room_evaluates_or_unpickles(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
    }
    assert not calls(tree) & FORBIDDEN
    allowed = {"subprocess"} if path.stem == "worker_watch" else set()  # which starts Beam's own command
    assert modules & MODULES == allowed
    assert (
        not {call for call in calls(tree) if call.startswith("yaml.") and "load" in call} or path.stem == "config_yaml"
    )
    assert not any(word.arg == "allow_pickle" for node in ast.walk(tree) for word in getattr(node, "keywords", []))


def test_the_one_yaml_loader_is_a_safe_one():
    assert issubclass(config_yaml._Loader, yaml.SafeLoader)
    assert not any("python" in str(tag) for tag in config_yaml._Loader.yaml_constructors)
    assert not any("python" in str(tag) for tag in config_yaml._Loader.yaml_multi_constructors)
