"""System calls that change a local disk, all in one place, each durable when it returns or an UnavailableError.

`boundary` is called before every step that makes something durable or visible, with what it is; a test stops the
process there. No call is retried; no error is swallowed.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import ConflictError, NotFoundError, UnavailableError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o644
_MAX_WRITE = 1 << 30
_ARRIVING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_CANNOT_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into Stemma's: missing is NotFoundError, all else UnavailableError that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("there is no such file", place=str(path)) from error
    except FileExistsError as error:
        raise ConflictError("it exists already", place=str(path)) from error
    except OSError as error:
        hint = "Free some space, then try again." if error.errno in _FULL else "Check the disk and its permissions."
        raise UnavailableError(os.strerror(error.errno or 0), hint=hint, place=str(path)) from error


@dataclass(frozen=True, slots=True)
class Disk:
    """The local disk; `boundary` hears of every fsync, rename and removal before it happens."""

    boundary: Callable[[str], None] = lambda _: None

    def create(self, path: Path) -> int:
        """Create a file that must not exist and return its descriptor, for reading and writing."""
        with disk_errors(path):
            return os.open(path, _NEW, _FILE_MODE)

    def open(self, path: Path) -> int:
        """Open a file for reading, never through a symbolic link; return its descriptor."""
        with disk_errors(path):
            return os.open(path, _READ)

    @contextmanager
    def locked(self, path: Path) -> Iterator[int]:
        """Open a file to append to, made if need be, and hold its lock: nobody else is in this block for that file."""
        with disk_errors(path):
            while True:
                descriptor = os.open(path, _ARRIVING, _FILE_MODE)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    if _is_at(descriptor, path):  # while we waited it was not renamed or removed
                        break
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def append(self, descriptor: int, data: bytes, path: Path) -> None:
        """Write all of `data` at the end of what was written."""
        view = memoryview(data)
        with disk_errors(path):
            while view:
                view = view[os.write(descriptor, view[:_MAX_WRITE]) :]

    def sync(self, descriptor: int, path: Path) -> None:
        """Make a file's bytes durable."""
        self.boundary(f"fsync {path.name}")
        with disk_errors(path):
            os.fsync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Make names in a directory durable."""
        self.boundary(f"fsync directory {path.name}")
        with disk_errors(path):
            descriptor = os.open(path, _DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def make_directory(self, path: Path) -> None:
        """Create a directory and what is missing above it, durably; one that exists is left alone."""
        if path.is_dir():
            return
        self.make_directory(path.parent)
        with disk_errors(path):
            path.mkdir(exist_ok=True)
        self.sync_directory(path.parent)

    def rename(self, source: Path, target: Path) -> None:
        """Move a file on one file system, atomically; durable after `sync_directory`."""
        self.boundary(f"rename {target.name}")
        with disk_errors(source):
            source.rename(target)

    def put(self, source: Path, target: Path) -> None:
        """Let a file be seen at `target`, atomically, and keep it at `source` too where the file system has links."""
        self.boundary(f"link {target.name}")
        link = source.with_suffix(".link")
        with disk_errors(source):
            link.unlink(missing_ok=True)
            try:
                link.hardlink_to(source)
            except OSError as error:
                if error.errno not in _CANNOT_LINK:
                    raise
                link = source
            link.replace(target)
            if link != source:
                link.unlink(missing_ok=True)  # it stays where both names were the same file already (rename(2))

    def remove(self, path: Path) -> None:
        """Delete a file; one that is gone is left alone."""
        self.boundary(f"remove {path.name}")
        with disk_errors(path):
            path.unlink(missing_ok=True)

    def remove_directory(self, path: Path) -> None:
        """Delete a directory; one that is gone, or that something was put into meanwhile, is left alone."""
        with disk_errors(path):
            try:
                path.rmdir()
            except OSError as error:
                if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
                    raise


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
