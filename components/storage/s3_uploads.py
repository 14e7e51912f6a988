"""Files to S3 objects: in one request, or in parts where they are large."""

import uuid
from contextlib import suppress
from typing import Any, BinaryIO

from . import storage_errors

_MARK = "dicebeam-upload"

Where = dict[str, str]
"""`Bucket` and `Key`, as boto3 names them."""


def put(client: Any, file: BinaryIO, where: Where, whole_bytes: int, part_bytes: int) -> int | None:  # noqa: ANN401
    """Upload over an earlier object, if there is one.

    Args:
        client: boto3's.
        file: read from where it stands to its end.
        where: of the object.
        whole_bytes: up to here it is one request.
        part_bytes: of a part of a larger one.

    Returns:
        The size of the object, None if another writer has replaced it since.

    Raises:
        OSError, and what storage_errors.REMOTE has: if it cannot be written; parts that were sent are dropped.
    """
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - the extra `aws`

    metadata = {_MARK: uuid.uuid4().hex}
    how = TransferConfig(multipart_threshold=whole_bytes, multipart_chunksize=part_bytes, use_threads=False)
    client.upload_fileobj(file, *where.values(), ExtraArgs={"Metadata": metadata}, Config=how)
    return _stored(client, where, metadata)


def put_new(client: Any, file: BinaryIO, where: Where, size: int, whole_bytes: int, part_bytes: int) -> int | None:  # noqa: ANN401
    """Upload, unless there is an object of that name: then the store's client raises what has the status 409 or 412.

    Boto3's own transfer takes no precondition. A large file is sent whole before it is seen whether there is one.
    """
    metadata = {_MARK: uuid.uuid4().hex}
    if size <= whole_bytes:
        client.put_object(**where, Body=file, IfNoneMatch="*", Metadata=metadata)
    else:
        _in_parts(client, file, where, part_bytes, metadata)
    return _stored(client, where, metadata)


def _in_parts(client: Any, file: BinaryIO, where: Where, part_bytes: int, metadata: dict[str, str]) -> None:  # noqa: ANN401
    upload_id = client.create_multipart_upload(**where, Metadata=metadata)["UploadId"]
    try:
        parts: list[dict[str, Any]] = []
        while data := file.read(part_bytes):
            number = len(parts) + 1
            sent = client.upload_part(**where, UploadId=upload_id, PartNumber=number, Body=data)
            checksums = {name: value for name, value in sent.items() if name.startswith("Checksum")}
            parts.append({"PartNumber": number, "ETag": sent["ETag"], **checksums})
        whole = {"Parts": parts}
        client.complete_multipart_upload(**where, UploadId=upload_id, MultipartUpload=whole, IfNoneMatch="*")
    except BaseException:
        with suppress(OSError, *storage_errors.REMOTE):
            client.abort_multipart_upload(**where, UploadId=upload_id)
        raise


def _stored(client: Any, where: Where, metadata: dict[str, str]) -> int | None:  # noqa: ANN401
    try:
        found = client.head_object(**where)
    except storage_errors.REMOTE as error:
        if storage_errors.is_missing(error):
            return None
        raise
    return int(found["ContentLength"]) if found["Metadata"].get(_MARK) == metadata[_MARK] else None
