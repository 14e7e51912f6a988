"""What `dicebeam inspect` says of a file or folder."""

import gzip

import numpy as np
import pytest
import tensorflow as tf

from dicebeam.components.explore import inspection
from dicebeam.schemas.errors import ConfigError, ModelError, SampleError
from tests.support.builders import example, images_spec, png, save_model, write_shard


def rows_of(tmp_path, name="a.tfrecord", **features):
    _, columns, rows = inspection.inspect(str(write_shard(tmp_path / name, [example(**features), b"not looked at"])))
    assert columns == ["feature", "kind", "values", "first"]
    return rows


def test_features_by_name(tmp_path):
    rows = rows_of(tmp_path, site="north", floats=[0.5, 1.5], ints=[1, 2, 3])
    assert rows == [
        ("floats", "float", "2", "0.5, 1.5"),
        ("ints", "int64", "3", "1, 2, 3"),
        ("site", "bytes", "1", "north"),
    ]


def test_long_lists_are_cut(tmp_path):
    assert rows_of(tmp_path, a=list(range(100))) == [("a", "int64", "100", "0, 1, 2, 3, 4, 5")]


@pytest.mark.parametrize(
    ("encode", "kind"), [(png, "PNG"), (lambda a: tf.io.encode_jpeg(a.astype(np.uint8)).numpy(), "JPEG")]
)
def test_images_have_their_size(tmp_path, encode, kind):
    data = encode(np.zeros((4, 6, 3)))
    assert rows_of(tmp_path, a=data) == [("a", "bytes", "1", f"{kind} image, 4 x 6, {len(data)} bytes")]


def test_an_image_that_is_damaged_is_still_listed(tmp_path):
    (row,) = rows_of(tmp_path, a=png(np.zeros((4, 6)))[:12])
    assert row[3].startswith("PNG image that cannot be read (expected an encoded image")


@pytest.mark.parametrize("data", [b"x" * 61, b"\x00\x01", b"a\nb"])
def test_bytes_that_are_no_short_text_are_counted(tmp_path, data):
    assert rows_of(tmp_path, a=data) == [("a", "bytes", "1", f"{len(data)} bytes")]


def test_a_gzip_shard(tmp_path):
    assert rows_of(tmp_path, "a.tfrecord.gz", site="x") == [("site", "bytes", "1", "x")]


def test_the_title_names_the_file(tmp_path):
    path = write_shard(tmp_path / "a.tfrecord", [example(a=b"x" * 2000)])
    title, _, _ = inspection.inspect(str(path))
    assert title.startswith(f"first record of {path}: 2,0")


def test_a_relative_path(tmp_path, monkeypatch):
    write_shard(tmp_path / "a.tfrecord", [example(a=1)])
    monkeypatch.chdir(tmp_path)
    assert inspection.inspect("a.tfrecord")[2] == [("a", "int64", "1", "1")]


def test_a_saved_model(tmp_path):
    path = save_model(tmp_path / "m", lambda images: {"probs": images}, images_spec())
    title, columns, rows = inspection.inspect(path)
    assert (title, columns[0]) == (f"SavedModel {path}", "signature")
    assert rows == [
        ("serving_default", "input", "images: float32 [?, ?, ?, 3]"),
        ("serving_default", "output", "probs: float32 [?, ?, ?, 3]"),
    ]


@pytest.mark.parametrize(("name", "what"), [("no", "nothing"), ("", "a folder")])
def test_what_is_neither(tmp_path, name, what):
    with pytest.raises(
        ConfigError,
        match=f"expected a TFRecord file, or the folder of a SavedModel or a transform, at .*, but there is {what}",
    ):
        inspection.inspect(f"{tmp_path}/{name}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a TFRecord, but the file has no record"),
        (b"some text that is long", "not a TFRecord, or damaged here"),
        (gzip.compress(b"x" * 100, mtime=0), r"it looks like gzip, whose name must end in \.gz"),
    ],
)
def test_a_file_that_is_no_tfrecord(tmp_path, data, message):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(SampleError, match=f"{tmp_path}/a: .*{message}"):
        inspection.inspect(f"{tmp_path}/a")


def test_records_that_are_no_examples(tmp_path):
    with pytest.raises(SampleError, match=r"the record \(3 bytes\) is not a tf\.Example"):
        inspection.inspect(str(write_shard(tmp_path / "a", [b"abc"])))


def test_a_damaged_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelError, match="but it cannot be read"):
        inspection.inspect(str(tmp_path))
