"""How the raw features of a transform are parsed from tf.Examples."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tensor_representation_util

from ...schemas.errors import ModelError
from ...schemas.transform import SCHEMA
from ..storage import filesystems


def parsing(takes: Mapping[str, tf.TypeSpec], metadata: str) -> dict[str, Any]:
    """What `tf.io.parse_example` is told of each raw feature; None where neither graph nor metadata say it.

    A dense feature and one of any length are read from the feature of their own name. What a sparse feature with
    indices, or a ragged one, is made of is in the raw metadata alone, which TFX always writes.

    Args:
        takes: raw features and their types, as the graph has them.
        metadata: folder of the raw metadata, which need not be there.

    Raises:
        ModelError: if the metadata cannot be read, or is not of these features.
    """
    written = _from_schema(f"{metadata}/{SCHEMA}") if filesystems.exists(f"{metadata}/{SCHEMA}") else {}
    found = {name: written.get(name) or _of_type(spec) for name, spec in takes.items()}
    for name, spec in takes.items():
        how = found[name]
        if how is not None and how.dtype != spec.dtype:
            msg = (
                f"{metadata}/{SCHEMA} says that the raw feature {name!r} is {how.dtype.name}, but the graph of the "
                f"transform takes {spec.dtype.name}: they are not of one transform"
            )
            raise ModelError(msg)
    return found


def is_required(how: Any) -> bool:  # noqa: ANN401 - FixedLenFeature or another of its kind
    """Whether a record must have the feature."""
    return isinstance(how, tf.io.FixedLenFeature) and how.default_value is None


def describe(how: Any) -> str:  # noqa: ANN401 - as above
    """What records need for a raw feature, in a few words."""
    if how is None:
        return "not known without metadata/"
    if isinstance(how, tf.io.SparseFeature):
        keys = [how.index_key] if isinstance(how.index_key, str) else how.index_key
        return f"values of {how.value_key} at {', '.join(keys)}"
    if isinstance(how, tf.io.RaggedFeature):
        return f"values of {how.value_key}" + (" in rows" if how.partitions else "")
    if isinstance(how, tf.io.VarLenFeature):
        return "any number of values"
    return "required" if how.default_value is None else f"{how.default_value!r} where it is missing"


def _of_type(spec: tf.TypeSpec) -> Any:  # noqa: ANN401 - FixedLenFeature or VarLenFeature
    shape = spec.shape[1:]
    if isinstance(spec, tf.TensorSpec) and shape.is_fully_defined():
        return tf.io.FixedLenFeature(shape.as_list(), spec.dtype)
    if isinstance(spec, tf.SparseTensorSpec) and shape.as_list() == [None]:
        return tf.io.VarLenFeature(spec.dtype)
    return None


def _from_schema(path: str) -> dict[str, Any]:
    try:
        with filesystems.reading_stored(path) as file:
            schema = text_format.Parse(file.read().decode(), schema_pb2.Schema(), allow_unknown_extension=True)
        kinds = {feature.name: feature.type for feature in schema.feature}
        found = tensor_representation_util.InferTensorRepresentationsFromMixedSchema(schema)
        return {name: _parser(representation, kinds) for name, representation in found.items()}
    except (OSError, ValueError, KeyError, DecodeError, text_format.ParseError) as error:
        msg = f"expected the schema of a transform's raw features in {path}, but it cannot be read: {error}"
        raise ModelError(msg) from error


def _parser(representation: Any, kinds: Mapping[str, int]) -> Any:  # noqa: ANN401 - protobuf; FixedLenFeature and others
    source = tensor_representation_util.GetSourceValueColumnFromTensorRepresentation(representation)
    how = tensor_representation_util.CreateTfExampleParserConfig(representation, kinds[str(source)])
    if isinstance(how, tf.io.FixedLenFeature) and how.default_value is not None and not how.shape:
        (value,) = how.default_value if isinstance(how.default_value, list) else [how.default_value]
        return how._replace(default_value=value)
    return how
