"""A directory as the only place to reach: every step goes through descriptors, and never through a symbolic link.

What is opened, made or renamed here stays below the root, even if somebody swaps a directory for a link meanwhile.
"""

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from stemma.errors import ConflictError, InvalidError, NotFoundError, UnavailableError

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_KEPT = 32  # open directories
_LINKED = "Remove the link, or choose another folder."


@contextmanager
def file_errors(path: Path | str) -> Iterator[None]:
    """Turn an OSError about `path` into Stemma's own, which says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("there is no such file or folder", place=ascii(str(path))) from error
    except FileExistsError as error:
        raise ConflictError("it exists already", place=ascii(str(path))) from error
    except OSError as error:
        place = ascii(str(path))
        match error.errno:
            case errno.ELOOP:
                raise ConflictError("a symbolic link is in the way", hint=_LINKED, place=place) from error
            case errno.ENOTDIR:
                raise ConflictError("a file or link is where a folder should be", hint=_LINKED, place=place) from error
            case errno.EISDIR | errno.ENOTEMPTY:
                raise ConflictError("a folder is where a file should be", hint="Move it away.", place=place) from error
            case number if number in _FULL:
                raise UnavailableError("the disk is full", hint="Free some space, try again.", place=place) from error
            case _:
                raise UnavailableError(error.strerror or str(error), hint="Check permissions.", place=place) from error


class Beneath:
    """A directory that is held open; a context manager. Used from several threads at once.

    Paths are relative, with '/' between parts. The directories that were used last stay open, so that work in the
    order of paths costs one system call a file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with file_errors(root):
            self._descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, int] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            while self._kept:
                os.close(self._kept.popitem()[1])
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        """Open a file below the root and return its descriptor; a ConflictError where a link is in the way."""
        parent, _, name = path.rpartition("/")
        with self._lock, file_errors(self.root / path):
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self._directory(parent))

    def state(self, path: str) -> os.stat_result | None:
        """Return what is at `path`, a link being itself, or None where nothing is."""
        parent, _, name = path.rpartition("/")
        with self._lock, file_errors(self.root / path):
            try:
                return os.stat(name, dir_fd=self._directory(parent), follow_symlinks=False)
            except FileNotFoundError:
                return None

    def names(self, path: str) -> list[os.DirEntry[str]]:
        """Return what is in a directory, sorted by name; the empty path is the root."""
        with self._lock, file_errors(self.root / path):
            # scandir takes the offset of its descriptor to the end: it gets one of its own.
            descriptor = os.open(".", DIRECTORY, dir_fd=self._directory(path))
            try:
                with os.scandir(descriptor) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
                    for entry in found:
                        entry.stat(follow_symlinks=False)  # remembered by the entry while the descriptor is open
            finally:
                os.close(descriptor)
        return found

    def make_directories(self, path: str) -> None:
        """Create a directory and those above it; existing ones are left alone, links are not passed."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            parent, name = "/".join(parts[: depth - 1]), parts[depth - 1]
            with self._lock, file_errors(self.root / path):
                try:
                    os.mkdir(name, dir_fd=self._directory(parent))
                except FileExistsError:
                    self._directory("/".join(parts[:depth]))  # is a real directory, or an error

    def rename(self, source: str, target: str) -> None:
        """Move a file over whatever file or link is at `target`."""
        source_parent, _, source_name = source.rpartition("/")
        parent, _, name = target.rpartition("/")
        with self._lock, file_errors(self.root / target):
            descriptor = self._directory(source_parent)
            os.rename(source_name, name, src_dir_fd=descriptor, dst_dir_fd=self._directory(parent))

    def remove(self, path: str) -> None:
        """Delete a file or a link."""
        parent, _, name = path.rpartition("/")
        with self._lock, file_errors(self.root / path):
            os.unlink(name, dir_fd=self._directory(parent))

    def remove_directory(self, path: str) -> None:
        """Delete an empty directory."""
        parent, _, name = path.rpartition("/")
        with self._lock, file_errors(self.root / path):
            os.rmdir(name, dir_fd=self._directory(parent))

    def _directory(self, path: str) -> int:
        """Return a descriptor for a directory below the root, valid for the next few calls; the lock is held."""
        if self._descriptor < 0:
            raise InvalidError("this folder is closed", place=str(self.root))
        if not path:
            return self._descriptor
        kept = self._kept.get(path)
        if kept is not None:
            self._kept.move_to_end(path)
            return kept
        nearest = path.rpartition("/")[0]
        while nearest and nearest not in self._kept:
            nearest = nearest.rpartition("/")[0]
        start = self._kept[nearest] if nearest else self._descriptor
        parts = path[len(nearest) + 1 :].split("/") if nearest else path.split("/")
        descriptor = _descend(start, parts)
        self._kept[path] = descriptor
        if len(self._kept) > _KEPT:
            os.close(self._kept.popitem(last=False)[1])
        return descriptor


def _descend(start: int, parts: list[str]) -> int:
    descriptor = os.dup(start)
    for part in parts:
        try:
            inner = os.open(part, DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor
