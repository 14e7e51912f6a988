"""TFRecord framing: every record with its index, its byte offset and both checksums verified.

A record is: length (uint64 little-endian), masked CRC32C of the length, the data, masked CRC32C of the data.
The mask is ((crc >> 15 | crc << 17) + 0xa282ead8) mod 2^32.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile
from typing import BinaryIO

import google_crc32c

from schemas.records import Failure, Lineage

STAGE = "read"
MAX_RECORD_BYTES = 2**31 - 1
"""A tf.Example is a protocol buffer, and those end at 2 GiB."""

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of one record and the offset at which the next one begins."""

    lineage: Lineage
    data: bytes
    end: int


def masked_crc(data: bytes) -> int:
    """The checksum as TFRecord stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """One record as it stands in a file."""
    length = struct.pack("<Q", len(data))
    return length + _FOOTER.pack(masked_crc(length)) + data + _FOOTER.pack(masked_crc(data))


def records(file: BinaryIO, shard: str) -> Iterator[Record | Failure]:
    """Every record of an open shard, in order.

    A record whose data fails its checksum is a Failure and the next one follows. Where the framing itself is
    broken nothing after it can be found: the rest of the shard is one Failure, the last item.

    Raises:
        OSError: where the storage fails; that says nothing about the records, so it is not theirs.
    """
    offset, index = 0, 0
    while True:
        lineage = Lineage(shard, index, offset)
        try:
            header = file.read(_HEADER.size)
            if not header:
                return
            length = _length(header)
            data, footer = file.read(length), file.read(_FOOTER.size)
            if len(data) + len(footer) < length + _FOOTER.size:
                msg = (
                    f"the record should have {length} bytes and a checksum of 4, but the file ends after "
                    f"{len(data) + len(footer)}"
                )
                raise _BrokenError("truncated", msg)  # noqa: TRY301 - the one handler below names the place
        except _BrokenError as error:
            yield _rest(lineage, error.kind, str(error))
            return
        except (BadGzipFile, EOFError, zlib.error) as error:
            yield _rest(lineage, type(error).__name__, f"decompressing failed: {error}")
            return
        offset += _HEADER.size + length + _FOOTER.size
        index += 1
        if masked_crc(data) == _FOOTER.unpack(footer)[0]:
            yield Record(lineage, data, offset)
        else:
            msg = (
                f"the checksum of the data ({length} bytes) does not match; this record was damaged after "
                "it was written"
            )
            yield Failure(lineage, None, STAGE, "data_checksum", msg)


class _BrokenError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _length(header: bytes) -> int:
    if len(header) < _HEADER.size:
        raise _BrokenError(
            "truncated",
            f"a record begins with 12 bytes of length and checksum, but only {len(header)} are left",
        )
    length, crc = _HEADER.unpack(header)
    if masked_crc(header[:8]) != crc:
        hint = "; it looks like gzip, whose name must end in .gz" if header[:2] == _GZIP_MAGIC else ""
        raise _BrokenError(
            "length_checksum",
            f"the checksum of the record length does not match: not a TFRecord, or damaged here{hint}",
        )
    if length > MAX_RECORD_BYTES:
        raise _BrokenError("length", f"the record claims {length} bytes; a tf.Example has at most {MAX_RECORD_BYTES}")
    return int(length)


def _rest(lineage: Lineage, error: str, message: str) -> Failure:
    return Failure(
        lineage,
        None,
        STAGE,
        error,
        f"{message}. Nothing after byte {lineage.byte_offset} of the shard could be read",
        ends_shard=True,
    )
