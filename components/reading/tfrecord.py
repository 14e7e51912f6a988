"""TFRecord framing: every record with its index, its byte offset and both checksums verified.

A record is: length (uint64 little-endian), masked CRC32C of the length, the data, masked CRC32C of the data.
The mask is ((crc >> 15 | crc << 17) + 0xa282ead8) mod 2^32.
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
"""

import io
import struct
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from typing import BinaryIO

import google_crc32c

from ...schemas.errors import StorageError
from ...schemas.records import Failure, Lineage, Record
from ...schemas.shards import ByteRange

STAGE = "read"
MAX_RECORD_BYTES = 2**31 - 1
"""A tf.Example is a protocol buffer, and those end at 2 GiB."""
READ_BYTES = 4 << 20
"""Asked for at once where nobody knows how much is left: memory is taken for what arrives, not for what is claimed."""

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
HEADER_BYTES = _HEADER.size
_GZIP_MAGIC = b"\x1f\x8b"


def masked_crc(data: bytes) -> int:
    """The checksum as TFRecord stores it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """One record as it stands in a file."""
    length = struct.pack("<Q", len(data))
    return length + _FOOTER.pack(masked_crc(length)) + data + _FOOTER.pack(masked_crc(data))


def record_end(header: bytes, offset: int) -> int | None:
    """Where the record of a header that stands at an offset ends; None if the header is not whole and sound."""
    try:
        return offset + _HEADER.size + _length(header) + _FOOTER.size
    except _BrokenError:
        return None


def records_of_range(file: BinaryIO, shard: str, part: ByteRange, size_bytes: int) -> Iterator[Record | Failure]:
    """The records of a range of an open shard of so many bytes; they are what `records` gives for the same records.

    Raises:
        StorageError: if it does not end where a record ends, or its framing is broken although the shard could be
            followed beyond it when it was indexed: it has changed since.
        OSError: where the storage fails.
    """
    file.seek(part.start)
    for item in records(file, shard, part.start, part.first_record, part.end, size_bytes):
        broken = isinstance(item, Failure) and item.ends_shard
        if broken and part.end < size_bytes:
            break
        yield item
        if broken:
            return
    else:
        if file.tell() == part.end:
            return
    msg = (
        f"the shard {shard} has changed since it was indexed: expected whole records from byte {part.start:,} to byte "
        f"{part.end:,}, but they end elsewhere now. They are not scored; use another --run-id"
    )
    raise StorageError(msg)


def records(
    file: BinaryIO, shard: str, offset: int = 0, index: int = 0, end: int | None = None, size_bytes: int | None = None
) -> Iterator[Record | Failure]:
    """Every record of an open shard, in order.

    A record whose data fails its checksum is a Failure and the next one follows. Where the framing itself is
    broken nothing after it can be found: the rest of the shard is one Failure, the last item.

    Args:
        file: of the shard, where its next header stands.
        shard: its path.
        offset: of that header.
        index: of that record.
        end: no record begins here or later; None for the end of the file.
        size_bytes: of the file; None where that is not known, as of what a gzip file holds.

    Raises:
        OSError: where the storage fails; that says nothing about the records, so it is not theirs.
    """
    while end is None or offset < end:
        lineage = Lineage(shard, index, offset)
        try:
            header = file.read(_HEADER.size)
            if not header:
                return
            length = _length(header)
            left = None if size_bytes is None else size_bytes - offset - _HEADER.size
            data, footer = _data(file, length, left)
        except _BrokenError as error:
            yield _rest(lineage, error.kind, str(error))
            return
        except (BadGzipFile, EOFError, zlib.error) as error:
            yield _rest(lineage, type(error).__name__, f"decompressing failed: {error}")
            return
        offset += _HEADER.size + length + _FOOTER.size
        index += 1
        if (crc := masked_crc(data)) == _FOOTER.unpack(footer)[0]:
            yield Record(lineage, data, offset, crc)
        else:
            msg = (
                f"the checksum of the data ({length} bytes) does not match; this record was damaged after "
                "it was written"
            )
            yield Failure(lineage, None, STAGE, "data_checksum", msg)


def _data(file: BinaryIO, length: int, left: int | None) -> tuple[bytes, bytes]:
    """The data of a record and their checksum. What is claimed is held against what is left before it is read."""
    wanted = length + _FOOTER.size
    if left is not None and left < wanted:
        raise _BrokenError("truncated", _cut_short(length, left))
    if left is not None or length <= READ_BYTES:
        data = file.read(length)
    else:
        arrived = io.BytesIO()  # gives what it holds without a copy
        while (missing := length - arrived.tell()) and (part := file.read(min(missing, READ_BYTES))):
            arrived.write(part)
        data = arrived.getvalue()
    footer = file.read(_FOOTER.size)
    if len(data) + len(footer) < wanted:
        raise _BrokenError("truncated", _cut_short(length, len(data) + len(footer)))
    return data, footer


def _cut_short(length: int, left: int) -> str:
    return f"the record should have {length} bytes and a checksum of 4, but the file ends after {left}"


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
