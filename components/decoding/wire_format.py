"""Whether a serialized tf.Example is written as every serializer writes it: each thing once, and nothing else.

Protobuf also reads fields that come several times (merged, or the last one counts), lists in pieces, numbers in more
bytes than they need, and fields that nobody knows. Faster decoders know the plain form alone.
"""

from collections.abc import Iterator

import numpy as np

_FIRST, _SECOND, _THIRD = 0x0A, 0x12, 0x1A
"""Tags of the fields 1 to 3, of messages, strings and packed lists."""
_FLOAT_LIST, _INT64_LIST = _SECOND, _THIRD
_MORE = 0x80
"""Bit of a byte after which a number goes on."""
_LONGEST, _LAST_OF_LONGEST = 10, 1


def is_plain(data: bytes) -> bool:
    """Whether one message of features is all there is, and each feature has a key of its own and one list, packed."""
    try:
        ((tag, at, end),) = _fields(data, 0, len(data))
        return tag == _FIRST and _plain_features(data, at, end)
    except (ValueError, IndexError):  # more or fewer fields than expected, or not as short as they could be
        return False


def _plain_features(data: bytes, at: int, end: int) -> bool:
    keys = set()
    for tag, start, stop in _fields(data, at, end):
        (key_tag, key_at, key_end), (tag_of_value, value_at, value_end) = _fields(data, start, stop)
        key = data[key_at:key_end]
        if (tag, key_tag, tag_of_value) != (_FIRST, _FIRST, _SECOND) or key in keys:
            return False
        keys.add(key)
        if not _plain_feature(data, value_at, value_end):
            return False
    return True


def _plain_feature(data: bytes, at: int, end: int) -> bool:
    ((kind, start, stop),) = _fields(data, at, end)
    if kind not in (_FLOAT_LIST, _INT64_LIST):
        return kind == _FIRST and all(tag == _FIRST for tag, _, _ in _fields(data, start, stop))
    ((tag, first, last),) = _fields(data, start, stop)
    if tag != _FIRST:
        return False
    return (last - first) % 4 == 0 if kind == _FLOAT_LIST else _shortest(data, first, last)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Tag, begin and end of each field of a message.

    Raises:
        ValueError: if one has no length, a length in more bytes than it needs, or ends after the message.
    """
    while at < end:
        tag, at = data[at], at + 1
        length = shift = 0
        while True:
            byte, at = data[at], at + 1
            length |= (byte & ~_MORE) << shift
            shift += 7
            if byte < _MORE:
                break
        stop = at + length
        if tag not in (_FIRST, _SECOND, _THIRD) or stop > end or (byte == 0 and shift > 7):  # noqa: PLR2004 - bits
            raise ValueError(tag)
        yield tag, at, stop
        at = stop


def _shortest(data: bytes, at: int, end: int) -> bool:
    """Whether each number of a packed list has as few bytes as it needs, and fits 64 bits."""
    numbers = np.frombuffer(data, np.uint8, end - at, at)
    if not numbers.size or numbers[-1] >= _MORE:
        return not numbers.size
    if numbers.max() < _MORE:
        return True
    if ((numbers[1:] == 0) & (numbers[:-1] >= _MORE)).any():
        return False
    ends = np.flatnonzero(numbers < _MORE)
    lengths = np.diff(ends, prepend=-1)
    longest = lengths >= _LONGEST
    return bool((lengths <= _LONGEST).all() and (numbers[ends[longest]] <= _LAST_OF_LONGEST).all())
