"""Text from data, safe to print: it cannot move the cursor, reorder a line, or flood the terminal."""

import re

LONGEST = 200
"""Characters of one piece of text on a terminal."""

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
