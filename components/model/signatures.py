"""What a SavedModel says it takes and gives, read from its graph file without loading a variable.

`agree` holds the config against it, so that a wrong config is one clear error before any record is read.
"""

from dataclasses import dataclass

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError
from ..storage import filesystems

SERVE = "serve"
_INIT_OP = "__saved_model_init_op"
_KIND_OF_STRING = "`encoded` (image files) or `example` (serialized tf.Examples)"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Name, dtype and shape (None where free; shape None where the rank is) of an input or output."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """As error messages and `dicebeam inspect` show it."""
        shape = "any shape" if self.shape is None else [("?" if size is None else size) for size in self.shape]
        return f"{self.name}: {self.dtype} {str(shape).replace(chr(39), '')}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a SavedModel."""

    name: str
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]

    def __str__(self) -> str:
        """As error messages show it."""
        inputs, outputs = ("; ".join(map(str, infos.values())) for infos in (self.inputs, self.outputs))
        return f"{self.name} ({inputs} -> {outputs})"


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
    fed: tuple[tuple[str, str], ...] = ()
    required: tuple[str, ...] = ()


def read(path: str) -> dict[str, Signature]:
    """The signatures of a SavedModel folder, local or remote.

    Raises:
        ModelError: if there is no SavedModel, or one without a graph tagged `serve`.
    """
    try:
        with filesystems.reading_stored(f"{path.rstrip('/')}/saved_model.pb") as file:
            graphs = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs
    except (OSError, DecodeError) as error:
        msg = f"expected a SavedModel folder (with saved_model.pb) at {path!r}, but it cannot be read: {error}"
        raise ModelError(msg) from error
    graph = next((g for g in graphs if SERVE in g.meta_info_def.tags), None)
    if graph is None:
        tags = [sorted(g.meta_info_def.tags) for g in graphs]
        msg = f"expected a graph tagged {SERVE!r} in {path!r}, but it has the tags {tags}"
        raise ModelError(msg)
    return {
        name: Signature(name, _infos(definition.inputs), _infos(definition.outputs))
        for name, definition in sorted(graph.signature_def.items())
        if name != _INIT_OP
    }


def _infos(tensors: dict[str, saved_model_pb2.SavedModel]) -> dict[str, TensorInfo]:
    infos = {}
    for name, info in sorted(tensors.items()):
        shape = tf.TensorShape(info.tensor_shape)
        infos[name] = TensorInfo(
            name, tf.dtypes.as_dtype(info.dtype).name, None if shape.rank is None else tuple(shape.as_list())
        )
    return infos


def named(signatures: dict[str, Signature], settings: ModelSettings) -> Signature:
    """The signature that the config names; ModelError where the model has none of this name."""
    signature = signatures.get(settings.input.signature)
    if signature is None:
        has = "; ".join(map(str, signatures.values())) or "no signatures"
        raise _error(settings, f"input.signature is {settings.input.signature!r}, but the model has: {has}")
    return signature


def agree(
    signatures: dict[str, Signature],
    settings: ModelSettings,
    n_classes: int,
    batch_size: int,
    fed: tuple[tuple[str, str], ...] = (),
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
        signature.name,
        taken.name,
        taken.dtype,
        taken.shape,
        given.name,
        rank,
        (shape[-1] or 0) if shape else 0,
        _size(taken, rank, settings) if settings.input.kind == "image" else None,
        _scored(given, rank, n_classes, settings),
        batch,
        fed,
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
