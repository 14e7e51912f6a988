"""An object store in memory, as Beam knows them: no folders, and a file appears when it is closed."""

import io
from typing import ClassVar

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem


class _Written(io.BytesIO):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def close(self):
        if not self.closed:
            MemoryStorage.files[self.path] = self.getvalue()
        super().close()


class MemoryStorage(FileSystem):
    """Every path that begins with inmemory://."""

    files: ClassVar[dict[str, bytes]] = {}
    WRITTEN = 1_800_000_000.0

    @classmethod
    def scheme(cls):
        return "inmemory"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def has_dirs(self):
        return False

    def mkdirs(self, path):
        raise NotImplementedError(path)

    def _list(self, dir_or_prefix):
        return [self.metadata(path) for path in sorted(self.files) if path.startswith(dir_or_prefix)]

    def metadata(self, path):
        return FileMetadata(path, len(self.files[path]), self.WRITTEN)

    def create(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        assert (mime_type, compression_type) == ("application/octet-stream", CompressionTypes.UNCOMPRESSED)
        return _Written(path)

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        assert (mime_type, compression_type) == ("application/octet-stream", CompressionTypes.UNCOMPRESSED)
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(self.files[path])

    def rename(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            self.files[destination] = self.files.pop(source)

    def exists(self, path):
        return path in self.files

    def delete(self, paths):
        for path in paths:
            if path not in self.files:
                raise BeamIOError(f"no {path}")
            del self.files[path]

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def size(self, path):
        return len(self.files[path])

    def last_updated(self, path):
        return self.metadata(path).last_updated_in_seconds

    def checksum(self, path):
        raise NotImplementedError(path)
