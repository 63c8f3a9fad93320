"""Packs in memory, for tests and for repositories that need not last: the same contract, nothing durable."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from stemma.artifacts.packs.pack import PackId
from stemma.artifacts.ports import PackDraft
from stemma.errors import ConflictError, InvalidError, NotFoundError


class MemoryPackDraft:
    """Bytes that are being written."""

    def __init__(self, data: bytearray) -> None:
        self.data = data
        self.sealed = False

    def append(self, data: bytes) -> None:
        """Write behind what is there."""
        if self.sealed:
            raise InvalidError("a sealed pack takes no more")
        self.data += data

    def seal(self) -> None:
        """Take no more."""
        self.sealed = True

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes that were written."""
        return bytes(self.data[offset : offset + length])

    def close(self) -> None:
        """Do nothing: there is no handle."""


class MemoryPackStore:
    """Keeps packs in a dictionary. Used from several threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._packs: dict[PackId, bytes] = {}
        self._uploads: dict[str, list[bytearray]] = {}
        self._arriving: dict[str, dict[PackId, MemoryPackDraft]] = {}

    def create(self, upload: str) -> PackDraft:
        """Begin a pack."""
        with self._lock:
            data = bytearray()
            self._uploads.setdefault(upload, []).append(data)
        return MemoryPackDraft(data)

    def publish(self, packs: Sequence[tuple[PackDraft, PackId]]) -> None:
        """Make drafts visible."""
        for draft, pack in packs:
            if not isinstance(draft, MemoryPackDraft) or not draft.sealed:
                raise InvalidError("only a sealed pack of this store can be published")
            with self._lock:
                self._packs[pack] = bytes(draft.data)

    def extend(self, upload: str, pack: PackId, offset: int, data: bytes) -> int:
        """Append to what is there."""
        with self._lock:
            draft = self._arriving.setdefault(upload, {}).setdefault(pack, MemoryPackDraft(bytearray()))
            if draft.sealed:
                raise ConflictError(f"pack {pack} is sealed and takes no more", hint="It is being committed.")
            size = len(draft.data)
            if size == offset:
                draft.data += data
            return size

    def arrived(self, upload: str) -> Mapping[PackId, int]:
        """Return the sizes."""
        with self._lock:
            return {pack: len(draft.data) for pack, draft in self._arriving.get(upload, {}).items()}

    def seal(self, upload: str, pack: PackId) -> PackDraft:
        """Take no more."""
        with self._lock:
            draft = self._arriving.get(upload, {}).get(pack)
            if draft is None:
                raise NotFoundError(f"nothing of pack {pack} has arrived", hint="Send it first.")
            draft.sealed = True
        return draft

    def read(self, pack: PackId, offset: int, length: int) -> bytes:
        """Return bytes of a published pack."""
        return self._find(pack)[offset : offset + length]

    def size(self, pack: PackId) -> int:
        """Return the size of a published pack."""
        return len(self._find(pack))

    def packs(self) -> Iterator[PackId]:
        """Yield every published pack."""
        with self._lock:
            packs = sorted(self._packs)
        yield from packs

    def remove(self, pack: PackId) -> None:
        """Forget a pack."""
        with self._lock:
            self._packs.pop(pack, None)

    def uploads(self) -> Iterator[str]:
        """Yield the uploads that left something."""
        with self._lock:
            uploads = sorted({*self._uploads, *self._arriving})
        yield from uploads

    def discard(self, upload: str) -> None:
        """Forget what an upload left."""
        with self._lock:
            self._uploads.pop(upload, None)
            self._arriving.pop(upload, None)

    def _find(self, pack: PackId) -> bytes:
        with self._lock:
            data = self._packs.get(pack)
        if data is None:
            raise NotFoundError("there is no such pack", place=f"pack {pack}")
        return data
