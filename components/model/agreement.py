"""What config, model and transform agree on: held against each other before a record is read."""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError
from . import saved_model, signatures, transforms
from .signatures import Agreement, Signature, TensorInfo

Fed = tuple[tuple[str, str], ...]


def agree(model: ModelSettings, transform_fingerprint: str | None, n_classes: int, batch_size: int) -> Agreement:
    """Read the model's signatures, load the transform, and hold the config against both.

    Raises:
        ModelError: where they disagree; the message says what is missing, and what there is.
        StorageError: if a remote transform cannot be copied.
    """
    found = signatures.read(model.path)
    if transform_fingerprint is None:
        return signatures.agree(found, model, n_classes, batch_size)
    transform = saved_model.load_transform(model, transform_fingerprint)
    fed = feeds(signatures.named(found, model), model, transform.gives)
    agreed = signatures.agree(found, model, n_classes, batch_size, fed)
    wanted = sorted({feature for _, feature in fed})
    if not transform.needed(wanted):
        raise _error(model, f"{', '.join(wanted)} depends on no raw feature, so it is the same for every record")
    return dataclasses.replace(agreed, required=transform.required(wanted))


def feeds(signature: Signature, model: ModelSettings, gives: Mapping[str, tf.TypeSpec]) -> Fed:
    """Which transformed feature each input of a signature takes: that of `feed`, or of its name, or the only one.

    Raises:
        ModelError: if there is none for an input, or it is of another dtype or shape.
    """
    unknown = sorted(set(model.input.feed) - set(signature.inputs))
    if unknown:
        raise _error(model, f"input.feed names {unknown[0]!r}, which is no input of the signature {signature}")
    only = next(iter(gives)) if len(gives) == len(signature.inputs) == 1 else None
    fed = []
    for info in signature.inputs.values():
        feature = model.input.feed.get(info.name) or (info.name if info.name in gives else only)
        if feature is None or feature not in gives:
            asked = f"input.feed asks for {feature!r}" if feature else f"the signature takes {info}"
            advice = "" if feature else "; name the transformed feature for it in input.feed"
            raise _error(model, f"{asked}, which the transform does not give; it gives {_all(gives)}{advice}")
        _check(info, feature, gives[feature], model)
        fed.append((info.name, feature))
    if not fed:
        raise _error(model, f"the signature takes nothing: {signature}")
    return tuple(fed)


def _check(info: TensorInfo, feature: str, spec: tf.TypeSpec, model: ModelSettings) -> None:
    given = transforms.describe(feature, spec)
    if isinstance(spec, tf.SparseTensorSpec):
        raise _error(model, f"it gives {given}, but the signature takes {info}; make it dense in the transform")
    if spec.dtype.name != info.dtype or not tf.TensorShape(info.shape).is_compatible_with(spec.shape):
        raise _error(model, f"it gives {given}, which does not fit the input of the signature, {info}")


def _all(gives: Mapping[str, tf.TypeSpec]) -> str:
    return "; ".join(transforms.describe(name, spec) for name, spec in sorted(gives.items()))


def _error(model: ModelSettings, message: str) -> ModelError:
    return ModelError(f"transform {model.input.transform} before model {model.path}: {message}")
