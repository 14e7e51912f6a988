"""What differs between two configs, in words."""

import json
from collections.abc import Iterator
from typing import Any

MAX_KEYS = 10
MAX_VALUE_LENGTH = 60
_ABSENT = "not given"


def summary(then: str, now: str) -> str:
    """`key: then -> now` of the keys that differ, joined by `; `; empty where none does or one config is unknown.

    Nested keys have dots. At most MAX_KEYS keys are named; a long value is shown from where it begins to differ.

    Args:
        then: a config as JSON; `{}` if it is not known.
        now: the same.
    """
    before, after = (dict(_leaves("", json.loads(text))) for text in (then, now))
    if not before or not after:
        return ""
    pairs = {key: (before.get(key, _ABSENT), after.get(key, _ABSENT)) for key in sorted(before.keys() | after.keys())}
    lines = [f"{key}: {_arrow(*values)}" for key, values in pairs.items() if values[0] != values[1]]
    return "; ".join([*lines[:MAX_KEYS], f"and {len(lines) - MAX_KEYS} more keys"] if len(lines) > MAX_KEYS else lines)


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Every leaf as ASCII JSON, which holds no control characters, by its dotted key; empty mappings are leaves."""
    if isinstance(value, dict) and (value or not key):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}" if key else name, inner)
    else:
        yield key, json.dumps(value)


def _arrow(then: str, now: str) -> str:
    start = next((i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now)))
    cut = start if max(len(then), len(now)) > MAX_VALUE_LENGTH else 0
    return f"{_part(then, cut)} -> {_part(now, cut)}"


def _part(text: str, start: int) -> str:
    start = max(0, start - MAX_VALUE_LENGTH // 3)
    end = start + MAX_VALUE_LENGTH
    return ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")
