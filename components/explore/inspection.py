"""What is in a TFRecord, a SavedModel or a transform, for people who write a config."""

from pathlib import Path

import numpy as np

from ...schemas.errors import ConfigError, SampleError
from ...schemas.records import Failure
from ...schemas.transform import GRAPH
from ..decoding import image_headers, images, tf_examples
from ..model import fingerprints, local_copies, raw_features, signatures, transforms
from ..reading import tfrecord
from ..storage import filesystems

Sheet = tuple[str, list[str], list[tuple[str, ...]]]
_SHOWN_BYTES = 60


def inspect(path: str) -> Sheet:
    """A title, column names and rows for whatever is at the path.

    Raises:
        ConfigError: if nothing is there. ModelError, SampleError: if it is none of the three.
    """
    where = filesystems.absolute(path)
    if filesystems.exists(f"{where.rstrip('/')}/saved_model.pb"):
        return _model(where)
    if filesystems.exists(f"{where.rstrip('/')}/{GRAPH}/saved_model.pb"):
        return _transform(where)
    if not filesystems.exists(where) or Path(where).is_dir():
        msg = (
            f"expected a TFRecord file, or the folder of a SavedModel or a transform, at {path!r}, but there is "
            f"{'a folder' if Path(where).is_dir() else 'nothing'}"
        )
        raise ConfigError(msg)
    return _record(where)


def _model(path: str) -> Sheet:
    rows: list[tuple[str, ...]] = [
        (signature.name, way, str(info))
        for signature in signatures.read(path).values()
        for way, infos in (("input", signature.inputs), ("output", signature.outputs))
        for info in infos.values()
    ]
    return f"SavedModel {path}", ["signature", "", "name: dtype shape"], rows


def _transform(path: str) -> Sheet:
    fingerprint = fingerprints.transform_fingerprint(path)
    transform = local_copies.load(
        path, fingerprint, local_copies.TRANSFORM, lambda folder: transforms.load(folder, path)
    )
    raw = [
        ("raw", transforms.describe(name, spec), raw_features.describe(transform.parsing[name]))
        for name, spec in sorted(transform.takes.items())
    ]
    transformed = [
        ("transformed", transforms.describe(name, spec), f"from {', '.join(transform.needed([name])) or 'nothing'}")
        for name, spec in sorted(transform.gives.items())
    ]
    return f"transform {path}", ["", "name: dtype shape", ""], [*raw, *transformed]


def _record(path: str) -> Sheet:
    with filesystems.reading(path) as file:
        first = next(tfrecord.records(file, path), None)
    if first is None or isinstance(first, Failure):
        msg = f"{path}: {first.message if first else 'expected a TFRecord, but the file has no record'}"
        raise SampleError(msg)
    example = tf_examples.parse(first.data)
    rows: list[tuple[str, ...]] = [(key, *_described(example, key)) for key in sorted(example)]
    return f"first record of {path}: {len(first.data):,} bytes", ["feature", "kind", "values", "first"], rows


def _described(example: tf_examples.Example, key: str) -> tuple[str, str, str]:
    found = example[key]
    if isinstance(found, list):
        return "bytes", str(len(found)), _described_bytes(found[0])
    kind = "int64" if np.issubdtype(found.dtype, np.integer) else "float"
    return kind, str(len(found)), ", ".join(str(value) for value in found[:6])


def _described_bytes(data: bytes) -> str:
    for name, magic in (
        ("PNG", image_headers.PNG),
        ("JPEG", image_headers.JPEG),
        ("GIF", image_headers.GIF),
        ("BMP", image_headers.BMP),
    ):
        if data.startswith(magic):
            try:
                height, width = images.size(data)
            except SampleError as error:
                return f"{name} image that cannot be read ({error}), {len(data):,} bytes"
            return f"{name} image, {height} x {width}, {len(data):,} bytes"
    text = data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return text if text.isprintable() and len(data) <= _SHOWN_BYTES else f"{len(data):,} bytes"
