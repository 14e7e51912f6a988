"""Text from data for files that people open: nothing in it is invisible, and nothing is endless."""

LONGEST_NAME, LONGEST_MESSAGE = 200, 2000
"""Characters of a class, a slice or a path; and of what is said of it."""

_JOINERS = "\u200c\u200d"
"""Without them Persian words and emoji of several parts are others."""


def visible(text: str, longest: int = LONGEST_MESSAGE) -> str:
    r"""The text with what cannot be seen as Python writes it: `\n`, `\x1b`, `\u202e`, `\ud800`.

    Control characters, line ends, marks of direction and halves of surrogate pairs are such; what comes back is valid
    in UTF-8 and in XML 1.0. A text of more than `longest` characters is cut, with a note of its length.
    """
    cut, note = (text[:longest], f"... ({len(text):,} characters)") if len(text) > longest else (text, "")
    return "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in cut) + note
