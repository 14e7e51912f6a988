"""What the config says about the model: how it is fed and what comes out."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.settings import Settings

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
    """

    kind: InputKind = "image"
    signature: str = "serving_default"
    name: str | None = None
    size: tuple[Annotated[int, Field(gt=0, le=1 << 16)], ...] | None = None
    scale: Scale = "unit"


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
