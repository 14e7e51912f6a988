"""The fingerprint of a model: every file counts, hidden ones too, and it is one here and in a bucket."""

import hashlib

import pytest

from dicebeam.components.model import fingerprints
from dicebeam.schemas.errors import ModelError

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "assets/words": b"a b"}


def write(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def test_a_known_fingerprint(tmp_path):
    parts = [f"{name}\0{len(data)}\0".encode() + data for name, data in sorted(FILES.items())]
    expected = hashlib.sha256(b"".join(parts)).hexdigest()
    assert fingerprints.model_fingerprint(write(tmp_path, FILES)) == expected


@pytest.mark.parametrize("name", ["assets/.vocab", ".hidden", "assets/.deep/x", "variables/more"])
def test_every_file_counts_here_and_in_a_bucket(tmp_path, remote, name):
    before = fingerprints.model_fingerprint(write(tmp_path, FILES))
    after = fingerprints.model_fingerprint(write(tmp_path, {name: b"x"}))
    remote.update({f"gs://b/m/{n}": data for n, data in (FILES | {name: b"x"}).items()})
    assert after == fingerprints.model_fingerprint("gs://b/m") != before


@pytest.mark.parametrize("name", [".DS_Store", "assets/.DS_Store", "._saved_model.pb", "variables/._x"])
def test_what_finder_leaves_is_no_part_of_a_model(tmp_path, remote, name):
    before = fingerprints.model_fingerprint(write(tmp_path, FILES))
    remote.update({f"gs://b/m/{n}": data for n, data in (FILES | {name: b"x"}).items()})
    assert fingerprints.model_fingerprint(write(tmp_path, {name: b"x"})) == before
    assert fingerprints.model_fingerprint("gs://b/m") == before


def test_the_graph_is_that_of_the_fingerprint(tmp_path):
    path = write(tmp_path, FILES)
    assert fingerprints.read_model(path) == fingerprints.ModelFiles(fingerprints.model_fingerprint(path), b"graph")


def test_a_graph_that_changes_while_it_is_read_is_the_one_that_was_hashed(tmp_path, monkeypatch):
    path, files = write(tmp_path, FILES), fingerprints.files_of

    def changed(root, part):
        found = files(root, part)
        write(tmp_path, {"saved_model.pb": b"other"})
        return found

    monkeypatch.setattr(fingerprints, "files_of", changed)
    found = fingerprints.read_model(path)
    assert found == fingerprints.ModelFiles(fingerprints.model_fingerprint(path), b"other")


def test_a_folder_that_is_no_model_is_not_read_through(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "files_of", lambda *_: pytest.fail("all of it was listed"))
    with pytest.raises(ModelError, match=r"expected a SavedModel folder \(with saved_model.pb\) at .*cannot be read"):
        fingerprints.read_model(write(tmp_path, {"x": b"x"}))
