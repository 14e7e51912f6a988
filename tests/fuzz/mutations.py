"""Damage to bytes: blind, and with checksums made anew so that it gets behind them."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence

import tensorflow as tf

from dicebeam.components.decoding import image_headers
from dicebeam.components.reading import tfrecord

BYTES = (0, 1, 0x7F, 0x80, 0xFF)
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1)


def _flip(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.choice((*BYTES, rng.randrange(256)))


def _number(rng: random.Random, data: bytearray) -> None:
    size = rng.choice((2, 4, 8))
    at = rng.randrange(len(data))
    value = (rng.choice(NUMBERS) + rng.randrange(-1, 2)) % 256**size
    data[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def _varint(rng: random.Random, data: bytearray) -> None:
    value, out = rng.choice(NUMBERS), bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    at = rng.randrange(len(data))
    data[at : at + rng.randrange(3)] = bytes([*out, value])


def _delete(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 8, 64))]


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 8, 64)))


def _repeat(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    part = data[at : at + rng.choice((1, 4, 16, 200))]
    to = rng.randrange(len(data) + 1)
    data[to:to] = part


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


KINDS: Sequence[Callable[[random.Random, bytearray], None]] = (
    _flip, _flip, _set, _set, _number, _varint, _delete, _insert, _repeat, _cut,
)  # fmt: skip


def damaged(rng: random.Random, data: bytes, corpus: Sequence[bytes] = ()) -> bytes:
    """The bytes after one to four changes, at times spliced with others."""
    changed = bytearray(data)
    if corpus and rng.random() < 0.1:
        other = rng.choice(corpus)
        changed[rng.randrange(len(changed) + 1) :] = other[rng.randrange(len(other) + 1) :]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if changed:
            rng.choice(KINDS)(rng, changed)
    return bytes(changed)


def with_png_checksums(data: bytes) -> bytes:
    """A damaged PNG whose chunks have the right checksums, as far as it has chunks."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        out += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out + data[at:])


def damaged_image(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A damaged image of the corpus; a PNG mostly with right checksums."""
    data = damaged(rng, rng.choice(corpus), corpus)
    return with_png_checksums(data) if data.startswith(image_headers.PNG) and rng.random() < 0.8 else data


def damaged_features(rng: random.Random, record: bytes) -> bytes:
    """A well-formed tf.Example with wrong contents: features gone, swapped, emptied, doubled, or odd in a value."""
    example = tf.train.Example.FromString(record)
    features = example.features.feature
    for _ in range(rng.choice((1, 1, 2))):
        key, other = rng.choice(sorted(features)), rng.choice(sorted(features))
        kind = rng.choice((features[key].WhichOneof("kind") or "bytes_list",) * 8 + ("bytes_list", "int64_list"))
        values = getattr(features[key], kind).value
        edit = rng.randrange(6)
        if edit == 0:
            del features[key]
            return example.SerializeToString()
        if edit == 1:
            features[key].CopyFrom(features[other])
        elif edit == 2 and values:
            values.pop(rng.randrange(len(values)))
        elif edit == 3:
            values.extend(list(values) or [b"" if kind == "bytes_list" else 0])
        elif values:
            at = rng.randrange(len(values))
            values[at] = _odd(rng, values[at])
    return example.SerializeToString()


def _odd(rng: random.Random, value: bytes | float) -> bytes | float:
    if isinstance(value, bytes):
        return damaged(rng, value)
    if isinstance(value, int):
        return rng.choice((-1, 0, value + 1, 255, 256, 65536, -(2**63), 2**63 - 1, 2**32))
    return rng.choice((float("nan"), float("inf"), -1.0, 0.5, 1e38, 300.0))


def damaged_shard(rng: random.Random, records: Sequence[bytes]) -> bytes:
    """Records as a TFRecord file: damaged inside with right checksums, in a length, or anywhere."""
    frames = [
        tfrecord.frame(damaged(rng, r, records) if rng.random() < 0.3 else r)
        for r in rng.sample(list(records), rng.randrange(len(records) + 1))
    ]
    kind = rng.randrange(3)
    if frames and kind == 0:
        i = rng.randrange(len(frames))
        length = struct.pack("<Q", (rng.choice((*NUMBERS, len(frames[i]) - 16)) + rng.randrange(-1, 2)) % 2**64)
        frames[i] = length + struct.pack("<I", tfrecord.masked_crc(length)) + frames[i][12:]
    shard = b"".join(frames)
    return damaged(rng, shard) if shard and kind == 1 else shard
