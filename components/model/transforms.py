"""A graph of tensorflow-transform: what it takes and gives, and the part of it that a model needs as one function.

The graph is loaded as the SavedModel that it is. tensorflow-transform itself is not imported: that would set
TF_USE_LEGACY_KERAS and turn `tf.keras` into Keras 2 for the process and for all that it starts. Only what the wanted
features depend on is cut out of the graph, so that records need not have what a model does not use, as its labels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ...schemas.errors import ModelError
from ...schemas.transform import GRAPH, RAW_METADATA
from . import model_faults, raw_features

NAME = "transform"
"""What the operations of a transform begin with in the graph that scores."""
_OF_TENSORFLOW_1 = "transform_signature"

Features = dict[str, tf.Tensor]
Apply = Callable[[tf.Tensor], Features]


@dataclass(frozen=True, slots=True)
class Transform:
    """A loaded transform.

    takes, gives: raw and transformed features, with their types (dense, sparse or ragged).
    parsing: how `tf.io.parse_example` reads each raw feature; None where nothing says it.
    loaded: holds the tables and variables of the graph, which its function holds only weakly.
    """

    path: str
    takes: Mapping[str, tf.TypeSpec]
    gives: Mapping[str, tf.TypeSpec]
    parsing: Mapping[str, Any]
    function: Any
    loaded: Any

    def needed(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Raw features that transformed ones depend on, sorted."""
        sources = _upstream(tensor.op for tensor in _ends(self, wanted))
        placeholders = _placeholders(self)
        return tuple(name for name in sorted(self.takes) if sources & {tensor.op.name for tensor in placeholders[name]})

    def required(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Keys that a record must have for transformed features: those of dense raw features without a default.

        Raises:
            ModelError: if nothing says how one of the raw features is parsed.
        """
        found = {name: self.parsing[name] for name in self.needed(wanted)}
        for name, how in found.items():
            if how is None:
                msg = (
                    f"transform {self.path}: the raw feature {describe(name, self.takes[name])} is of several features "
                    f"of the records, and only the raw metadata, which should be in {RAW_METADATA}/, says of which; "
                    f"write it with tft_beam.WriteMetadata(DIR + '/{RAW_METADATA}', pipeline), as TFX does"
                )
                raise ModelError(msg)
        return tuple(name for name, how in found.items() if raw_features.is_required(how))


def load(folder: str, path: str | None = None) -> Transform:
    """Load the transform of a local folder.

    Args:
        folder: where it is.
        path: what messages call it, where the folder is a copy.

    Raises:
        ModelError: if there is none, or it cannot be loaded.
    """
    path = path or folder
    try:
        loaded = tf.saved_model.load(f"{folder}/{GRAPH}")
    except (OSError, tf.errors.OpError, ValueError) as error:
        msg = (
            f"transform {path}: expected the output of tensorflow-transform, a folder with {GRAPH}/ in it, but that "
            f"cannot be loaded: {model_faults.in_one_line(error)}"
        )
        raise ModelError(msg) from error
    function = getattr(loaded, GRAPH, None)
    function = getattr(function, "concrete_functions", [function])[0]
    if function is None:
        old = _OF_TENSORFLOW_1 in getattr(loaded, "signatures", {})
        why = "it was made with force_tf_compat_v1; make it again without" if old else f"{GRAPH}/ is another SavedModel"
        msg = f"transform {path}: expected a graph that tensorflow-transform made for TensorFlow 2, but {why}"
        raise ModelError(msg)
    (takes,), _ = function.structured_input_signature
    parsing = raw_features.parsing(takes, f"{folder}/{RAW_METADATA}")
    return Transform(path, takes, function.structured_outputs, parsing, function, loaded)


def describe(name: str, spec: tf.TypeSpec) -> str:
    """A feature as messages and `dicebeam inspect` show it: name, dtype, shape, and whether it is sparse or ragged."""
    kinds = {tf.SparseTensorSpec: " (sparse)", tf.RaggedTensorSpec: " (ragged)"}
    rank = spec.shape.rank
    shape = "any shape" if rank is None else ", ".join("?" if s is None else str(s) for s in spec.shape.as_list())
    return f"{name}: {spec.dtype.name} [{shape}]{kinds.get(type(spec), '')}"


def function_of(transform: Transform, wanted: Sequence[str]) -> Apply:
    """Serialized tf.Examples, string `[B]`, to transformed features by name, each a dense tensor.

    A ragged feature is dense where all its rows are as long as each other, as those of images of one size are; the
    function raises InvalidArgumentError where they are not.
    """
    ends, needed = _ends(transform, wanted), transform.needed(wanted)
    part = _part(transform, wanted)
    there = {node.name for node in part.node}
    placeholders = _placeholders(transform)
    captured = transform.function.graph.inputs[sum(map(len, placeholders.values())) :]

    def apply(serialized: tf.Tensor) -> Features:
        parsed = tf.io.parse_example(serialized, {name: transform.parsing[name] for name in needed})
        fed = list(zip(captured, map(tf.identity, transform.function.captured_inputs), strict=True))
        for name in needed:
            fed += zip(placeholders[name], _components(parsed[name]), strict=True)
        mapped = {inside.name: outside for inside, outside in fed if inside.op.name in there}
        flat = iter(tf.graph_util.import_graph_def(part, mapped, [end.name for end in ends], name=NAME))
        return {name: _dense(name, transform.gives[name], flat) for name in wanted}

    spec = tf.TensorSpec([None], tf.string)
    traced = tf.function(apply, input_signature=[spec], autograph=False).get_concrete_function()

    def features(serialized: tf.Tensor, _held: Transform = transform) -> Features:
        found: Features = traced(serialized)
        return found

    return features


def _components(value: Any) -> list[Any]:  # noqa: ANN401 - a tensor or TypeSpec, dense, sparse or ragged
    return list(tf.nest.flatten(value, expand_composites=True))


def _placeholders(transform: Transform) -> dict[str, list[tf.Tensor]]:
    """The tensors of the graph that each raw feature is fed to, in the order of its components."""
    inputs = iter(transform.function.graph.inputs)
    return {name: [next(inputs) for _ in _components(spec)] for name, spec in sorted(transform.takes.items())}


def _ends(transform: Transform, wanted: Iterable[str]) -> list[tf.Tensor]:
    """The tensors of the graph that transformed features are made of, in the order of these and their components."""
    outputs = iter(transform.function.outputs)
    by_name = {name: [next(outputs) for _ in _components(spec)] for name, spec in sorted(transform.gives.items())}
    return [tensor for name in wanted for tensor in by_name[name]]


def _upstream(operations: Iterable[tf.Operation]) -> set[str]:
    """Names of the operations that some take values from, directly or not, and their own."""
    waiting, seen = list(operations), set()
    while waiting:
        operation = waiting.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
    return seen


def _part(transform: Transform, wanted: Sequence[str]) -> tf.compat.v1.GraphDef:
    """The part of the graph that some transformed features take values from, with the assertions that are about it.

    TensorFlow lets every output of a function wait for every assertion in it, and these for each other. Here one
    waits no more for what needs other raw features: what asks for a label is not asked where there are no labels.
    """
    ends = [tensor.op for tensor in _ends(transform, wanted)]
    raw = {place.op.name for places in _placeholders(transform).values() for place in places}
    fed = _upstream(ends) & raw
    kept: dict[str, set[str]] = {}
    waiting = list(ends)
    while waiting:
        operation = waiting.pop()
        if operation.name not in kept:
            before = [each for each in operation.control_inputs if _upstream([each]) & raw <= fed]
            kept[operation.name] = {f"^{each.name}" for each in before}
            waiting += [*(tensor.op for tensor in operation.inputs), *before]
    whole = transform.function.graph.as_graph_def()
    part = tf.compat.v1.GraphDef(versions=whole.versions, library=whole.library)
    for node in whole.node:
        if node.name in kept:
            new = part.node.add()
            new.CopyFrom(node)
            new.input[:] = [name for name in node.input if not name.startswith("^") or name in kept[node.name]]
    return part


def _dense(name: str, spec: tf.TypeSpec, flat: Iterator[tf.Tensor]) -> tf.Tensor:
    value = tf.nest.pack_sequence_as(spec, [next(flat) for _ in _components(spec)], expand_composites=True)
    if isinstance(value, tf.RaggedTensor):
        shape = value.bounding_shape(out_type=tf.int64)
        even = tf.equal(tf.reduce_prod(shape), tf.size(value.flat_values, tf.int64))
        text = f"the transform gives rows of different lengths in {name!r}, which make no dense tensor; its shape is"
        with tf.control_dependencies([tf.debugging.Assert(even, [text, shape])]):
            value = tf.reshape(value.flat_values, shape)
    value.set_shape(spec.shape)
    return value
