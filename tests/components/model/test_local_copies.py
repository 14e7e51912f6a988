"""What is loaded is what the run was planned with, and a copy of it is believed by its bytes, never by its name."""

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
import tensorflow as tf

from dicebeam.components.model import fingerprints, local_copies
from dicebeam.components.model.local_copies import MODEL, TRANSFORM
from dicebeam.components.runtime import private_folder
from dicebeam.components.storage import filesystems
from dicebeam.schemas.errors import ModelError, StorageError

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"index", "variables/variables.data": b"numbers"}
ASSET = {"assets/.vocab": b"a b c"}
CHANGED = r"model .*: expected the one that the run was planned with, of fingerprint \w{12}, but got \w{12}: .*resume"


def write(folder, files, mark=b""):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data + mark)
    return folder


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def switch(link, folder):
    """As deployments do: no moment without a link."""
    new = link.with_name("new")
    new.symlink_to(folder)
    new.replace(link)


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    """The temporary folder of this machine."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: str(folder))
    return folder


@pytest.fixture
def cache(temp):
    """Where copies come."""
    return temp / f"dicebeam-models-{os.getuid()}"


@pytest.fixture
def current(tmp_path):
    """A link to a model, and another model beside it."""
    write(tmp_path / "a", FILES)
    write(tmp_path / "b", FILES, b"!")
    (tmp_path / "current").symlink_to(tmp_path / "a")
    return tmp_path / "current"


def planned(path):
    return fingerprints.model_fingerprint(str(path))


def load(path, fingerprint, loader=content):
    return local_copies.load(str(path), fingerprint, MODEL, loader)


@pytest.mark.parametrize("name", ["a [b]", "a*", "what?", "back\\slash"])
def test_what_tensorflow_would_take_for_a_pattern_is_loaded_from_a_copy(tmp_path, cache, name):
    """It looks for the variables by a pattern that begins with the folder's path."""
    model = write(tmp_path / name / "model", FILES)
    assert load(model, planned(model), lambda folder: folder) == str(cache / planned(model))


@pytest.mark.parametrize("kind", ["a file", "a dangling link", "in a file"])
def test_a_folder_for_copies_that_cannot_be_made_is_no_models_fault(tmp_path, temp, cache, monkeypatch, kind):
    model = write(tmp_path / "m", {**FILES, **ASSET})
    if kind == "a file":
        cache.write_bytes(b"")
    elif kind == "a dangling link":
        cache.symlink_to("/nowhere")
    else:
        (temp / "file").write_bytes(b"")
        monkeypatch.setattr(private_folder.tempfile, "gettempdir", lambda: str(temp / "file"))
    said = "expected to make the folder .*dicebeam-models.*(File exists|Not a directory); .*set TMPDIR to another"
    with pytest.raises(StorageError, match=said):
        load(model, planned(model))


# links and folders that are switched


def test_a_link_that_was_switched_since_the_plan_is_refused(current):
    fingerprint = planned(current)
    switch(current, current.parent / "b")
    with pytest.raises(StorageError, match=CHANGED) as raised:
        load(current, fingerprint)
    assert fingerprint[:12] in str(raised.value)
    assert planned(current)[:12] in str(raised.value)
    assert str(current) in str(raised.value)


@pytest.mark.parametrize("when", ["before", "during", "after", "and back"])
def test_a_link_that_is_switched_around_the_load_changes_nothing(current, when):
    fingerprint = planned(current)

    def loader(folder):
        if when != "after":
            switch(current, current.parent / "b")
        first = (Path(folder) / "saved_model.pb").read_bytes()
        if when == "during":
            switch(current, current.parent / "b")
        if when == "and back":
            switch(current, current.parent / "a")
        found = content(folder)
        switch(current, current.parent / "b")
        return first, found

    assert load(current, fingerprint, loader) == (b"graph", FILES)


