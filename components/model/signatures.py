"""What a SavedModel says it takes and gives, read from its graph file without loading a variable."""

from dataclasses import dataclass

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from ...schemas.errors import ModelError
from ..storage import filesystems
from . import fingerprints

SERVE = "serve"
_INIT_OP = "__saved_model_init_op"


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


def read(path: str) -> dict[str, Signature]:
    """The signatures of a SavedModel folder, local or remote.

    Raises:
        ModelError: if there is no SavedModel, or one without a graph tagged `serve`.
    """
    try:
        with filesystems.reading_stored(f"{path.rstrip('/')}/{fingerprints.MODEL_GRAPH}") as file:
            graph = file.read()
    except OSError as error:
        raise fingerprints.no_model(path, error) from error
    return of_graph(graph, path)


def of_graph(graph: bytes, path: str) -> dict[str, Signature]:
    """The signatures of a SavedModel.

    Args:
        graph: the bytes of its graph file.
        path: of its folder, for messages.

    Raises:
        ModelError: if it is no SavedModel, or has no graph tagged `serve`.
    """
    try:
        graphs = saved_model_pb2.SavedModel.FromString(graph).meta_graphs
    except DecodeError as error:
        raise fingerprints.no_model(path, error) from error
    serving = next((g for g in graphs if SERVE in g.meta_info_def.tags), None)
    if serving is None:
        tags = [sorted(g.meta_info_def.tags) for g in graphs]
        msg = f"expected a graph tagged {SERVE!r} in {path!r}, but it has the tags {tags}"
        raise ModelError(msg)
    return {
        name: Signature(name, _infos(definition.inputs), _infos(definition.outputs))
        for name, definition in sorted(serving.signature_def.items())
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
