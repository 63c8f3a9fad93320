"""Which upload goes on: the session of a push that was interrupted, found again by the same push.

    <cache>/uploads/<key>     the id of the session; locked while a push uses it

`key` is a digest of the server, the namespace, the token and the paths and sizes of the files. Nothing else is kept:
the same files make the same packs, and the server says how much of each is there. Two pushes of the same at once do
not share a session: the second begins one that is not kept.
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stemma.client.calls import Run
from stemma.client.files.beneath import file_errors
from stemma.errors import ForbiddenError, InvalidError, NotFoundError, StemmaError
from stemma.operations.files.uploads import ABANDON, BEGIN, SHOW, OfUpload
from stemma.operations.requests import OfNamespace

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_OLD = 7 * 24 * 3600


def key_of(parts: Iterable[str]) -> str:
    """Return the name under which the session of a push is kept."""
    hasher = hashlib.sha256(b"stemma upload v1\0")
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "big") + data)
    return hasher.hexdigest()


@dataclass(slots=True)
class Session:
    """An open upload session; `arrived` says how many bytes of each pack the server had when it was found again."""

    id: str
    arrived: dict[str, int]

    @property
    def resumed(self) -> bool:
        """Whether anything was there already."""
        return bool(self.arrived)


@dataclass(slots=True)
class Sessions:
    """The sessions of pushes to one namespace; a context manager gives one, and keeps it unless the push ended."""

    run: Run
    folder: Path
    namespace: str

    @contextmanager
    def use(self, key: str) -> Iterator[Session]:
        """Give the session of this very push, or a new one; forget it when the push has ended, well or for good."""
        with self._locked(key) as descriptor:
            session = self._find(descriptor) or self._begin()
            self._note(descriptor, session.id)
            try:
                yield session
            except (InvalidError, ForbiddenError):  # trying again cannot help
                self._note(descriptor, "")
                with suppress(StemmaError):
                    self.run(ABANDON, OfUpload(upload=session.id))
                raise
            self._note(descriptor, "")

    def again(self, session: Session) -> None:
        """Give up what was sent, and begin anew with a session of its own."""
        with suppress(StemmaError):
            self.run(ABANDON, OfUpload(upload=session.id))
        begun = self._begin()
        session.id, session.arrived = begun.id, {}

    def _begin(self) -> Session:
        return Session(self.run(BEGIN, OfNamespace(namespace=self.namespace)).upload, {})

    def _find(self, descriptor: int | None) -> Session | None:
        if descriptor is None:
            return None
        noted = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
        if not _ID.fullmatch(noted):
            return None
        try:
            found = self.run(SHOW, OfUpload(upload=noted))
        except NotFoundError:  # it has expired, or belongs to somebody else
            return None
        if found.manifest is not None or found.namespace != self.namespace:
            return None
        return Session(noted, {pack.pack: pack.size for pack in found.packs})

    @contextmanager
    def _locked(self, key: str) -> Iterator[int | None]:
        """Hold the file of a key; None while another push does."""
        with file_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _forget_old(self.folder)
            path = self.folder / key
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield descriptor
                if not os.pread(descriptor, 1, 0):
                    path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _note(self, descriptor: int | None, id_: str) -> None:
        if descriptor is not None:
            with file_errors(self.folder):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, id_.encode(), 0)


def _forget_old(folder: Path) -> None:
    """Remove what pushes left that were never repeated; the server has forgotten them for days."""
    for path in folder.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _OLD:
                path.unlink()