@pytest.mark.parametrize("name", ["variables", "variables/variables.data"])
def test_a_link_within_the_model_that_is_switched_and_back_is_found(current, name):
    model = current.parent / "a"
    kept, other = current.parent / "kept", current.parent / "other"
    (model / name).rename(kept)
    (model / name).symlink_to(kept)
    shutil.copytree(kept, other) if kept.is_dir() else shutil.copy(kept, other)
    for path in other.rglob("*") if other.is_dir() else [other]:
        path.write_bytes(path.read_bytes() + b"!")
    loads = []

    def loader(folder):
        loads.append(folder)
        if len(loads) > 1:
            return content(folder)
        switch(model / name, other)
        found = content(folder)
        switch(model / name, kept)
        return found

    assert load(model, planned(model), loader) == FILES
    assert len(loads) == 2


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_written_in_place_and_back_is_found(current, name):
    file, loads = current / name, []

    def loader(folder):
        loads.append(folder)
        data = file.read_bytes()
        if len(loads) == 1:
            file.write_bytes(b"x" * len(data))
        found = content(folder)
        file.write_bytes(data)
        return found

    assert load(current, planned(current), loader) == FILES


def test_a_folder_that_is_another_one_for_a_moment_is_found(current):
    a, b, away = (current.parent / name for name in ("a", "b", "away"))
    loads = []

    def loader(folder):
        loads.append(folder)
        if len(loads) == 1:
            a.rename(away)
            b.rename(a)
        found = content(folder)
        if len(loads) == 1:
            a.rename(b)
            away.rename(a)
        return found

    assert load(current, planned(current), loader) == FILES
    assert len(loads) == 2


def test_a_model_that_is_written_over_in_the_middle_of_a_load_is_refused(current):
    fingerprint = planned(current)

    def loader(folder):
        write(current, FILES, b"?")
        raise ValueError(f"half of two models in {folder}")

    with pytest.raises(StorageError, match=CHANGED):
        load(current, fingerprint, loader)


def test_what_fails_on_files_that_stand_still_fails_at_once(current):
    loads = []

    def loader(folder):
        loads.append(folder)
        raise ValueError("no SavedModel")

    with pytest.raises(ValueError, match="no SavedModel"):
        load(current, planned(current), loader)
    assert len(loads) == 1


def test_a_folder_that_never_stands_still_is_loaded_from_a_copy(current, cache):
    def loader(folder):
        (current / "variables/variables.data").write_bytes(b"numbers")
        return Path(folder), content(folder)

    fingerprint = planned(current)
    assert load(current, fingerprint, loader) == (cache / fingerprint, FILES)


def test_copies_that_never_stand_still_are_an_error(current):
    def loader(folder):
        os.utime(f"{folder}/saved_model.pb")
        return folder

    with pytest.raises(StorageError, match=r"something changed its files in each of 3 loads; see what writes to"):
        load(current, planned(current), loader)


def test_a_model_with_assets_is_loaded_from_a_copy(current, cache):
    """A graph may read its assets at any call."""
    write(current, ASSET)
    fingerprint = planned(current)
    assert load(current, fingerprint, Path) == cache / fingerprint
    assert content(cache / fingerprint) == FILES | ASSET


def test_a_model_that_is_gone(current):
    fingerprint = planned(current)
    shutil.rmtree(current.parent / "a")
    with pytest.raises(ModelError, match=r"model .*current: expected a SavedModel folder, but there is nothing"):
        load(current, fingerprint)


def test_a_local_model_is_used_where_it_is(current, cache):
    assert local_copies.load(str(current), planned(current), local_copies.MODEL, str) == str(current.parent / "a")
    assert not cache.exists()


