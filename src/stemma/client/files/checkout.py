"""A stored folder written to disk: verified before it is seen, each file atomically, nothing outside the destination.

Files are written into `.stemma-checkout` inside the destination and renamed when their SHA-256 has been checked, so
that an interrupted checkout leaves only right files and can be repeated. Files that are right already are kept. Where
content comes from afar, unfinished files stay there too, named by their digest, and are gone on with the next time. The
destination is not flushed to the disk: what is lost with the power can be checked out again.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from stemma.artifacts.manifest import Manifest, ManifestFile
from stemma.artifacts.pipeline import AHEAD, THREADS, ordered_map
from stemma.client.files.beneath import Beneath, file_errors
from stemma.client.files.parts import go_on
from stemma.errors import ConflictError, CorruptError, InvalidError
from stemma.records import Digest

Held = TypeVar("Held")
Where_contra = TypeVar("Where_contra", contravariant=True)
WORK = ".stemma-checkout"
_LOCK = f"{WORK}/lock"
_TOGETHER = 64  # small files a task
_SMALL = 4 << 20
_ALLOCATED = 1 << 20
_CANNOT_ALLOCATE = frozenset({errno.EOPNOTSUPP, errno.EINVAL})
_PORTION = 1 << 20
_DAMAGED = "Run 'stemma verify --all' in the repository's folder to see what else is; restore the pack from a copy."
_AFAR = 8
"""Threads, and small files a task, where content comes from afar: the wire is waited for, not the processor."""
_X_BITS = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class Contents(Protocol[Where_contra]):
    """Where the content of files comes from, each told by where it is there. Used from several threads at once."""

    def stream(self, file: Where_contra, pool: Executor | None = None) -> Iterator[bytes]:
        """Yield the content; a CorruptError, at the end at the latest, where its SHA-256 is not the file's."""
        ...


@runtime_checkable
class Continued(Protocol[Where_contra]):
    """Contents from afar, of which what is there already is not fetched again."""

    def rest(self, file: Where_contra, start: int, pool: Executor | None, /) -> Iterator[bytes]:
        """Yield the content from `start` on; its SHA-256 is for the caller to compare."""
        ...


