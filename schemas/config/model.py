"""What the config says about the model: how it is fed and what comes out."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .settings import Settings

InputKind = Literal["image", "encoded", "example"]
OutputKind = Literal["softmax", "sigmoid", "softmax_logits", "sigmoid_logits", "class_ids"]
Scale = Literal["unit", "signed", "none"]


class InputSettings(Settings):
    """How a signature is fed.

    kind: `image` for image tensors, `encoded` for the files' bytes, `example` for serialized tf.Examples.
    signature: name of the signature.
    name: its input, where it has several.
    size: spatial size the model sees; images are resized to it (bilinear). Default: the signature's own size
        where it is fixed, else the image's.
    scale: for integer images and float models: `unit` divides by the largest value of the dtype (0..1),
        `signed` brings it to -1..1, `none` keeps the values. Float images are passed on as they are.
    transform: folder of a tensorflow-transform graph that stands between the serialized tf.Examples and the signature.
        With it the kind is `example`, and all inputs of the signature are fed with transformed features.
    feed: which transformed feature an input of the signature takes, where it is not the one of its name.
    """

    kind: InputKind = "image"
    signature: str = "serving_default"
    name: str | None = None
    size: tuple[Annotated[int, Field(gt=0, le=1 << 16)], ...] | None = None
    scale: Scale = "unit"
    transform: str | None = Field(default=None, min_length=1)
    feed: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _kind_of_transform(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the config has there
        """A transform takes serialized tf.Examples, so nobody has to say it."""
        if isinstance(values, dict) and values.get("transform") is not None:
            return {"kind": "example", **values}
        return values

    @model_validator(mode="after")
    def _check(self) -> "InputSettings":
        if self.transform is None:
            if self.feed:
                msg = "feed: it says what a transform's features are for, but there is no transform"
                raise ValueError(msg)
            return self
        if self.kind != "example":
            msg = f"kind: a transform takes serialized tf.Examples, which is `example`, but it is {self.kind!r}"
            raise ValueError(msg)
        others = {"name": self.name, "size": self.size, "scale": None if self.scale == "unit" else self.scale}
        useless = [key for key, value in others.items() if value is not None]
        if useless:
            msg = (
                f"{', '.join(useless)}: leave it out; the transform alone decides what the signature takes, and all of "
                "its inputs are fed, by name or by `feed`"
            )
            raise ValueError(msg)
        return self


class ModelSettings(Settings):
    """A SavedModel and how its output is read.

    threshold: with sigmoid outputs a class is predicted where p > threshold.
    """

    path: str
    input: InputSettings = InputSettings()
    output_kind: OutputKind = "softmax"
    output_name: str | None = None
    threshold: float = Field(default=0.5, ge=0, lt=1)

    @property
    def exclusive(self) -> bool:
        """Whether every pixel has exactly one predicted class."""
        return self.output_kind in ("softmax", "softmax_logits", "class_ids")
