"""The base of every piece of configuration: frozen, and unknown keys are errors."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen, picklable value; construction validates it, so no worker meets a bad one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)
