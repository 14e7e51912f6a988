"""docs/guide/your-data.md: its configs are valid, and its tables name every preset, kind and scale."""

import re
from typing import get_args

import pytest
import yaml

from dicebeam.components.explore import query
from dicebeam.pipeline.config import config_file
from dicebeam.schemas.config.config import Config
from dicebeam.schemas.config.features import PRESETS
from dicebeam.schemas.config.model import InputKind, OutputKind, Scale
from tests.docs.test_docs import ROOT, blocks

DOC = ROOT / "docs/guide/your-data.md"
TEXT = DOC.read_text(encoding="utf-8")
SMALLEST, *MORE = (yaml.safe_load(text) for text in blocks(DOC, "yaml"))
_CODE = re.findall(r"`([a-z_]+: [^`]+)`", TEXT)
SETTINGS = [setting for setting in _CODE if set(yaml.safe_load(setting)) <= set(Config.model_fields)]


def loaded(settings, folder):
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump({**SMALLEST, **settings}))
    return config_file.load(str(path))


@pytest.mark.parametrize("settings", [{}, *MORE], ids=str)
def test_its_configs_are_valid(settings, tmp_path):
    assert loaded(settings, tmp_path).classes


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_in_its_tables_is_valid(setting, tmp_path):
    assert loaded(yaml.safe_load(setting), tmp_path)


def test_there_are_settings_of_every_kind():
    assert {key for setting in SETTINGS for key in yaml.safe_load(setting)} == {
        "mask_values", "label_offset", "ignore_label", "input", "slices", "cluster",
    }  # fmt: skip


def test_every_preset_and_kind_is_named():
    words = set(re.findall(r"`(\w+)`", TEXT)) | set(re.findall(r"\w+", " ".join(SETTINGS)))
    usual = {"image", "unit"}  # the defaults of kind and scale, for which nothing is written
    assert {*PRESETS, *get_args(InputKind), *get_args(OutputKind), *get_args(Scale)} - usual <= words


def test_the_query_gives_rows(nights):
    (sql,) = re.findall(r'^dicebeam query reports "(.*)"$', TEXT, re.MULTILINE)
    assert query.query(nights[0], sql).rows
