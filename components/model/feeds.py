"""Which transformed feature each input of a signature takes, where a transform stands before the model."""

from collections.abc import Mapping

import tensorflow as tf

from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError
from . import transforms
from .signatures import Signature, TensorInfo

Fed = tuple[tuple[str, str], ...]
"""Each input of a signature, and the transformed feature that it takes."""


def choose(signature: Signature, model: ModelSettings, gives: Mapping[str, tf.TypeSpec]) -> Fed:
    """Which transformed feature each input of a signature takes: that of `feed`, or of its name, or the only one.

    Raises:
        ModelError: if there is none for an input, or it is of another dtype or shape.
    """
    unknown = sorted(set(model.input.feed) - set(signature.inputs))
    if unknown:
        raise error(model, f"input.feed names {unknown[0]!r}, which is no input of the signature {signature}")
    only = next(iter(gives)) if len(gives) == len(signature.inputs) == 1 else None
    fed = []
    for info in signature.inputs.values():
        feature = model.input.feed.get(info.name) or (info.name if info.name in gives else only)
        if feature is None or feature not in gives:
            asked = f"input.feed asks for {feature!r}" if feature else f"the signature takes {info}"
            advice = "" if feature else "; name the transformed feature for it in input.feed"
            raise error(model, f"{asked}, which the transform does not give; it gives {_all(gives)}{advice}")
        _check(info, feature, gives[feature], model)
        fed.append((info.name, feature))
    if not fed:
        raise error(model, f"the signature takes nothing: {signature}")
    return tuple(fed)


def _check(info: TensorInfo, feature: str, spec: tf.TypeSpec, model: ModelSettings) -> None:
    given = transforms.describe(feature, spec)
    if isinstance(spec, tf.SparseTensorSpec):
        raise error(model, f"it gives {given}, but the signature takes {info}; make it dense in the transform")
    if spec.dtype.name != info.dtype or not tf.TensorShape(info.shape).is_compatible_with(spec.shape):
        raise error(model, f"it gives {given}, which does not fit the input of the signature, {info}")


def _all(gives: Mapping[str, tf.TypeSpec]) -> str:
    return "; ".join(transforms.describe(name, spec) for name, spec in sorted(gives.items()))


def error(model: ModelSettings, message: str) -> ModelError:
    """What does not fit between a transform and the model after it."""
    return ModelError(f"transform {model.input.transform} before model {model.path}: {message}")
