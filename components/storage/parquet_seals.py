"""The seal of a Parquet file: checksums of all of its bytes, in its own metadata.

The metadata entry `dicebeam.crc32c` has 16 hexadecimal digits: the CRC32C of what is before the footer, and that of the
footer and all that follows, in which the last 8 of these digits are zeros. The footer holds the encodings and the
places of columns, what was counted and who wrote the file, and can be checked alone; page checksums cover neither it
nor the headers of pages. A second entry, `dicebeam.sealed`, says that there is a seal, so that a file whose seal is
damaged is not taken for one of an earlier version, which had none.
"""

from collections.abc import Mapping

import google_crc32c

KEY = b"dicebeam.crc32c"
BLANK = b"0" * 16
"""What the entry has until the checksums are known."""
TAIL_BYTES = 1 << 16
"""A seal is looked for in the last so many bytes too, where the length of the footer may be damaged."""

_MAGIC = b"PAR1"
_END = 8
"""Bytes of the footer's length and the magic number after it."""
_BEFORE_DIGITS = KEY + b"\x18\x10"
"""How Thrift's compact protocol writes the entry: the next field of the pair is text, of 16 bytes."""
_MARK = b"dicebeam.sealed"
_DIGITS = 8
"""Of each of the two checksums."""


class SealError(Exception):
    """What is wrong with the bytes of a file."""


def footer_bytes(tail: bytes) -> int:
    """How long the footer of a file is, with its length and the magic number, by the last bytes of the file.

    Raises:
        SealError: if no Parquet file ends so.
    """
    if len(tail) < _END or tail[-4:] != _MAGIC:
        msg = f"expected {_MAGIC!r} at its end, but got {tail[-4:]!r}"
        raise SealError(msg)
    return int.from_bytes(tail[-_END:-4], "little") + _END


def crc(data: bytes, before: int = 0) -> int:
    """The CRC32C of bytes that follow others."""
    return int(google_crc32c.extend(before, data))


def with_mark(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    """The metadata of a schema with the word that there is a seal, and without that of a file it was read from."""
    kept = {name: value for name, value in (metadata or {}).items() if name != KEY}
    return {**kept, _MARK: b"crc32c"}


def digits(body: int, footer: bytes) -> tuple[int, bytes]:
    """Where the digits of the seal are in a footer, and what they must be by the checksum of what is before it.

    Raises:
        SealError: if there is no place for them.
    """
    place = footer.rfind(_BEFORE_DIGITS) + len(_BEFORE_DIGITS)
    after = place + len(BLANK)
    if place < len(_BEFORE_DIGITS) or after > len(footer):
        raise SealError("expected a seal in its metadata, but there is none")
    of_body = b"%08x" % body
    return place, of_body + b"%08x" % crc(footer[after:], crc(of_body + BLANK[_DIGITS:], crc(footer[:place])))


def verified(footer: bytes, tail: bytes) -> int | None:
    """What the checksum of all before the footer must be; None for a file of a version that wrote no seal.

    Args:
        footer: from its beginning to the end of the file.
        tail: the last TAIL_BYTES of the file, or all of it.

    Raises:
        SealError: if the footer is not as it was sealed.
    """
    if not any(mark in part for part in (footer, tail) for mark in (_BEFORE_DIGITS, _MARK)):
        return None
    place, _ = digits(0, footer)
    found = footer[place : place + len(BLANK)]
    try:
        body = int(found[:_DIGITS], 16)
    except ValueError:
        body = -1
    if body < 0 or digits(body, footer) != (place, found):
        raise SealError("its footer is not the one that was sealed")
    return body


def check_body(expected: int, found: int) -> None:
    """Hold the checksum of what is before the footer against the one that was sealed.

    Raises:
        SealError: if it is another one.
    """
    if expected != found:
        msg = f"expected rows of the CRC32C {expected:08x}, but they have {found:08x}"
        raise SealError(msg)
