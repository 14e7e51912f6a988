"""Fields and arguments that a docstring explains, a line each, as a list: Markdown would run the lines together."""

import re
from typing import Any

import griffe

_FIELD = re.compile(r"(?P<names>\w+(?:, \w+)*)(?P<gap>: |  +)(?P<text>.+)")


class DocstringFields(griffe.Extension):
    """For mkdocstrings, which reads the docstrings by way of griffe; see `extensions` in mkdocs.yml."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """The docstring of a class."""
        _make_lists(cls)

    def on_module(self, *, mod: griffe.Module, **_: Any) -> None:
        """The docstring of a module."""
        _make_lists(mod)


def _make_lists(described: griffe.Object) -> None:
    """`name: text` of a member, and `name  text` in columns, become items; what follows indented is of the item."""
    if described.docstring is None:
        return
    lines: list[str] = []
    in_list = False
    for line in described.docstring.value.splitlines():
        field = _FIELD.fullmatch(line)
        names = field["names"].split(", ") if field else []
        if field and (field["gap"] != ": " or set(names) <= set(described.members)):
            lines += [""] * bool(not in_list and lines and lines[-1])
            lines.append(f"- {', '.join(f'`{name}`' for name in names)}: {field['text']}")
            in_list = True
        else:
            in_list = in_list and bool(line.strip())
            lines.append(f"  {line.strip()}" if in_list else line)
    described.docstring.value = "\n".join(lines)
