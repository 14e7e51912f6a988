"""Which classes are named like a background, what the foreground is without them, and when it must be said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicebeam.schemas.config import foreground
from dicebeam.schemas.config.config import Config
from tests.support.paths import ROOT

BASE = {"examples": "a", "model": "m", "output": "o"}
CAMVID = ("Sky", "Building", "Road", "Car", "Void")
CITYSCAPES = ("unlabeled", "road", "sidewalk", "car")
POTSDAM = ("Impervious surfaces", "Building", "Low vegetation", "Tree", "Car", "Clutter/background")


def config(*classes: str, **more: object) -> Config:
    return Config.model_validate({**BASE, "classes": classes, **more})


def gated(*classes: str, check: dict[str, object] | None = None, **more: object) -> Config:
    return config(*classes, gate={"checks": [{"metric": "dice_mean", "max_drop": 0.01, **(check or {})}]}, **more)


def names(of: Config) -> list[str]:
    return [of.classes[i] for i in of.foreground_ids]


@pytest.mark.parametrize(
    "name",
    [
        "background", "Background", "BACKGROUND", "_background_", "back ground", "back-ground", "Back_Ground", "bg",
        "BG", "void", "Void", "other", "Others", "unlabelled", "Unlabeled", "un-labelled", "unknown", "ignore",
        "Ignored", "none", "Nothing", "no class", "no data", "not classified", "don't care", "don\u2019t care",
        "void/unlabelled", "background / other", "Clutter/background", "0: background", "background (0)", "0_bg",
        "other classes", "background pixels", "unlabelled area", "\uff22\uff27", "everything else",
    ],
)  # fmt: skip
def test_a_name_like_a_background(name: str) -> None:
    assert foreground.is_background(name)


@pytest.mark.parametrize(
    "name",
    [
        "lesion", "ground", "sky", "road", "foreground", "playground", "other vehicle", "unknown object", "back", "b",
        "avoid", "void deck", "bgr", "clutter", "misc", "border", "normal", "person/other", "nonetheless", "brother",
        "mother", "another", "area", "class", "0", "255", "class 0", "g", "tissue, other", "(", "☃",
    ],
)  # fmt: skip
def test_a_name_of_something(name: str) -> None:
    assert not foreground.is_background(name)


@given(st.sampled_from(sorted(foreground.BACKGROUND_NAMES)), st.sampled_from(["", " ", "_", "-", ".", "__"]), st.data())
def test_capitals_and_separators_do_not_matter(name: str, sign: str, data: st.DataObject) -> None:
    capitals = data.draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    written = sign.join(c.upper() if big else c for c, big in zip(name, capitals, strict=True))
    assert foreground.is_background(f"{sign}{written}{sign}")


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_is_not(name: str) -> None:
    assert foreground.is_background(name) in (True, False)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("background", "lesion"), ["lesion"]),
        (("lesion", "BG"), ["lesion"]),
        (("background", "car", "person"), ["car", "person"]),
        (("sky", "road", "car"), ["sky", "road", "car"]),
        (("lesion", "organ"), ["lesion", "organ"]),
        (CAMVID, ["Sky", "Building", "Road", "Car"]),
        (CITYSCAPES, ["road", "sidewalk", "car"]),
        (POTSDAM, list(POTSDAM[:-1])),
        (("background", "car", "void"), ["car"]),
    ],
)
def test_the_foreground_is_what_is_not_named_like_a_background(classes: tuple[str, ...], expected: list[str]) -> None:
    assert names(config(*classes)) == expected


def test_what_the_config_says_is_no_guess() -> None:
    chosen = config("background", "car", "person", foreground=["person", "background"])
    assert names(chosen) == ["person", "background"]
    assert chosen.foreground_says(range(3)) is None


def test_classes_that_are_all_named_like_a_background_are_refused() -> None:
    with pytest.raises(ValueError, match=r"every class is named like a background .*; write which are in the mean"):
        config("background", "other")
    assert names(config("background", "other", foreground=["other"])) == ["other"]


def test_a_check_of_the_foreground_needs_one_that_is_known() -> None:
    said = r"gate\.checks\.0\.class: .* none of sky, road, car is named like a background .*foreground: \[road, car\]"
    for check in ({}, {"class": "foreground"}, {"class": "foreground", "slice": "*"}):
        with pytest.raises(ValueError, match=said):
            gated("sky", "road", "car", check=check)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "class_ids"])
def test_so_it_is_for_two_classes_and_any_output(kind: str) -> None:
    with pytest.raises(ValueError, match="is named like a background"):
        gated("lesion", "organ", output_kind=kind)
    assert names(gated("lesion", "organ", output_kind=kind, foreground=["lesion"])) == ["lesion"]


@pytest.mark.parametrize(
    "check", [{"class": "*"}, {"class": "road"}, {"metric": "failed_fraction", "max": 0.1, "max_drop": None}]
)
def test_a_check_that_is_not_of_the_foreground_needs_none(check: dict[str, object]) -> None:
    assert gated("sky", "road", "car", check=check).gate.checks


def test_a_class_that_is_named_foreground_is_a_class() -> None:
    assert gated("sky", "foreground").gate.checks[0].class_name == "foreground"


def test_a_guess_says_what_it_left_out() -> None:
    assert config("background", "car", "person").foreground_says(range(3)) == (
        "foreground: car, person (background is left out by its name; set foreground to choose)"
    )
    assert config("bg", "car", "void").foreground_says(range(3)) == (
        "foreground: car (bg, void are left out by their name; set foreground to choose)"
    )
    assert config("sky", "road").foreground_says((1,)) == (
        "foreground: road (no class is named like a background, so none is left out; set foreground to choose)"
    )


def test_a_guess_of_many_classes_is_short() -> None:
    says = config("background", *(f"c{i}" for i in range(150))).foreground_says(range(151))
    assert "c7 and 142 more (background" in str(says)


def test_the_config_that_is_kept_names_the_foreground() -> None:
    guessed, said = config("background", "car", "dog"), config("background", "car", "dog", foreground=["dog", "car"])
    assert guessed.with_foreground.foreground == said.with_foreground.foreground == ("car", "dog")
    assert guessed.with_foreground.fingerprint == guessed.fingerprint


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"classes": ["background", "lesion"], "foreground": None}, ("background", "lesion")),
        ({"classes": ["background", "lesion"], "foreground": ["lesion"]}, ("lesion",)),
        ({"classes": ["sky", "road", "car"]}, ("road", "car")),
        ({"classes": ["sky", "road", "car"], "foreground": ["car", "road"]}, ("road", "car")),
        ({}, ()),
    ],
)
def test_the_foreground_of_tables_that_an_older_version_made(
    stored: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert foreground.of_stored(stored) == expected


SECTION = (
    (ROOT / "docs/guide/config.md").read_text(encoding="utf-8").partition("## Foreground")[2].partition("\n## ")[0]
)


def test_the_docs_list_every_name() -> None:
    listed = SECTION.partition("Named so are")[2].partition("Capitals")[0]
    words = {re.sub(r"[\W_]", "", name) for name in re.findall("`(.+?)`", listed)}
    assert words == foreground.BACKGROUND_NAMES - {"backgrounds", "backgroundclutter"}


def test_the_examples_of_the_docs() -> None:
    examples = re.findall(r"^\| `\[(.+?)\]` \| (.+?) \|$", SECTION, re.MULTILINE)
    found = {classes: foreground.guess(classes.split(", ")) for classes, _ in examples}
    assert [said for _, said in examples[:3]] == [", ".join(found[classes]) for classes, _ in examples[:3]]
    assert [len(found[classes]) for classes, _ in examples[3:]] == [3, 0]
