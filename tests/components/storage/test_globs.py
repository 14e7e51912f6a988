"""One rule for patterns on this machine and in buckets; the oracle is Python's own `glob` on real folders."""

import glob
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicebeam.components.storage import filesystems, globs
from dicebeam.schemas.errors import ConfigError
from tests.support.buckets import Store

TREE = (
    "a.x", "b.y", ".h.x", "d/a.x", "d/.h.x", "d/e/a.x", "d/e/f/b.x", ".d/a.x", "d/.e/a.x", "d/.e/f/a.x", "a[1]/a.x",
    "[/x", "d1/a-b.x", "e/.a/.b/.c",
)  # fmt: skip
PATTERNS = (
    "*", "*.x", "?.x", "[ab].x", "[!a].*", ".*", ".*.x", "**", "**/*.x", "*/*.x", "**/e/**", "d/**", "**/**/a.x",
    ".d/*", "**/.e/*", "d/.*/**", "[.]*", "?h.x", "**/a.x", "a[[]1]/*", "[[]/x", "no/*", "d/*/f/*", "**/.*", "e/**",
)  # fmt: skip
names = st.text("ab.*?[!]-", min_size=1, max_size=4).filter(lambda text: text not in (".", "..") and "**" not in text)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"1")
    return root


def by_python(root: Path, pattern: str, *, dotted: bool) -> list[str]:
    found = glob.glob(f"{glob.escape(str(root))}/{pattern}", recursive=True, include_hidden=dotted)  # noqa: PTH207
    return sorted({path[len(str(root)) + 1 :] for path in found if Path(path).is_file()})


def by_rule(pattern: str, *, dotted: bool) -> list[str]:
    wanted = globs.parts(pattern, dotted=dotted)
    return sorted(name for name in TREE if globs.fits(wanted, name.split("/")))


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_rule_is_pythons_and_the_listing_follows_it(tree: Path, pattern: str, dotted: bool) -> None:
    found = filesystems.below(str(tree), pattern, dotted=dotted)
    assert [file.path[len(str(tree)) + 1 :] for file in found] == by_rule(pattern, dotted=dotted)
    assert by_rule(pattern, dotted=dotted) == by_python(tree, pattern, dotted=dotted)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.just("**"), names), min_size=1, max_size=4), st.booleans())
def test_any_pattern(tree: Path, parts: list[str], dotted: bool) -> None:
    pattern = "/".join(parts)
    found = [file.path[len(str(tree)) + 1 :] for file in filesystems.below(str(tree), pattern, dotted=dotted)]
    assert found == by_rule(pattern, dotted=dotted) == by_python(tree, pattern, dotted=dotted)


def test_a_bucket_gives_what_a_disk_gives(tree: Path, store: Store) -> None:
    for name in TREE:
        store.write(name, b"1")
    for pattern in PATTERNS:
        for dotted in (False, True):
            here, there = (filesystems.below(root, pattern, dotted=dotted) for root in (str(tree), store.root))
            assert [file.path[len(str(tree)) + 1 :] for file in here] == [
                file.path[len(store.root) + 1 :] for file in there
            ], pattern


@pytest.mark.parametrize("pattern", ["a**", "**.x", "d/***", "x/**y/z", "**[?]**"])
def test_two_stars_beside_other_characters_are_refused(pattern: str) -> None:
    with pytest.raises(
        ConfigError, match=r"expected \*\* alone between two slashes, as in .*, but got '.*\*\*.*' in '"
    ):
        globs.parts(pattern)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("gs://b/a/*.x", "gs://b/a/"), ("gs://b/a[*]b/c?", "gs://b/a*b/c"), ("s3://b/x", "s3://b/x"), ("s3://b/**", "s3://b/")],
)  # fmt: skip
def test_what_is_asked_of_a_store_is_what_every_match_begins_with(pattern: str, expected: str) -> None:
    assert globs.beginning(globs.parts(pattern)) == expected


def test_a_model_in_a_bucket_is_copied_with_its_hidden_files(store: Store, tmp_path: Path) -> None:
    for name in ("m/saved_model.pb", "m/.DS_Store", "m/assets/.vocab", "m/.git/x"):
        store.write(name, b"1")
    filesystems.copy_folder(f"{store.root}/m", tmp_path / "copy")
    copied = (path for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(tmp_path / "copy")) for path in copied) == [
        ".DS_Store", ".git/x", "assets/.vocab", "saved_model.pb",
    ]  # fmt: skip
