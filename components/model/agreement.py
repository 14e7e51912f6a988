"""What config, model and transform agree on: held against each other before a record is read.

A wrong config is one clear error, which says what the model has.
"""

import dataclasses
from dataclasses import dataclass

import tensorflow as tf

from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError
from . import feeds, local_copies, signatures
from .feeds import Fed
from .signatures import Signature, TensorInfo

_KIND_OF_STRING = "`encoded` (image files) or `example` (serialized tf.Examples)"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What config and signature agree on.

    spatial_rank: 2 for images, 3 for volumes. channels: of the image, 0 where free.
    size: what images are resized to, None to leave them. scored: class ids that have a channel.
    batch: fixed batch size of the signature, 0 where free.
    fed: with a transform, each input of the signature and the transformed feature that it takes.
    required: with a transform, features that a record must have.
    """

    signature: str
    input_name: str
    input_dtype: str
    input_shape: tuple[int | None, ...] | None
    output_name: str
    spatial_rank: int
    channels: int
    size: tuple[int, ...] | None
    scored: tuple[int, ...]
    batch: int
    fed: Fed = ()
    required: tuple[str, ...] = ()


def agree(
    model: ModelSettings, graph: bytes, transform_fingerprint: str | None, n_classes: int, batch_size: int
) -> Agreement:
    """Load the transform, and hold the config against it and the model's signatures.

    Args:
        model: how it is fed and read.
        graph: the bytes of its graph file that its fingerprint is of.
        transform_fingerprint: of the transform, None for none.
        n_classes: classes of the config.
        batch_size: of the config.

    Raises:
        ModelError: where they disagree; the message says what is missing, and what there is.
        StorageError: if the transform is another one now, or a remote one cannot be copied.
    """
    found = signatures.of_graph(graph, model.path)
    if transform_fingerprint is None:
        return with_signature(found, model, n_classes, batch_size)
    transform = local_copies.load_transform(model, transform_fingerprint)
    fed = feeds.choose(named(found, model), model, transform.gives)
    agreed = with_signature(found, model, n_classes, batch_size, fed)
    wanted = sorted({feature for _, feature in fed})
    if not transform.needed(wanted):
        raise feeds.error(model, f"{', '.join(wanted)} depends on no raw feature, so it is the same for every record")
    return dataclasses.replace(agreed, required=transform.required(wanted))


def named(signatures: dict[str, Signature], settings: ModelSettings) -> Signature:
    """The signature that the config names; ModelError where the model has none of this name."""
    signature = signatures.get(settings.input.signature)
    if signature is None:
        has = "; ".join(map(str, signatures.values())) or "no signatures"
        raise _error(settings, f"input.signature is {settings.input.signature!r}, but the model has: {has}")
    return signature


def with_signature(
    signatures: dict[str, Signature],
    settings: ModelSettings,
    n_classes: int,
    batch_size: int,
    fed: Fed = (),
) -> Agreement:
    """Hold the config against the signatures; `fed` is, with a transform, what feeds each input, and fits it.

    Raises:
        ModelError: where they disagree; the message lists what the model has.
    """
    signature = named(signatures, settings)
    given = _one(signature, signature.outputs, settings.output_name, "output_name", settings)
    if fed:
        taken = max((signature.inputs[name] for name, _ in fed), key=lambda info: len(info.shape or ()))
    else:
        taken = _one(signature, signature.inputs, settings.input.name, "input.name", settings)
        _check_dtype(taken, settings)
    rank = _spatial_rank(taken, given, settings)
    shape = taken.shape if settings.input.kind == "image" else None
    batch = (taken.shape or (None,))[0] or 0
    if batch and batch != batch_size:
        raise _error(settings, f"the signature takes batches of exactly {batch} ({taken}); set batch_size: {batch}")
    return Agreement(
        signature=signature.name,
        input_name=taken.name,
        input_dtype=taken.dtype,
        input_shape=taken.shape,
        output_name=given.name,
        spatial_rank=rank,
        channels=(shape[-1] or 0) if shape else 0,
        size=_size(taken, rank, settings) if settings.input.kind == "image" else None,
        scored=_scored(given, rank, n_classes, settings),
        batch=batch,
        fed=fed,
    )


def _one(
    signature: Signature, infos: dict[str, TensorInfo], name: str | None, option: str, settings: ModelSettings
) -> TensorInfo:
    if name is None and len(infos) == 1:
        return next(iter(infos.values()))
    if name in infos:
        return infos[name]
    asked = f"{option} is {name!r}" if name else f"{option} must say which"
    raise _error(settings, f"{asked}; the signature {signature.name!r} has: {'; '.join(map(str, infos.values()))}")


def _check_dtype(taken: TensorInfo, settings: ModelSettings) -> None:
    kind = settings.input.kind
    is_string = taken.dtype == "string"
    if kind == "image" and is_string:
        raise _error(settings, f"input.kind is 'image', but the signature takes {taken}; use {_KIND_OF_STRING}")
    if kind != "image" and not is_string:
        raise _error(
            settings,
            f"input.kind is {kind!r}, which needs a string input, but the signature takes {taken}; use `image`",
        )
    if kind == "image" and not (
        tf.dtypes.as_dtype(taken.dtype).is_floating or taken.dtype in ("uint8", "uint16", "int32")
    ):
        raise _error(settings, f"expected an input of float, uint8, uint16 or int32, but the signature takes {taken}")
    if is_string and taken.shape is not None and len(taken.shape) != 1:
        raise _error(settings, f"expected a string input of shape [batch], but the signature takes {taken}")


def _spatial_rank(taken: TensorInfo, given: TensorInfo, settings: ModelSettings) -> int:
    if settings.input.kind == "image" and taken.shape is not None:
        rank = len(taken.shape) - 2
    elif given.shape is not None and settings.output_kind != "class_ids":
        rank = max(2, len(given.shape) - 2)
    else:
        rank = 3 if settings.input.transform and len(taken.shape or ()) == 5 else 2  # noqa: PLR2004
    if rank not in (2, 3):
        raise _error(
            settings,
            "expected an input of [batch, height, width, channels] or [batch, depth, height, width, "
            f"channels], but the signature takes {taken}",
        )
    return rank


def _size(taken: TensorInfo, rank: int, settings: ModelSettings) -> tuple[int, ...] | None:
    own = (taken.shape or (None,) * (rank + 2))[1:-1]
    asked = settings.input.size
    if asked is None:
        fixed = tuple(size for size in own if size is not None)
        if 0 < len(fixed) < rank == 2:  # noqa: PLR2004
            raise _error(settings, f"the signature fixes one image axis and leaves one free ({taken}); set input.size")
        return fixed if len(fixed) == rank else None
    if rank != 2:  # noqa: PLR2004
        raise _error(settings, f"input.size resizes images; volumes are taken at their own size ({taken})")
    if len(asked) != rank or any(a is not None and a != b for a, b in zip(own, asked, strict=True)):
        raise _error(settings, f"input.size is {list(asked)}, which the signature does not take: {taken}")
    return asked


def _scored(given: TensorInfo, rank: int, n_classes: int, settings: ModelSettings) -> tuple[int, ...]:
    """Class ids with a channel: all of them, or 1 alone for one sigmoid channel."""
    every = tuple(range(n_classes))
    is_integer = tf.dtypes.as_dtype(given.dtype).is_integer
    if is_integer != (settings.output_kind == "class_ids"):
        raise _error(settings, f"output_kind is {settings.output_kind!r}, but the output is {given}")
    if settings.output_kind == "class_ids" or given.shape is None:
        return every
    if len(given.shape) not in ((rank + 2,) if settings.exclusive else (rank + 1, rank + 2)):
        raise _error(settings, f"expected an output of [batch, {rank} spatial axes, classes], but it is {given}")
    channels = given.shape[-1] if len(given.shape) == rank + 2 else 1
    return scored_classes(channels, n_classes, settings, str(given)) if channels else every


def scored_classes(channels: int, n_classes: int, settings: ModelSettings, output: str) -> tuple[int, ...]:
    """Class ids that `channels` output channels are for.

    Raises:
        ModelError: if the numbers do not fit each other.
    """
    if channels == n_classes:
        return tuple(range(n_classes))
    if channels == 1 and not settings.exclusive and n_classes == 2:  # noqa: PLR2004 - background and thing
        return (1,)
    one = " One sigmoid channel needs two classes, background first." if channels == 1 else ""
    raise _error(
        settings,
        f"the config names {n_classes} classes, but the output has {channels} channels ({output}).{one}",
    )


def _error(settings: ModelSettings, message: str) -> ModelError:
    return ModelError(f"model {settings.path}: {message}")
