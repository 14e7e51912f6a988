"""A YAML file and `--set` overrides to a Config, with errors that name the key and what to write."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ...schemas.config.config import Config
from ...schemas.errors import ConfigError
from . import config_yaml

_MAX_BYTES = 4 * config_yaml.MAX_LENGTH + 4
_SHOWN = 200
"""Characters of a wrong value in a message."""


def load(path: str, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config.

    Args:
        path: YAML (or JSON) file.
        overrides: `key=value`, with dots for nested keys; the value is YAML.

    Raises:
        ConfigError: one message with every mistake.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES)  # it may be no file that ends
        text = data.decode("utf-8", "ignore" if len(data) == _MAX_BYTES else "strict")  # a cut one is refused below
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the config {path!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise ConfigError(msg) from error
    values = config_yaml.parse(text, path)
    if not isinstance(values, dict):
        msg = f"{path}: expected a mapping of keys to values, but got {type(values).__name__}"
        raise ConfigError(msg)
    for override in overrides:
        _apply(values, override)
    values = {key: value for key, value in values.items() if value is not None}  # null is a key's default
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        lines = [_line(e) for e in _mistakes(error.errors(include_url=False))]
        raise ConfigError("\n".join([f"{path}: {len(lines)} mistake{'s' * (len(lines) > 1)}", *lines])) from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        msg = f"--set expects key=value, but got {override!r}"
        raise ConfigError(msg)
    *parents, last = key.split(".")
    target = values
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            msg = f"--set {override}: {parent!r} is no mapping in the config, so it has no {last!r}"
            raise ConfigError(msg)
    target[last] = config_yaml.parse(text, f"--set {override}")


def _mistakes(errors: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Each mistake once: not a list that has a wrong item, nor a string where a list was meant.

    Pydantic names the types it has tried, as in (..., "shape", "tuple[...]", 0) and (..., "shape", "str").
    """
    places = [error["loc"] for error in errors]
    tried = {place[:i] for place in places for i, part in enumerate(place) if str(part).startswith("tuple[")}
    return [
        error
        for error, place in zip(errors, places, strict=True)
        if not any(len(other) > len(place) and other[: len(place)] == place for other in places)
        and not (place[-1:] == ("str",) and place[:-1] in tried)
    ]


def _line(error: Mapping[str, Any]) -> str:
    place = [part for part in error["loc"] if not str(part).startswith(("tuple[", "[key]"))]
    key = ".".join(map(str, place))
    if error["type"] == "extra_forbidden":
        return f"  {key}: no such key{_nearest(place)}"
    if error["type"] == "missing":
        return f"  {key}: is required"
    reason = error["msg"].removeprefix("Value error, ").replace("valid tuple", "list").replace("Tuple", "List")
    reason = re.sub(r"valid dictionary( or instance of \w+)?", "mapping", reason)
    if isinstance(error["input"], bool) and error["type"] == "string_type":
        reason += " (YAML reads yes and no as true and false; write them in quotes)"
    came = "" if error["type"] == "value_error" else f", but got {_shown(error['input'])}"
    return f"  {key}: {reason}{came}" if key else f"  {reason}"


def _shown(value: object) -> str:
    """A wrong value, or its beginning."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than some thousand digits
        return "a number too long to be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _nearest(place: Sequence[Any]) -> str:
    """The valid key nearest to an unknown one, and all of them where none is near."""
    model: Any = Config
    for part in place[:-1]:
        if isinstance(part, int):  # an element of a list, whose model is that of the list
            continue
        field = model.model_fields.get(str(part)) if model else None
        model = _model_in(field.annotation) if field else None
    if model is None:
        return ""
    names = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(str(place[-1]), names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    """The model that an annotation is of, or is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