def test_tensorflow_reads_nothing_but_assets_after_the_load(tmp_path):
    """What the rule for local models rests on."""
    (tmp_path / "words").write_text("a\nb\n")

    class Model(tf.Module):
        def __init__(self):
            self.weight = tf.Variable(tf.range(1000.0))
            words = tf.lookup.TextFileInitializer(
                str(tmp_path / "words"),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            self.table = tf.lookup.StaticHashTable(words, -1)
            self.asset = tf.saved_model.Asset(str(tmp_path / "words"))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "x")])
        def serve(self, x):
            return {"y": self.table.lookup(x), "sum": tf.reduce_sum(self.weight)}

        @tf.function(input_signature=[tf.TensorSpec([], tf.string, "x")])
        def later(self, x):
            return {"y": tf.strings.join([x, tf.io.read_file(self.asset.asset_path)])}

    model = Model()
    signatures = {"serve": model.serve, "later": model.later}
    tf.saved_model.save(model, str(tmp_path / "m"), signatures=signatures)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    shutil.rmtree(tmp_path / "m")
    found = loaded.signatures["serve"](x=tf.constant(["b", "c"]))
    assert (found["y"].numpy().tolist(), float(found["sum"])) == ([1, -1], 499500.0)
    with pytest.raises(tf.errors.NotFoundError):
        loaded.signatures["later"](x=tf.constant(""))


def test_a_disk_that_is_full_is_an_error_that_says_what_to_do(current, cache, monkeypatch):
    write(current, ASSET)
    fingerprint = planned(current)

    def full(_, to):
        to.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(filesystems, "copy_folder", full)
    with pytest.raises(
        StorageError, match=r"model .*current: cannot be copied to .*: No space left on dev.*set TMPDIR"
    ):
        load(current, fingerprint)
    assert list(cache.iterdir()) == []


# copies of remote models


@pytest.fixture
def bucket(remote, monkeypatch):
    """The model in a bucket, its fingerprint, and the sources of the copies that were made."""
    remote.update({f"gs://b/m/{name}": data for name, data in (FILES | ASSET).items()})
    copies, copy = [], filesystems.copy_folder
    monkeypatch.setattr(filesystems, "copy_folder", lambda source, to: (copies.append(source), copy(source, to)))
    return planned("gs://b/m"), copies


def test_a_remote_model_is_copied_once(bucket, cache):
    fingerprint, copies = bucket
    assert {local_copies.load("gs://b/m", fingerprint, local_copies.MODEL, str) for _ in range(3)} == {
        f"{cache}/{fingerprint}"
    }
    assert copies == ["gs://b/m"]
    assert [p.name for p in cache.iterdir()] == [fingerprint]


def emptied(folder):
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        file.unlink()


def one_byte(folder):
    (folder / "variables/variables.data").write_bytes(b"numberz")


def a_folder_in_the_place_of_a_file(folder):
    (folder / "saved_model.pb").unlink()
    write(folder, {"saved_model.pb/x": b"x"})


def a_file_in_the_place_of_a_folder(folder):
    shutil.rmtree(folder / "variables")
    (folder / "variables").write_bytes(b"x")


def a_link_to_another_folder(folder):
    write(folder.parent.parent / "elsewhere", FILES, b"!")
    shutil.rmtree(folder)
    folder.symlink_to(folder.parent.parent / "elsewhere")


