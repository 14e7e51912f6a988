"""What the documentation site adds to docs/: links that lead somewhere on it, and fields as lists.

That the whole site builds without a warning is what `make docs` says.
"""

import importlib.util
import re
from types import SimpleNamespace

import griffe
import pytest
import yaml

from tests.support.paths import ROOT


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site():
    module = script("docs_site")
    module._page_of.update(
        {
            "docs/guide/sql.md": "guide/sql.md",
            "CONTRIBUTING.md": "CONTRIBUTING.md",
            "schemas/views.sql": "reference/views-sql.md",
        }
    )
    return module


@pytest.mark.parametrize(
    ("written", "led"),
    [
        ("[views](../../schemas/views.sql)", "[views](../reference/views-sql.md)"),
        ("[how](../../CONTRIBUTING.md#rules)", "[how](../CONTRIBUTING.md#rules)"),
        (
            "[checks](../../components/gate/checks.py)",
            "[checks][dicebeam.components.gate.checks]",
        ),
        ("[the gate](../../components/gate)", "[the gate][dicebeam.components.gate]"),
        ("[tests](../../tests/)", "tests"),
        ("[here](#there)", "[here](#there)"),
        ("[TFX](https://www.tensorflow.org)", "[TFX](https://www.tensorflow.org)"),
        ("[gone](gone.md)", "[gone](gone.md)"),
        ("![the page](../images/report.png)", "![the page](../images/report.png)"),
        ("```\n[code](../../CONTRIBUTING.md)\n```", "```\n[code](../../CONTRIBUTING.md)\n```"),
    ],
)
def test_links_lead_to_where_the_site_has_it(site, written, led):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="guide/sql.md"))
    assert site.on_page_markdown(written, page=page, config=None, files=None) == led


def test_every_room_has_a_page_with_all_its_modules(site):
    rooms = site._rooms()
    assert {"components/gate", "pipeline/commands", "schemas/config"} <= set(rooms)
    text = site._room_text("components/gate")
    assert set(re.findall(r"^::: (\S+)$", text, re.MULTILINE)) == {
        f"dicebeam.components.gate.{path.stem}"
        for path in (ROOT / "components/gate").glob("*.py")
        if path.stem != "__init__"
    }


@pytest.fixture
def fields():
    return script("docstring_fields").DocstringFields()


def test_fields_become_a_list(fields):
    source = '''class Settings:
    """What is read.

    batch_size: samples in a batch, and what
        belongs to it.
    note: this is a field, too.
    Empty: this is none.
    """

    batch_size: int
    note: str
'''
    with griffe.temporary_visited_module(source) as module:
        fields.on_class(cls=module["Settings"])
        text = module["Settings"].docstring.value
    assert text.splitlines()[2:] == [
        "- `batch_size`: samples in a batch, and what",
        "  belongs to it.",
        "- `note`: this is a field, too.",
        "  Empty: this is none.",
    ]


def test_columns_become_a_list(fields):
    source = '"""Sums.\n\nsmooth   s in the ratio\nsquared  sum(p^2)\n\nText with  two spaces inside.\n"""\n'
    with griffe.temporary_visited_module(source) as module:
        fields.on_module(mod=module)
        text = module.docstring.value
    assert "- `smooth`: s in the ratio\n- `squared`: sum(p^2)" in text
    assert "Text with  two spaces inside." in text


def test_the_pages_ask_nobody_for_fonts():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = yaml.safe_load(re.sub(r"!!python/\S+ ", "", text))
    assert settings["theme"]["font"] is False
    assert settings["strict"] is True
