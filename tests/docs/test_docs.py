"""The docs say what is there: every key, every column, and every query in them runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dicebeam.pipeline.config import config_file
from dicebeam.schemas import tables
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.config.drift import DriftCheck
from dicebeam.schemas.config.features import PRESETS, FeatureKeys
from dicebeam.schemas.config.gate import CheckConfig, GateConfig
from dicebeam.schemas.config.model import InputSettings
from dicebeam.schemas.config.statistics import BootstrapConfig
from tests.support.paths import ROOT

README, CONFIG_DOC, TABLES_DOC = (
    ROOT / name for name in ("README.md", "docs/guide/config.md", "docs/reference/tables.md")
)


def blocks(path: Path, language: str) -> list[str]:
    """Fenced blocks of a language, without the indent of the list item they are in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def documented_keys() -> set[str]:
    return set(re.findall(r"^\| `([a-z_.]+)` \|", CONFIG_DOC.read_text(encoding="utf-8"), re.MULTILINE)) - set(PRESETS)


def test_every_config_key_is_documented_and_every_documented_key_exists() -> None:
    nested = {f"input.{name}" for name in InputSettings.model_fields}
    nested |= {f"bootstrap.{name}" for name in BootstrapConfig.model_fields}
    nested |= {f"gate.{name}" for name in GateConfig.model_fields}
    nested |= {f"gate.checks.{field.alias or name}" for name, field in CheckConfig.model_fields.items()}
    nested |= {f"gate.drift.{field.alias or name}" for name, field in DriftCheck.model_fields.items()}
    assert documented_keys() == (set(Config.model_fields) - {"input", "bootstrap"}) | nested


def test_the_defaults_of_the_gate_in_the_docs_are_the_defaults() -> None:
    text = CONFIG_DOC.read_text(encoding="utf-8")
    said = {
        key: yaml.safe_load(value)
        for key, value in re.findall(r"^\| `gate\.([a-z_.]+)` \| `?([^|`]+?)`? \|", text, re.M)
    }
    gate = GateConfig().model_dump(exclude={"checks", "drift"})
    check = CheckConfig(metric="dice_mean", min=0).model_dump(include={"class_name", "slice", "too_few"}, by_alias=True)
    assert set(check) == {"class", "slice", "too_few"}
    usual = DriftCheck(metric="class_pixels", max_change=0)
    assert usual.channel is None  # written as "*"
    drift = {"drift.class": usual.class_name, "drift.channel": "*", "drift.action": usual.action}
    assert {**gate, **{f"checks.{key}": value for key, value in check.items()}, **drift}.items() <= said.items()


def test_the_defaults_in_the_docs_are_the_defaults() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| `?([^|`]+?)`? \|", CONFIG_DOC.read_text(encoding="utf-8"), re.MULTILINE)
    said = {key: value for key, value in rows if key in ("batch_size", "threshold", "label_offset", "output_kind")}
    assert said == {key: str(Config.model_fields[key].default).removesuffix(".0") for key in said}
    assert len(said) == 4


@pytest.mark.parametrize("table", tables.TABLES)
def test_every_column_is_documented(table: str) -> None:
    names = tables.FIXED.get(table, tables.samples_schema([])).names
    text = TABLES_DOC.read_text(encoding="utf-8").partition(f"## {table}:")[2].partition("\n## ")[0]
    missing = [name for name in names if not re.search(rf"\b{name}\b", text)]
    assert not missing


def settings_in_the_docs(key: str) -> list[object]:
    every = [yaml.safe_load(text) for text in blocks(CONFIG_DOC, "yaml")]
    assert all(set(found) <= {"features", "slices", "cluster", "bootstrap"} for found in every)
    return [found[key] for found in every if key in found]


@pytest.mark.parametrize("mapping", settings_in_the_docs("features"))
def test_feature_mappings_in_the_docs_are_valid(mapping: object) -> None:
    assert FeatureKeys.model_validate(mapping)


def test_slices_and_intervals_in_the_docs_are_valid(tmp_path: Path) -> None:
    readme, _ = blocks(README, "yaml")
    (text,) = [text for text in blocks(CONFIG_DOC, "yaml") if "slices:" in text]
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(readme), **yaml.safe_load(text)}))
    config = config_file.load(str(path))
    assert any(part.edges for spec in config.slices for part in spec)
    assert config.cluster in config.slice_features


def test_the_defaults_of_the_bootstrap_in_the_docs_are_the_defaults() -> None:
    said = dict(
        re.findall(r"^\| `bootstrap\.([a-z_]+)` \| (\d+) \|", CONFIG_DOC.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {key: int(value) for key, value in said.items()} == BootstrapConfig().model_dump()


def test_the_config_in_the_readme_is_valid(tmp_path: Path) -> None:
    text, gate = blocks(README, "yaml")
    path = tmp_path / "my.yaml"
    path.write_text(text + gate)
    config = config_file.load(str(path))
    assert [[part.feature for part in spec] for spec in config.slices] == [["site"], ["site", "scanner"]]
    assert len(config.gate.checks) == 3


def test_there_are_three_queries_in_the_readme() -> None:
    assert len(blocks(README, "sql")) == 3


def system_check(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "check_system.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_system_check_names_a_missing_compiler(tmp_path: Path) -> None:
    found = system_check(PATH=str(tmp_path))
    assert found.returncode == 1
    assert "dicebeam: missing: a C++ compiler is needed to build tfrecord-lite" in found.stderr


def test_the_system_check_names_a_wrong_python() -> None:
    code = (
        "import sys, runpy; sys.version_info = (3, 10, 1); "
        f"runpy.run_path({str(ROOT / 'scripts' / 'check_system.py')!r}, run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert re.search(r"Python 3\.11 to 3\.13 is needed, but .* is 3\.10", found.stderr)