DAMAGE = {
    "emptied": emptied,
    "one missing": lambda folder: (folder / "saved_model.pb").unlink(),
    "a hidden one missing": lambda folder: (folder / "assets/.vocab").unlink(),
    "one byte": one_byte,
    "one too many": lambda folder: write(folder, {"variables/more": b""}),
    "a folder too many": lambda folder: write(folder, {"more/more": b"x"}),
    "cut": lambda folder: (folder / "saved_model.pb").write_bytes(b""),
    "a folder for a file": a_folder_in_the_place_of_a_file,
    "a file for a folder": a_file_in_the_place_of_a_folder,
    "a link": a_link_to_another_folder,
    "a link to nothing": lambda folder: (folder / "more").symlink_to("nothing"),
    "a pipe": lambda folder: os.mkfifo(folder / "variables/pipe"),
    "a link for a file": lambda folder: (
        (folder / "saved_model.pb").unlink(),
        (folder / "saved_model.pb").symlink_to("x"),
    ),
    "a file": lambda folder: (shutil.rmtree(folder), folder.write_bytes(b"x")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_copy_is_fetched_again(bucket, cache, damage):
    fingerprint, copies = bucket
    local_copies.load("gs://b/m", fingerprint, local_copies.MODEL, str)
    DAMAGE[damage](cache / fingerprint)
    assert load("gs://b/m", fingerprint) == FILES | ASSET
    assert content(cache / fingerprint) == FILES | ASSET
    assert copies == ["gs://b/m"] * 2
    assert [p.name for p in cache.iterdir()] == [fingerprint]


def test_a_copy_that_is_in_use_is_never_without_its_files(bucket):
    """One process reads while another one finds the copy damaged and fetches it again."""
    fingerprint, _ = bucket
    folder = Path(local_copies.load("gs://b/m", fingerprint, local_copies.MODEL, str))
    missing, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            missing.extend(name for name in FILES if not (folder / name).is_file())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        one_byte(folder)
        local_copies.load("gs://b/m", fingerprint, local_copies.MODEL, str)
    stop.set()
    reader.join()
    assert missing == []


def test_a_copy_that_is_damaged_during_the_load_is_loaded_again(bucket):
    fingerprint, _ = bucket
    loads = []

    def loader(folder):
        loads.append(folder)
        if len(loads) == 1:
            emptied(Path(folder))
            raise OSError("no such file")
        return content(folder)

    assert load("gs://b/m", fingerprint, loader) == FILES | ASSET


def test_many_that_find_a_damaged_copy_at_once_end_with_one(bucket, cache):
    fingerprint, _ = bucket
    emptied(Path(local_copies.load("gs://b/m", fingerprint, local_copies.MODEL, str)))
    found, barrier = [], threading.Barrier(8)

    def run():
        barrier.wait()
        found.append(load("gs://b/m", fingerprint))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [FILES | ASSET] * 8
    assert [p.name for p in cache.iterdir()] == [fingerprint]


def test_another_process_may_be_first_to_copy(bucket, cache, monkeypatch):
    fingerprint, _ = bucket
    copy = filesystems.copy_folder
    monkeypatch.setattr(
        filesystems, "copy_folder", lambda source, to: (copy(source, to), copy(source, cache / fingerprint))
    )
    assert local_copies.load("gs://b/m", fingerprint, local_copies.MODEL, str) == f"{cache}/{fingerprint}"
    assert [p.name for p in cache.iterdir()] == [fingerprint]


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("name", [".DS_Store", "assets/._vocab", "assets/.hidden", ".cache/x"])
def test_a_remote_model_with_a_hidden_file_is_loaded(remote, name):
    remote[f"gs://b/m/{name}"] = b"x"
    assert name in load("gs://b/m", planned("gs://b/m"))


@pytest.mark.usefixtures("bucket")
def test_a_model_that_is_another_one_now_is_not_used(cache):
    with pytest.raises(StorageError, match=r"gs://b/m: expected the one that the run was planned with, .* changed mea"):
        local_copies.load("gs://b/m", "another", local_copies.MODEL, str)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_cache_that_others_can_write_to_is_refused(bucket, cache, mode):
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(StorageError, match=r"to be a folder that this user alone can write to; remove it, or set TM"):
        local_copies.load("gs://b/m", bucket[0], local_copies.MODEL, str)


def test_a_cache_that_is_a_link_is_refused(bucket, cache, tmp_path):
    cache.symlink_to(tmp_path)
    with pytest.raises(StorageError, match="to be a folder that this user alone can write to"):
        local_copies.load("gs://b/m", bucket[0], local_copies.MODEL, str)


# transforms


@pytest.mark.long
def test_a_transform_is_held_to_its_fingerprint(made_transform, tmp_path):
    folder = shutil.copytree(made_transform, tmp_path / "t")
    fingerprint = fingerprints.transform_fingerprint(str(folder))
    assert local_copies.load(str(folder), fingerprint, TRANSFORM, Path).is_dir()
    write(folder, {"transform_tmp/x": b"no part of it"})
    assert local_copies.load(str(folder), fingerprint, TRANSFORM, Path).is_dir()
    write(folder, {"metadata/more": b"x"})
    with pytest.raises(StorageError, match=r"transform .*t: expected the one that the run was planned with"):
        local_copies.load(str(folder), fingerprint, TRANSFORM, Path)
