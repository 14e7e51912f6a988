"""What a SavedModel says it takes and gives."""

import pytest
import tensorflow as tf

from dicebeam.components.model import signatures
from dicebeam.components.model.signatures import TensorInfo
from dicebeam.schemas.errors import ModelError
from tests.support.builders import images_spec, save_model


def test_read_without_loading(tmp_path):
    path = save_model(
        tmp_path / "m",
        lambda images: {"a": images, "b": tf.argmax(images, -1)},
        images_spec(size=(4, None)),
        extra=(lambda files: {"n": tf.strings.length(files)}, tf.TensorSpec([None], tf.string, "files")),
    )
    found = signatures.read(path)
    assert list(found) == ["extra", "serving_default"]
    assert str(found["serving_default"]) == (
        "serving_default (images: float32 [?, 4, ?, 3] -> a: float32 [?, 4, ?, 3]; b: int64 [?, 4, ?])"
    )
    assert found["extra"].inputs["files"] == TensorInfo("files", "string", (None,))


def test_an_unknown_rank_is_shown_as_any_shape():
    assert str(TensorInfo("x", "float32", None)) == "x: float32 any shape"


def test_nothing_at_the_path(tmp_path):
    with pytest.raises(
        ModelError, match=r"expected a SavedModel folder \(with saved_model.pb\) at '.*no', but it cannot"
    ):
        signatures.read(f"{tmp_path}/no")


def test_a_file_that_is_no_graph(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelError, match="but it cannot be read: "):
        signatures.read(str(tmp_path))


def test_an_empty_graph_file(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match=r"expected a graph tagged 'serve' in '.*', but it has the tags \[\]"):
        signatures.read(str(tmp_path))
