"""Text from data, safe to show: nothing in it is invisible, moves the cursor, reorders a line, or is endless."""

import re

LONGEST = 200
"""Characters of one piece of text on a terminal."""

LONGEST_NAME, LONGEST_MESSAGE = 200, 2000
"""Characters of a class, a slice or a path; and of what is said of it."""

_JOINERS = "\u200c\u200d"
"""Without them Persian words and emoji of several parts are others."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: escape sequences, line ends, tabs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that change the direction of what follows
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff]"  # bytes of a file name that is not UTF-8
)


def escaped(text: str, keep: str = "") -> str:
    r"""The text with everything unsafe but `keep` as Python writes it: `\n`, `\x1b`, `\u202e`."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def shown(text: str, longest: int = LONGEST) -> str:
    """The text escaped and, where it is longer than `longest` characters, cut with a note of its length."""
    if len(text) <= longest:
        return escaped(text)
    return f"{escaped(text[:longest])}... ({len(text):,} characters)"


def visible(text: str, longest: int = LONGEST_MESSAGE) -> str:
    r"""The text with what cannot be seen as Python writes it: `\n`, `\x1b`, `\u202e`, `\ud800`.

    Control characters, line ends, marks of direction and halves of surrogate pairs are such; what comes back is valid
    in UTF-8 and in XML 1.0. A text of more than `longest` characters is cut, with a note of its length.
    """
    cut, note = (text[:longest], f"... ({len(text):,} characters)") if len(text) > longest else (text, "")
    return "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in cut) + note


def storable(text: str) -> str:
    r"""The text with halves of surrogate pairs, of bytes that are no UTF-8, as Python writes them: Parquet has none."""
    return text.encode(errors="backslashreplace").decode()
