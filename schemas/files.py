"""What a filesystem lists."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on this machine or in a bucket, with the size that the listing says.

    version: what tells its bytes from others that stood or will stand under the path, see `storage.versions`; empty
    where nobody knows it. It is no part of what the file is called, so that it is not compared.
    """

    path: str
    size_bytes: int
    version: str = field(default="", compare=False)
