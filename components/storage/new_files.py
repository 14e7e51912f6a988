"""Files that are written before they have a name: each gets one that no file has, or none."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from ...schemas.errors import StorageError
from . import exclusive_files, filesystems, storage_errors


class NewFile:
    """A file that is open for writing, and stands under no name that a reader sees until `commit` gives it one.

    A local one is written beside its place, under a name that no `*.parquet` matches; what is to become an object is
    collected in a local temporary file.
    """

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            StorageError: if it cannot be; nothing is left of it then.
        """
        self._path = path
        self._temporary = None if filesystems.is_remote(path) else filesystems.temporary_name(path)
        with storage_errors.writing(path):
            self.file: BinaryIO = self._opened()

    def _opened(self) -> BinaryIO:
        if self._temporary is None:
            return tempfile.TemporaryFile()  # it has no name, so that a kill leaves nothing of it
        filesystems.make_folder(self._temporary.rpartition("/")[0])
        file: BinaryIO = FileSystems.create(self._temporary, compression_type=CompressionTypes.UNCOMPRESSED)
        return file

    def finish(self) -> None:
        """Have all that was written on the disk: a name can outlive a power cut that its data does not.

        Raises:
            StorageError: if that fails.
        """
        with storage_errors.writing(self._path):
            self.file.flush()
            if self._temporary is not None:
                os.fsync(self.file.fileno())
                self.file.close()

    def commit(self, path: str) -> bool:
        """Give the finished file a name, in the folder that it was opened for; again, if that file has gone since.

        Returns:
            Whether it has it; False if a file had it. Of an object whose answer was lost it is False as well.

        Raises:
            StorageError: if it cannot be given.
        """
        with storage_errors.writing(path):
            if self._temporary is None:
                return exclusive_files.send(self.file, path)
            return exclusive_files.link(Path(self._temporary), Path(path))

    def close(self) -> None:
        """Leave nothing of it but the name it was given; closing writes to what may be full."""
        with suppress(OSError, *storage_errors.REMOTE):
            self.file.close()
        if self._temporary is not None:
            with suppress(StorageError):
                filesystems.delete(self._temporary)