@dataclass(frozen=True, slots=True)
class Checkout:
    """What was done: paths `written` and `kept`, and `extra` paths that were there and are not in the manifest."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    extra: tuple[str, ...]


def check_out(
    manifest: Manifest,
    stored: Mapping[Digest, Held],
    reader: Contents[Held] | Continued[Held],
    destination: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Checkout:
    """Make `destination` hold the files of `manifest`, which `stored` says where to find; `progress` is told bytes.

    A destination that holds anything else is a ConflictError, before anything is written; with `overwrite` files
    of the manifest are replaced, and others are left and returned as `extra`. CorruptError if stored bytes are
    damaged: the files that are right stay.
    """
    _check_reserved(manifest)
    is_new = not destination.exists()
    with file_errors(destination):
        destination.mkdir(parents=True, exist_ok=True)
    try:
        return _check_out(manifest, stored, reader, destination, overwrite=overwrite, progress=progress)
    except BaseException:
        if is_new:
            with suppress(OSError):  # it stays where it holds anything by now
                destination.rmdir()
        raise


def _check_out(
    manifest: Manifest,
    stored: Mapping[Digest, Held],
    reader: Contents[Held] | Continued[Held],
    destination: Path,
    *,
    overwrite: bool,
    progress: Callable[[int], None],
) -> Checkout:
    parts = _parts_of(manifest) if isinstance(reader, Continued) else {}
    with Beneath(destination) as folder, _work_folder(folder, frozenset(parts.values())):
        present = _Present(folder, manifest)
        extra = present.extra()
        if not overwrite:
            present.refuse_others(extra)
        kept, missing = present.sort(overwrite=overwrite)
        threads = _AFAR if parts else THREADS
        with ThreadPoolExecutor(threads, thread_name_prefix="stemma-checkout") as pool:
            _Writer(folder, stored, reader, pool, progress, parts).write(missing)
        for directory in manifest.directories:
            folder.make_directories(directory)
    return Checkout(tuple(file.path for file in missing), tuple(file.path for file in kept), extra)


def _check_reserved(manifest: Manifest) -> None:
    for path in (*(file.path for file in manifest.files), *manifest.directories):
        if path == WORK or path.startswith(f"{WORK}/"):
            raise InvalidError(f"{path!a} is a name that a checkout needs for itself", hint=f"Rename {WORK!r}.")


def _parts_of(manifest: Manifest) -> dict[str, str]:
    """Return the name of each file while it is unfinished, by its path: its digest, and which of its copies it is."""
    parts: dict[str, str] = {}
    counts: dict[Digest, int] = {}
    for file in manifest.files:
        number = counts[file.digest] = counts.get(file.digest, 0) + 1
        parts[file.path] = f"{WORK}/{file.digest.hex}.{number}"
    return parts


@contextmanager
def _work_folder(folder: Beneath, parts: frozenset[str]) -> Iterator[None]:
    """Hold the folder for unfinished files, of which `parts` stay when it fails.

    A ConflictError while another checkout holds it.
    """
    folder.make_directories(WORK)
    lock = folder.open(_LOCK, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            hint = "Wait for it, or choose another folder."
            raise ConflictError("another checkout writes to this folder", hint=hint, place=str(folder.root)) from error
        _clear(folder, parts)
        done = False
        try:
            yield
            done = True
        finally:
            if not _clear(folder, frozenset() if done else parts):
                folder.remove(_LOCK)
                folder.remove_directory(WORK)
    finally:
        os.close(lock)


def _clear(folder: Beneath, but: frozenset[str]) -> int:
    """Remove what is unfinished, `but` these; return how many of these are there."""
    kept = 0
    for entry in folder.names(WORK):
        path = f"{WORK}/{entry.name}"
        if path in but:
            kept += 1
        elif path != _LOCK:
            folder.remove(path)
    return kept


class _Present:
    """What the destination holds, beside the manifest."""

    def __init__(self, folder: Beneath, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        self._states: dict[str, os.stat_result] = {}
        waiting = [""]
        while waiting:
            parent = waiting.pop()
            for entry in folder.names(parent):
                path = f"{parent}/{entry.name}" if parent else entry.name
                if path == WORK:
                    continue
                self._states[path] = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(self._states[path].st_mode):
                    waiting.append(path)

    def extra(self) -> tuple[str, ...]:
        """Return what is there and neither in the manifest nor a folder on the way to something that is."""
        wanted = {file.path for file in self._manifest.files} | set(self._manifest.directories)
        above = {path[:at] for path in wanted for at in range(len(path)) if path[at] == "/"}
        return tuple(
            path
            for path, state in sorted(self._states.items())
            if path not in wanted and (path not in above or not stat.S_ISDIR(state.st_mode))
        )

    def refuse_others(self, extra: Sequence[str]) -> None:
        """Raise a ConflictError for a destination with other files."""
        if extra:
            count = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
            what = f"the destination is not empty: it holds {extra[0]!a}{count}"
            raise ConflictError(what, hint="Choose an empty folder, or pass --overwrite.", place=str(self._folder.root))

    def sort(self, *, overwrite: bool) -> tuple[list[ManifestFile], list[ManifestFile]]:
        """Return the files that are right already and those to write; a ConflictError for one that is different."""
        kept: list[ManifestFile] = []
        missing: list[ManifestFile] = []
        for file in self._manifest.files:
            state = self._states.get(file.path)
            if state is not None and self._is_right(file, state):
                kept.append(file)
                continue
            if state is not None and not overwrite:
                hint = "Choose an empty folder, or pass --overwrite."
                raise ConflictError(
                    f"{file.path!a} is there with other content", hint=hint, place=str(self._folder.root)
                )
            missing.append(file)
        for file in kept:
            self._set_executable(file, self._states[file.path])
        return kept, missing

    def _is_right(self, file: ManifestFile, state: os.stat_result) -> bool:
        if not stat.S_ISREG(state.st_mode) or state.st_size != file.size:
            return False
        hasher = hashlib.sha256()
        descriptor = self._folder.open(file.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with file_errors(self._folder.root / file.path):
                while data := os.read(descriptor, _PORTION):
                    hasher.update(data)
        finally:
            os.close(descriptor)
        return hasher.digest() == file.digest.raw

    def _set_executable(self, file: ManifestFile, state: os.stat_result) -> None:
        if bool(state.st_mode & stat.S_IXUSR) == file.executable:
            return
        mode = stat.S_IMODE(state.st_mode)
        readers = (mode & (stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)) >> 2
        descriptor = self._folder.open(file.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with file_errors(self._folder.root / file.path):
                os.fchmod(descriptor, mode | readers if file.executable else mode & ~_X_BITS)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Writer(Generic[Held]):
    folder: Beneath
    stored: Mapping[Digest, Held]
    reader: Contents[Held] | Continued[Held]
    pool: ThreadPoolExecutor
    progress: Callable[[int], None]
    parts: Mapping[str, str]

    def write(self, files: Sequence[ManifestFile]) -> None:
        """Write small files side by side, then large ones one by one with their blocks decoded in parallel."""
        for parent in sorted({file.path.rpartition("/")[0] for file in files} - {""}):
            self.folder.make_directories(parent)
        numbered = list(enumerate(files))
        small = [item for item in numbered if item[1].size <= _SMALL]
        together = _AFAR if self.parts else _TOGETHER
        groups = [small[at : at + together] for at in range(0, len(small), together)]
        for size in ordered_map(self.pool, self._write_group, groups, ahead=2 * _AFAR if self.parts else AHEAD):
            self.progress(size)
        for number, file in numbered:
            if file.size > _SMALL:
                self._write_file(number, file, self.pool, self.progress)

    def _write_group(self, group: Sequence[tuple[int, ManifestFile]]) -> int:
        for number, file in group:
            self._write_file(number, file, None, lambda _: None)
        return sum(file.size for _, file in group)

    def _write_file(
        self, number: int, file: ManifestFile, pool: ThreadPoolExecutor | None, progress: Callable[[int], None]
    ) -> None:
        reader = self.reader
        name = self.parts.get(file.path, f"{WORK}/{number}")
        held = self.stored[file.digest]
        try:
            if isinstance(reader, Continued):
                go_on(self.folder, name, file, lambda start: reader.rest(held, start, pool), progress)
            else:
                self._write_whole(name, file, reader.stream(held, pool), progress)
        except CorruptError as error:
            raise CorruptError(
                f"{file.path!a} is damaged: {error.message}", hint=error.hint or _DAMAGED, place=error.place
            ) from error
        self.folder.rename(name, file.path)

    def _write_whole(
        self,
        name: str,
        file: ManifestFile,
        content: Iterator[bytes],
        progress: Callable[[int], None],
    ) -> None:
        mode = 0o777 if file.executable else 0o666
        descriptor = self.folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with file_errors(self.folder.root / file.path):
                if file.size >= _ALLOCATED:
                    _allocate(descriptor, file.size)
                for data in content:
                    _write_all(descriptor, data)
                    progress(len(data))
        finally:
            os.close(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    """Take the room at once where the file system can, so that a full disk is found before any work."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
