"""Packs in a folder of a local disk: `packs/ab/abcdef….pack`, and `uploads/{id}/{n}.pack` while they are private.

Plain system calls. A pack is written in the folder of its upload, made durable, and published by rename, after
which it never changes. Nobody appends to another's file.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import PackDraft
from stemma.backends.blobs.disk import Disk, disk_errors
from stemma.errors import InvalidError

_PACK = re.compile(r"[0-9a-f]{32}", re.ASCII)
_UPLOAD = re.compile(r"[0-9a-f]{8,64}", re.ASCII)


class LocalPackDraft:
    """A file that is being written."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self.path = path
        self._descriptor: int | None = disk.create(path)
        self.sealed = False

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
        """Rename every draft, then make the names durable."""
        folders = set()
        for draft, pack in packs:
            if not isinstance(draft, LocalPackDraft) or not draft.sealed:
                raise InvalidError("only a sealed pack of this store can be published")
            target = self._path(pack)
            self._disk.make_directory(target.parent)
            self._disk.rename(draft.path, target)
            folders.add(target.parent)
        for folder in sorted(folders):
            self._disk.sync_directory(folder)

    def read(self, pack: PackId, offset: int, length: int) -> bytes:
        """Return bytes of a published pack."""
        path = self._path(pack)
        descriptor = self._disk.open(path)
        try:
            with disk_errors(path):
                return _read_all(descriptor, offset, length)
        finally:
            os.close(descriptor)

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

    def _path(self, pack: PackId) -> Path:
        if not _PACK.fullmatch(pack):
            raise InvalidError(f"{pack[:80]!r} is not the id of a pack")
        return self._packs / pack[:2] / f"{pack}.pack"

    def _folder(self, upload: str) -> Path:
        if not _UPLOAD.fullmatch(upload):
            raise InvalidError(f"{upload[:80]!r} is not the id of an upload")
        return self._uploads / upload


def _read_all(descriptor: int, offset: int, length: int) -> bytes:
    """Read up to `length` bytes; fewer only at the end of the file."""
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
