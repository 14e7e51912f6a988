"""The base of every piece of configuration: frozen, and unknown keys are errors."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _no_boolean(value: object) -> object:
    """YAML reads `no` as false, which is a 0 to Python: `ignore_label: no` would ignore class 0."""
    if isinstance(value, bool):
        msg = f"expected a number, but got {value} (YAML's yes, no, true or false)"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    return value


Integer = Annotated[int, BeforeValidator(_no_boolean)]
StoredValue = Annotated[Integer, Field(ge=-(2**63), lt=2**63)]
"""A value that a mask can hold."""
Number = Annotated[float, BeforeValidator(_no_boolean)]


class Settings(BaseModel):
    """A frozen, picklable value; construction validates it, so no worker meets a bad one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)
