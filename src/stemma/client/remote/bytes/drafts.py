"""Drafts: packs on this machine until they are sent. They have no name, so that nothing is left when we are killed."""

import os
import tempfile
import threading
from pathlib import Path

from stemma.client.files.beneath import file_errors
from stemma.errors import InvalidError


class NamelessDraft:
    """A file without a name in `folder`, gone when it is closed. Read by any thread, written by one."""

    def __init__(self, folder: Path) -> None:
        self._place = folder
        with file_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # `close` closes it
        self._size = 0
        self._lock = threading.Lock()
        self._closed = False

    def append(self, data: bytes) -> None:
        """Write behind what is there."""
        with file_errors(self._place):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor(), view, self._size)
                self._size += written
                view = view[written:]

    def seal(self) -> None:
        """Do nothing: what is lost with the power is made again."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes at `offset`, fewer where the draft ends."""
        with file_errors(self._place):
            data = os.pread(self._descriptor(), length, offset)
            while len(data) < length and (more := os.pread(self._descriptor(), length - len(data), offset + len(data))):
                data += more
            return data

    def close(self) -> None:
        """Let go of the bytes; idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._file.close()

    def _descriptor(self) -> int:
        if self._closed:
            raise InvalidError("this pack is closed", place=str(self._place))
        return self._file.fileno()
