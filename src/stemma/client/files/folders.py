"""A folder on this machine as files to store: everything in it, read safely, or a clear refusal.

Nothing is skipped without being listed. Symbolic links are refused, or followed to regular files on request; sockets,
pipes and devices are refused. A file that changes while it is read is a ConflictError.
"""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from blake3 import blake3

from stemma.artifacts.manifest import MAX_FILES, Manifest, ManifestFile
from stemma.artifacts.paths import check_path
from stemma.artifacts.ports import Source
from stemma.artifacts.uploads.packing import AddedFile
from stemma.client.files.beneath import Beneath, file_errors
from stemma.errors import ConflictError, InvalidError, TooLargeError

REPOSITORY = ".stemma"
_READ = os.O_RDONLY | os.O_NONBLOCK  # a pipe put in a file's place must not block
_FRESH = 100_000_000  # nanoseconds: a younger file may change again without a new modification time
_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
_CHANGED = "Try again when nothing writes to it."


@dataclass(frozen=True, slots=True)
class _State:
    """What tells that a file is the same and unchanged."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, result: os.stat_result) -> Self:
        return cls(result.st_dev, result.st_ino, result.st_size, result.st_mtime_ns, result.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class FileSource:
    """An open file; reads may come from several threads."""

    descriptor: int
    size: int
    place: Path

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, or fewer if the file has become shorter."""
        with file_errors(self.place):
            data = os.pread(self.descriptor, length, offset)
            while len(data) < length:
                more = os.pread(self.descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        return data

    def fingerprint(self) -> bytes:
        """Return the BLAKE3 of the content as it is now."""
        hasher = blake3()
        for offset in range(0, self.size, 1 << 20):
            hasher.update(self.read(offset, min(1 << 20, self.size - offset)))
        return hasher.digest()


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One file of a folder: its path in it, its size and its owner's x bit when it was listed.

    `target` is the real path of a link that is followed.
    """

    path: str
    size: int
    executable: bool
    _folder: Beneath
    _state: _State
    target: Path | None = None

    @contextmanager
    def open(self) -> Iterator[Source]:
        """Open it; ConflictError if it is not what was listed, or if it changed while it was open."""
        descriptor = self._open()
        try:
            if _State.of(os.fstat(descriptor)) != self._state:
                raise self._conflict("changed since it was listed")
            source = FileSource(descriptor, self.size, self._folder.root / self.path)
            # Kernels keep time in ticks: right after a write, another may leave no trace in the times.
            fresh = time.time_ns() - max(self._state.modified, self._state.changed) < _FRESH
            before = source.fingerprint() if fresh else b""
            yield source
            if _State.of(os.fstat(descriptor)) != self._state or (fresh and source.fingerprint() != before):
                raise self._conflict("changed while it was read")
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        if self.target is None:
            return self._folder.open(self.path, _READ)
        with file_errors(self.target):
            return os.open(self.target, _READ | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _conflict(self, what: str) -> ConflictError:
        return ConflictError(f"the file {what}", hint=_CHANGED, place=ascii(str(self._folder.root / self.path)))


@dataclass(frozen=True, slots=True)
class Folder:
    """What is in a folder; keep it open (it is a context manager) until its files are read.

    `directories` are the empty ones; `skipped` is what was left out on purpose.
    """

    files: tuple[FolderFile, ...]
    directories: tuple[str, ...]
    skipped: tuple[str, ...]
    _folder: Beneath

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(file.size for file in self.files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.__exit__(kind, error, trace)


def describe(folder: Folder, added: Sequence[AddedFile]) -> Manifest:
    """Return the manifest of a folder whose files were stored as `added`, in their order."""
    files = (
        ManifestFile(file.path, stored.size, stored.digest, file.executable)
        for file, stored in zip(folder.files, added, strict=True)
    )
    return Manifest.of(files, folder.directories)


def list_folder(root: Path, *, follow_links: bool = False) -> Folder:
    """List a folder, or one file as a folder that holds it; only a repository (`.stemma`) at its top is skipped.

    InvalidError for a link (unless `follow_links` and it leads to a regular file), a socket, pipe or device, or a
    name that a manifest cannot hold; NotFoundError if there is nothing at `root`.
    """
    if root.is_file():
        return _list_file(root)
    folder = Beneath(root)
    try:
        return _Walk(folder, follow_links=follow_links).run()
    except BaseException:
        folder.__exit__(None, None, None)
        raise


def _list_file(path: Path) -> Folder:
    folder = Beneath(path.parent)
    try:
        real = path.resolve(strict=True) if path.is_symlink() else None
        with file_errors(path):
            result = (real or path).stat()
        check_path(path.name)
        file = FolderFile(path.name, result.st_size, _executable(result), folder, _State.of(result), real)
    except BaseException:
        folder.__exit__(None, None, None)
        raise
    return Folder((file,), (), (), folder)


class _Walk:
    """Goes through a folder, directories in the order of their names."""

    def __init__(self, folder: Beneath, *, follow_links: bool) -> None:
        self._folder = folder
        self._follow_links = follow_links
        self._files: list[FolderFile] = []
        self._empty: list[str] = []
        self._skipped: list[str] = []

    def run(self) -> Folder:
        waiting = [""]
        while waiting:
            path = waiting.pop()
            entries = self._folder.names(path)
            if not entries and path:
                self._empty.append(path)
            inner = [directory for entry in entries if (directory := self._take(path, entry))]
            waiting += reversed(inner)
            if len(self._files) + len(self._empty) > MAX_FILES:
                raise TooLargeError(
                    f"more than {MAX_FILES} files", hint="Archive small files.", place=str(self._folder.root)
                )
        files = tuple(sorted(self._files, key=lambda file: file.path))
        return Folder(files, tuple(sorted(self._empty)), tuple(self._skipped), self._folder)

    def _take(self, parent: str, entry: os.DirEntry[str]) -> str:
        """Note a file; return the path of a directory that is still to be listed, else an empty string."""
        if not parent and entry.name == REPOSITORY and entry.is_dir(follow_symlinks=False):
            self._skipped.append(entry.name)
            return ""
        path = check_path(f"{parent}/{entry.name}" if parent else entry.name)
        result = entry.stat(follow_symlinks=False)
        kind = stat.S_IFMT(result.st_mode)
        if kind == stat.S_IFDIR:
            return path
        if kind == stat.S_IFREG:
            self._files.append(FolderFile(path, result.st_size, _executable(result), self._folder, _State.of(result)))
        elif kind == stat.S_IFLNK:
            self._files.append(self._follow(path))
        else:
            raise self._refuse(path, f"is {_KINDS.get(kind, 'not a file')}", "Only regular files can be stored.")
        return ""

    def _follow(self, path: str) -> FolderFile:
        location = self._folder.root / path
        if not self._follow_links:
            leads = ascii(str(location.readlink()))
            raise self._refuse(
                path,
                f"is a symbolic link to {leads}",
                "Replace it by the file, or pass --follow-links (follow_links=True).",
            )
        try:
            real = location.resolve(strict=True)
            result = real.stat(follow_symlinks=False)
        except (OSError, RuntimeError) as error:
            raise self._refuse(path, "is a symbolic link that leads nowhere", "Remove it, or mend it.") from error
        if not stat.S_ISREG(result.st_mode):
            raise self._refuse(path, f"is a symbolic link to {str(real)!a}, which is no regular file", "Remove it.")
        return FolderFile(path, result.st_size, _executable(result), self._folder, _State.of(result), real)

    def _refuse(self, path: str, what: str, hint: str) -> InvalidError:
        return InvalidError(f"{path!a} {what}", hint=hint, place=str(self._folder.root))


def _executable(result: os.stat_result) -> bool:
    return bool(result.st_mode & stat.S_IXUSR)
