"""Packs in a folder of a local disk: `packs/ab/abcdef….pack`, and `uploads/{id}/{n}.pack` while they are private.

Plain system calls. A pack is written in the folder of its upload, made durable, and published by rename, after
which it never changes. Nobody appends to another's file.

A pack that arrives in portions is `uploads/{id}/{pack}.part`, and `.pack` once it is sealed. It is published by a
link, so that whoever was interrupted then can do it again.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import PackDraft
from stemma.backends.blobs.disk import Disk, disk_errors
from stemma.errors import ConflictError, InvalidError, NotFoundError

_PACK = re.compile(r"[0-9a-f]{32}", re.ASCII)
_UPLOAD = re.compile(r"[0-9a-f]{8,64}", re.ASCII)


class LocalPackDraft:
    """A file that is being written."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self.path = path
        self._descriptor: int | None = disk.create(path)
        self.sealed = False

    def publish(self, target: Path) -> None:
        """Move it to `target`."""
        self._disk.rename(self.path, target)

    def append(self, data: bytes) -> None:
        """Write behind what is there."""
        if self.sealed:
            raise InvalidError("a sealed pack takes no more", place=str(self.path))
        self._disk.append(self._handle(), data, self.path)

    def seal(self) -> None:
        """Make it durable."""
        self._disk.sync(self._handle(), self.path)
        self.sealed = True

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from the file."""
        with disk_errors(self.path):
            return _read_all(self._handle(), offset, length)

    def close(self) -> None:
        """Close the file; it stays where it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _handle(self) -> int:
        if self._descriptor is None:
            raise InvalidError("this pack is closed", place=str(self.path))
        return self._descriptor


class ArrivedPack:
    """A file that arrived and is sealed; opened for each read, for there may be thousands."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self.path = path
        self.sealed = True

    def append(self, data: bytes) -> None:
        """Refuse."""
        raise InvalidError("a sealed pack takes no more", place=f"{self.path}, {len(data)} bytes")

    def seal(self) -> None:
        """Do nothing: it is."""

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes from the file."""
        return _read_from(self._disk, self.path, offset, length)

    def close(self) -> None:
        """Do nothing: no handle is kept."""

    def publish(self, target: Path) -> None:
        """Let it be seen at `target` too."""
        self._disk.put(self.path, target)


class LocalPackStore:
    """Keeps packs under `root`, which is created when something is first written."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()
        self._packs = root / "packs"
        self._uploads = root / "uploads"

    def create(self, upload: str) -> PackDraft:
        """Create the next file in the upload's folder."""
        folder = self._folder(upload)
        self._disk.make_directory(folder)
        number = sum(1 for _ in folder.iterdir())
        return LocalPackDraft(self._disk, folder / f"{number:06d}.pack")

    def publish(self, packs: Sequence[tuple[PackDraft, PackId]]) -> None:
        """Rename or link every draft, then make the names durable."""
        folders = set()
        for draft, pack in packs:
            if not isinstance(draft, LocalPackDraft | ArrivedPack) or not draft.sealed:
                raise InvalidError("only a sealed pack of this store can be published")
            target = self._path(pack)
            self._disk.make_directory(target.parent)
            draft.publish(target)
            folders.add(target.parent)
        for folder in sorted(folders):
            self._disk.sync_directory(folder)

    def extend(self, upload: str, pack: PackId, offset: int, data: bytes) -> int:
        """Append to the file under its lock."""
        part, whole = self._arriving(upload, pack)
        self._disk.make_directory(part.parent)
        _refuse_sealed(whole)
        with self._disk.locked(part) as descriptor, disk_errors(part):
            _refuse_sealed(whole)  # meanwhile it may have been
            size = os.lseek(descriptor, 0, os.SEEK_END)
            if size == offset:
                self._disk.append(descriptor, data, part)
            return size

    def arrived(self, upload: str) -> Mapping[PackId, int]:
        """Look at the upload's folder."""
        folder = self._folder(upload)
        found: dict[PackId, int] = {}
        for path in folder.iterdir() if folder.is_dir() else ():
            if _PACK.fullmatch(path.stem) and path.suffix in {".part", ".pack"}:
                size = _size_of(path) or 0
                found[PackId(path.stem)] = max(size, found.get(PackId(path.stem), 0))
        return found

    def seal(self, upload: str, pack: PackId) -> PackDraft:
        """Flush the file and give it the name of a whole one, under its lock."""
        part, whole = self._arriving(upload, pack)
        if _size_of(whole) is None:
            if _size_of(part) is None:
                raise NotFoundError(f"nothing of pack {pack} has arrived", hint="Send it first.")
            with self._disk.locked(part) as descriptor:
                self._disk.sync(descriptor, part)
                if _size_of(whole) is None:
                    self._disk.rename(part, whole)
            self._disk.sync_directory(whole.parent)
        return ArrivedPack(self._disk, whole)

    def read(self, pack: PackId, offset: int, length: int) -> bytes:
        """Return bytes of a published pack."""
        return _read_from(self._disk, self._path(pack), offset, length)

    def size(self, pack: PackId) -> int:
        """Return the size of a published pack."""
        path = self._path(pack)
        with disk_errors(path):
            return path.stat(follow_symlinks=False).st_size

    def packs(self) -> Iterator[PackId]:
        """Yield every published pack."""
        for path in sorted(self._packs.glob("??/*.pack")):
            if _PACK.fullmatch(path.stem) and path.parent.name == path.stem[:2]:
                yield PackId(path.stem)

    def remove(self, pack: PackId) -> None:
        """Delete a published pack."""
        path = self._path(pack)
        if path.exists():
            self._disk.remove(path)
            self._disk.sync_directory(path.parent)

    def uploads(self) -> Iterator[str]:
        """Yield the uploads that left something."""
        if self._uploads.is_dir():
            yield from sorted(path.name for path in self._uploads.iterdir() if _UPLOAD.fullmatch(path.name))

    def discard(self, upload: str) -> None:
        """Delete the upload's folder and what is in it."""
        folder = self._folder(upload)
        if folder.is_dir():
            for path in folder.iterdir():
                self._disk.remove(path)
            self._disk.remove_directory(folder)

    def _arriving(self, upload: str, pack: PackId) -> tuple[Path, Path]:
        folder = self._folder(upload)
        return folder / f"{_checked(pack)}.part", folder / f"{pack}.pack"

    def _path(self, pack: PackId) -> Path:
        _checked(pack)
        return self._packs / pack[:2] / f"{pack}.pack"

    def _folder(self, upload: str) -> Path:
        if not _UPLOAD.fullmatch(upload):
            raise InvalidError(f"{upload[:80]!r} is not the id of an upload")
        return self._uploads / upload


def _checked(pack: PackId) -> PackId:
    if not _PACK.fullmatch(pack):
        raise InvalidError(f"{pack[:80]!r} is not the id of a pack")
    return pack


def _refuse_sealed(path: Path) -> None:
    if _size_of(path) is not None:
        raise ConflictError(f"pack {path.stem} is sealed and takes no more", hint="It is being committed.")


def _size_of(path: Path) -> int | None:
    try:
        with disk_errors(path):
            return path.stat(follow_symlinks=False).st_size
    except NotFoundError:
        return None


def _read_from(disk: Disk, path: Path, offset: int, length: int) -> bytes:
    descriptor = disk.open(path)
    try:
        with disk_errors(path):
            return _read_all(descriptor, offset, length)
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, offset: int, length: int) -> bytes:
    """Read up to `length` bytes; fewer only at the end of the file."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
