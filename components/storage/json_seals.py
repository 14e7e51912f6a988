"""The seal of a small JSON file: its last key, `crc32c`, is the checksum of all of its bytes, with zeros in its place.

Its first key, `sealed`, says that there is one, so that a file whose seal is damaged is not taken for one of an earlier
version, which had none.
"""

import re

import google_crc32c

_FIRST, _LAST = '"sealed": "crc32c"', '"crc32c": "{:08x}"'
_MARKS = re.compile(rb'"sealed": "|"crc32c"')
_SEALED = re.compile(rb'\{\s*"sealed": "crc32c",.*"crc32c": "([0-9a-f]{8})"\s*\}', re.DOTALL)


def sealed(text: str) -> bytes:
    """A JSON object in ASCII, with a seal.

    Args:
        text: of an object with one key or more, as `json.dumps` writes it, indented or not.
    """
    between = text[1 : len(text) - len(text[1:].lstrip())]
    inner = text[1:-1].strip()
    whole = f"{{{between}{_FIRST},{between or ' '}{inner},{between or ' '}{_LAST}{between.rstrip(' ')}}}"
    blank = whole.replace(_LAST, _LAST.format(0)).encode()
    return whole.replace(_LAST, _LAST.format(google_crc32c.value(blank))).encode()


def checked(data: bytes) -> str:
    """The text of a JSON file that agrees with its seal, or that is of an earlier version and has none.

    Raises:
        ValueError: if it is not as it was sealed.
    """
    found = _SEALED.fullmatch(data)
    if found is None:
        if _MARKS.search(data):
            raise ValueError("its seal is damaged")
    else:
        blank = data[: found.start(1)] + b"0" * 8 + data[found.end(1) :]
        if int(found[1], 16) != google_crc32c.value(blank):
            raise ValueError("it is not as it was sealed")
    return data.decode()
