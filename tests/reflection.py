"""What Beam finds out about the methods of DoFns, kept: it asks 16,000 times a pipeline, a seventh of a small run."""

import sys
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

Looked = tuple[list[str], list[Any]]


def remember() -> None:
    """From now on a method is looked at once; does nothing before Beam is imported, or a second time."""
    core: Any = sys.modules.get("apache_beam.transforms.core")
    look = getattr(core, "get_function_args_defaults", None)
    if look is not None and look.__module__ != __name__:
        core.get_function_args_defaults = remembering(look)


def remembering(look: Callable[[Any], Looked]) -> Callable[[Any], Looked]:
    """`look`, whose answer depends on the function of a bound method alone, with its answers kept."""
    found: dict[FunctionType, Looked] = {}

    def arguments(function: Any) -> Looked:
        plain = isinstance(function, MethodType) and isinstance(function.__func__, FunctionType)
        if not plain or hasattr(function.__func__, "__wrapped__"):
            return look(function)
        if function.__func__ not in found:
            found[function.__func__] = look(function)
        names, defaults = found[function.__func__]
        return list(names), list(defaults)

    arguments.look = look
    return arguments
