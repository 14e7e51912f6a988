"""The tf.Example contract in: which features hold the image, the mask and the id of a sample."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from .settings import Settings

DType = Literal["uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool"]


class TensorFeature(Settings):
    """Where a tensor is found in a tf.Example, and how it is stored.

    With `key` alone the feature holds one encoded file (PNG, JPEG, BMP or GIF for images, PNG for masks).
    With `shape` it holds a raw tensor in C order: one little-endian byte string of `dtype`, or a float or
    int64 list. `shape` is either the key of an int64 feature or the shape itself. The class or colour
    channel, where there is one, is the last axis.
    """

    key: str = Field(min_length=1)
    shape: str | tuple[Annotated[int, Field(gt=0)], ...] | None = None
    dtype: DType = "uint8"

    @property
    def raw(self) -> bool:
        """Whether the feature holds a raw tensor and not an encoded file."""
        return self.shape is not None


def _feature(value: object) -> object:
    return {"key": value} if isinstance(value, str) else value


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Feature = Annotated[TensorFeature, BeforeValidator(_feature)]


class FeatureKeys(Settings):
    """The features of one sample. `sample_id` names are tried in order; without any it is shard#record."""

    image: Feature
    mask: Feature
    sample_id: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ("image/source_id", "image/filename")


PRESETS = {
    "deeplab": FeatureKeys(
        image=TensorFeature(key="image/encoded"),
        mask=TensorFeature(key="image/segmentation/class/encoded"),
    ),
    "tfds": FeatureKeys(
        image=TensorFeature(key="image"),
        mask=TensorFeature(key="segmentation_mask"),
        sample_id=("file_name", "id"),
    ),
}
