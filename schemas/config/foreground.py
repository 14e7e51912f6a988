"""Which classes the foreground is of, where the config does not say so: those that are not named like a background."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

BACKGROUND_NAMES = frozenset({
    "background", "backgrounds", "bg", "bgd", "bkg", "bkgd", "bckg", "clutterbackground", "backgroundclutter",
    "void", "none", "nothing", "noclass", "nodata", "other", "others", "everythingelse",
    "unlabelled", "unlabeled", "nolabel", "notlabelled", "notlabeled", "unannotated", "unassigned", "undefined",
    "unclassified", "notclassified", "unknown", "ignore", "ignored", "ignorelabel", "dontcare",
})  # fmt: skip
"""Names of what is nothing in particular, as `_plain` writes them: small letters, no separators.

`clutter`, `misc`, `rest`, `border`, `ground`, `normal` and the like are not among them: they are classes of some data.
"""
_AFTER = ("classes", "class", "labels", "label", "pixels", "pixel", "areas", "area", "regions", "region")
_SEPARATORS = re.compile(r"[\W_]+")
_ALTERNATIVES = re.compile(r"[/|,;:+&()\[\]{}<>]")
MOST_NAMES = 8


def is_background(name: str) -> bool:
    """Whether a class is named like a background: `Background`, `_background_`, `void/unlabelled`, `0: bg`.

    Capitals, separators, numbers beside the name and a word such as `pixels` after it do not matter. Of a name of
    several parts (`background / other`) each must be one.
    """
    words = _plain(name)
    if words in BACKGROUND_NAMES:
        return True
    parts = [part for part in map(_plain, _ALTERNATIVES.split(unicodedata.normalize("NFKC", name))) if part]
    return bool(parts) and all(part in BACKGROUND_NAMES for part in parts)


def _plain(name: str) -> str:
    """Small letters without separators, without numbers at the ends, and without a word of _AFTER."""
    small = unicodedata.normalize("NFKC", name).casefold()
    words = _SEPARATORS.sub("", small.replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")).strip(
        "0123456789"
    )
    after = next((word for word in _AFTER if words.endswith(word) and words != word), "")
    stem = words.removesuffix(after)
    return stem if stem in BACKGROUND_NAMES else words


def background(classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that are named like a background, wherever they stand."""
    return tuple(name for name in classes if is_background(name))


def guess(classes: Sequence[str]) -> tuple[str, ...]:
    """The foreground where the config has none: every class that is not named like a background.

    All classes where none is named so; none where all are, which a config refuses.
    """
    return tuple(name for name in classes if not is_background(name))


def of_stored(stored: Mapping[str, Any]) -> tuple[str, ...]:
    """The foreground that tables were made with, by the config that the `runs` row keeps, in the order of the classes.

    An older version kept no names where it left out the class id 0 of three classes or more, and nothing of two.
    """
    classes = tuple(stored.get("classes") or ())
    named = stored.get("foreground")
    if named is None:
        return classes[1 if len(classes) > 2 else 0 :]  # noqa: PLR2004
    return tuple(name for name in classes if name in named)


def says(classes: Sequence[str], scored: Collection[int]) -> str:
    """What to say of a foreground that was guessed.

    Args:
        classes: names of all.
        scored: ids of those that have a channel of their own.
    """
    left_out = background(classes)
    names = [name for i, name in enumerate(classes) if i in scored and name not in left_out]
    if left_out:
        verb, whose = ("are", "their") if len(left_out) > 1 else ("is", "its")
        why = f"{_some(left_out)} {verb} left out by {whose} name"
    else:
        why = "no class is named like a background, so none is left out"
    return f"foreground: {_some(names)} ({why}; set foreground to choose)"


def must_be_set(classes: Sequence[str]) -> str:
    """Why a check of the foreground cannot be decided, where no class is named like a background, and what to write."""
    example = ", ".join(classes[1 : 1 + MOST_NAMES]) + (", ..." if len(classes) > 1 + MOST_NAMES else "")
    return (
        f"which classes the foreground is of is not known: none of {_some(classes)} is named like a background "
        f"(background, bg, void, other, unlabelled, ...); set foreground, for example foreground: [{example}], or give "
        'the check a class, as in class: "*"'
    )


def all_background(classes: Sequence[str]) -> str:
    """What to say of classes that leave no foreground."""
    return f"foreground: every class is named like a background ({_some(classes)}); write which are in the mean"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
